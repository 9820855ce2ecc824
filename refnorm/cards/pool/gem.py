"""How gem_pool is got wrong, and what frameworks call it with."""

import math

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.gem import gem_pool

conventions(gem_pool, "paper", "no eps: the features come out of a ReLU", p=3.0, eps=2.0**-1022)
conventions(gem_pool, "cirtorch", "gem of cnnimageretrieval-pytorch, and of gandtr", p=3.0, eps=1e-6)
conventions(gem_pool, "superglobal", "gemp of ShihaoShao-GH/SuperGlobal", p=4.6, eps=1e-8)
conventions(gem_pool, "ggem", "one exponent a group: repeat it; the released formula was not found", p=3.0, eps=1e-6)


def rows_of(x, axis, p):
    """Return (rows, exponents): the reduced axes last and flattened, and p that broadcasts over them."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    moved = np.moveaxis(x, axes, range(-len(axes), 0))
    kept = moved.shape[: x.ndim - len(axes)]
    p = np.asarray(p, dtype="float64")
    return moved.reshape(*kept, math.prod(moved.shape[len(kept) :])), p if p.ndim == 0 else p[:, None]


def power_mean(c, p):
    """Return the power mean of positive rows about their geometric mean, where no exponent is lost."""
    middle = np.exp(np.mean(np.log(c), axis=-1, keepdims=True))
    t = p * np.log(c / middle)
    top = np.max(t, axis=-1, keepdims=True)
    small = np.max(np.abs(t), axis=-1, keepdims=True) < 1
    slight = np.log1p(np.mean(np.expm1(np.where(small, t, 0.0)), axis=-1, keepdims=True))
    total = np.where(small, slight, top + np.log(np.mean(np.exp(t - top), axis=-1, keepdims=True)))
    y = middle * np.exp(np.where(p == 0, 0.0, total / np.where(p == 0, 1.0, p)))
    infinite = np.isinf(np.max(c, axis=-1, keepdims=True))
    there = np.mean(np.where(np.isinf(c), 0.0, c) ** np.where(p < 0, p, 1.0) * ~np.isinf(c), axis=-1, keepdims=True)
    y = np.where(infinite, np.where(p < 0, there ** (1 / np.where(p < 0, p, 1.0)), np.inf), y)
    return np.where(np.isnan(c).any(axis=-1, keepdims=True), np.nan, y)[..., 0]


def held(x, eps):
    return np.where(x <= eps, eps, x)


@mistake(gem_pool, "eps added in place of a bound", kind="place of a parameter")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(np.where(rows > 0, rows, 0.0) + eps, p)


@mistake(gem_pool, "bound at zero, eps left out", kind="place of a parameter")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(rows, 1e-300), p)


@mistake(gem_pool, "bound on the powers", kind="order of steps")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    with np.errstate(all="ignore"):
        return np.mean(np.fmax(rows**p, eps), axis=-1) ** (1 / (p if p.ndim == 0 else p[:, 0]))


@mistake(gem_pool, "bound on the mean", kind="order of steps")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return held(power_mean(held(np.abs(rows), 1e-300), p), eps)


@mistake(gem_pool, "magnitudes in place of a bound", kind="sign")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(np.abs(rows), eps), p)


@mistake(gem_pool, "exponent without its sign", kind="sign")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(rows, eps), np.abs(p))


@mistake(gem_pool, "sum in place of mean", kind="denominator")
def _(x, *, p=3.0, axis, eps=1e-6):  # as LPPool
    rows, p = rows_of(x, axis, p)
    flat = p if p.ndim == 0 else p[:, 0]
    return power_mean(held(rows, eps), p) * np.float64(rows.shape[-1]) ** (1 / np.where(flat == 0, np.inf, flat))


@mistake(gem_pool, "root left out", kind="exponent")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(rows, eps), p) ** (p if p.ndim == 0 else p[:, 0])


@mistake(gem_pool, "whole exponents only", kind="exponent")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(rows, eps), np.round(p))


@mistake(gem_pool, "p = 0 taken for the mean", kind="limit")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(rows, eps), np.where(np.abs(p) < 1e-3, 1.0, p))


@mistake(gem_pool, "the first exponent for every channel", kind="broadcasting")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(rows, eps), p if p.ndim == 0 else p[:1])


@mistake(gem_pool, "exponents in reverse order of the channels", kind="broadcasting")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(rows, eps), p if p.ndim == 0 else p[::-1])


@mistake(gem_pool, "one mean for all channels", kind="axis")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    y = power_mean(held(rows, eps), p)
    return np.broadcast_to(np.mean(y, axis=-1, keepdims=True), y.shape)


@mistake(gem_pool, "the maximum", kind="statistic")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return np.max(held(rows, eps), axis=-1)


@mistake(gem_pool, "last element left out", kind="tail")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(held(rows[..., :-1] if rows.shape[-1] > 1 else rows, eps), p)


@mistake(gem_pool, "NaN taken for eps", kind="NaN")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    return power_mean(np.fmax(rows, eps), p)


@mistake(gem_pool, "rounded to half before the powers", kind="cast order")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    c = held(rows, eps)
    top = np.max(c, axis=-1, keepdims=True)
    r = held((c / top).astype(np.float16).astype(x.dtype), 6e-8)
    return top[..., 0] * power_mean(r, p)


@mistake(gem_pool, "powers summed in half", kind="narrow accumulator")
def _(x, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    c = held(rows, eps)
    base = np.where(p < 0, np.min(c, axis=-1, keepdims=True), np.max(c, axis=-1, keepdims=True))
    total = np.sum(((c / base) ** p).astype(np.float16), axis=-1, dtype=np.float16).astype(x.dtype)
    flat = p if p.ndim == 0 else p[:, 0]
    with np.errstate(all="ignore"):
        return base[..., 0] * (total / c.shape[-1]) ** (1 / flat)


# ---- other people's right ones ----


@honest(gem_pool, "NumPy, log-mean-exp")
def _(x, /, *, p=3.0, axis, eps=1e-6):
    rows, p = rows_of(x, axis, p)
    p, one = p.astype(x.dtype), x.dtype.type(1)
    c = np.where(rows <= x.dtype.type(eps), x.dtype.type(max(eps, np.finfo(x.dtype).tiny)), rows)
    base = np.where(p < 0, np.min(c, axis=-1, keepdims=True), np.max(c, axis=-1, keepdims=True))
    usual, some = np.isfinite(base), np.where(p == 0, one, p)
    logs = np.log(c / np.where(usual, base, one))
    less = np.mean(np.expm1(p * logs), axis=-1, keepdims=True)
    total = np.where(less < -0.5, np.log(np.mean(np.exp(p * logs), axis=-1, keepdims=True)), np.log1p(less)) / some
    y = base * np.exp(np.where(p == 0, np.mean(logs, axis=-1, keepdims=True), total))
    logs = np.log(c / np.where(np.isfinite(y), y, one))  # and once more from the answer, where they are small
    step = np.mean(np.where(p == 0, logs, np.expm1(p * logs)), axis=-1, keepdims=True) / some
    return np.where(usual, y + y * np.where(np.isfinite(y), step, x.dtype.type(0)), base)[..., 0]


@honest(gem_pool, "torch, log-mean-exp", needs="torch")
def _(x, /, *, p=3.0, axis, eps=1e-6):
    import torch

    rows, p = rows_of(x, axis, p)
    rows = torch.from_numpy(rows.copy())
    c, p = rows.clamp(min=max(eps, torch.finfo(rows.dtype).tiny)), torch.from_numpy(p.copy()).to(rows.dtype)
    base = torch.where(p < 0, c.amin(-1, keepdim=True), c.amax(-1, keepdim=True))
    usual, some = base.isfinite(), torch.where(p == 0, 1, p)
    logs = (c / torch.where(usual, base, 1)).log()
    less = torch.expm1(p * logs).mean(-1, keepdim=True)
    total = torch.where(less < -0.5, torch.exp(p * logs).mean(-1, keepdim=True).log(), torch.log1p(less)) / some
    y = base * torch.where(p == 0, logs.mean(-1, keepdim=True), total).exp()
    logs = (c / torch.where(y.isfinite(), y, 1)).log()
    step = torch.where(p == 0, logs, torch.expm1(p * logs)).mean(-1, keepdim=True) / some
    return torch.where(usual, y + y * torch.where(y.isfinite(), step, 0), base)[..., 0].numpy()
