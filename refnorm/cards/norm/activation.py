"""How EvoNorm and Dice are got wrong, and what code calls them with."""

import math

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.activation import dice_activation, evonorm

conventions(
    evonorm, "paper", "EvoNorm-S0; the variance that B0 stores is a running one", kind="s0", groups=32, eps=1e-5
)
conventions(evonorm, "timm s0", "EvoNorm2dS0; EvoNorm2dS0a has eps 1e-3", kind="s0", groups=32, eps=1e-5)
conventions(
    evonorm,
    "timm b0",
    "EvoNorm2dB0; stores the unbiased variance: update_running(momentum=0.1, correction=1)",
    kind="b0",
    eps=1e-3,
)
conventions(evonorm, "timm b1", "EvoNorm2dB1; stores as B0 does", kind="b1", eps=1e-5)
conventions(evonorm, "timm b2", "EvoNorm2dB2; stores as B0 does", kind="b2", eps=1e-5)
conventions(evonorm, "timm s1", "EvoNorm2dS1; EvoNorm2dS1a has eps 1e-3", kind="s1", groups=32, eps=1e-5)
conventions(evonorm, "timm s2", "EvoNorm2dS2; EvoNorm2dS2a has eps 1e-3", kind="s2", groups=32, eps=1e-5)
conventions(
    evonorm, "flax b0", "Google's code stores the biased one: update_running(momentum=0.99, weighs='old')", kind="b0"
)
conventions(dice_activation, "paper", "batch statistics, no gain", eps=1e-8)
conventions(
    dice_activation, "code", "moments of zeros and ones whatever the batch, and a learned gain from 0 on", eps=1e-3
)
conventions(dice_activation, "deepctr-torch", "layers/activation.py; batch statistics in training", eps=1e-8)


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, np.ones_like(e)) / (1 + e)


def variance(x, axes, **options):
    return np.var(x, axis=axes, keepdims=True, **options)


def along(parameter, x):
    return parameter if parameter is None else parameter.reshape((1, -1) + (1,) * (x.ndim - 2))


def evolved(x, v, weight, bias, var, kind, groups, axis, eps, **steps):
    """EvoNorm in NumPy, each step of which a mistake may replace."""
    of_x, bend, of = steps.get("of_x", lambda x: x), steps.get("bend", sigmoid), steps.get("of", variance)
    root, larger, square = steps.get("root", np.sqrt), steps.get("larger", np.maximum), steps.get("square", mean_square)
    x = np.moveaxis(x, axis, 1)
    eps, places = x.dtype.type(eps), tuple(range(2, x.ndim))
    slope = x if v is None else along(v, x) * x
    if kind in ("s0", "s1", "s2"):
        parts = x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)
        std = root((square if kind == "s2" else of)(parts, 2) + eps)
        y = (of_x(parts) / std).reshape(x.shape) * bend(slope)
    else:
        batch = of(x, (0, *places)) if var is None else along(var, x)
        own = root((of if kind == "b0" else square)(x, places) + eps)
        right = slope + own if kind == "b0" else (x + steps.get("one", 1)) * own if kind == "b1" else own - x
        y = of_x(x) / larger(root(batch + eps), -right if kind == "b2" and steps.get("minus") else right)
    y = y if weight is None else y * along(weight, x)
    return np.moveaxis(y if bias is None else y + along(bias, x), 1, axis)


def twin(**steps):
    """Return EvoNorm with some steps replaced."""

    def call(x, v=None, weight=None, bias=None, var=None, /, *, kind, groups=None, axis=1, eps=1e-5):
        return evolved(x, v, weight, bias, var, kind, groups, axis, eps, **steps)

    return call


def mean_square(x, axes):
    return np.mean(x * x, axis=axes, keepdims=True)


mistake(evonorm, "x centred", kind="statistic")(twin(of_x=lambda x: x - np.mean(x, axis=-1, keepdims=True)))
mistake(evonorm, "mean square in place of the variance", kind="statistic")(twin(of=mean_square))
mistake(evonorm, "unbiased variance", kind="denominator")(twin(of=lambda x, axes: variance(x, axes, ddof=1)))
mistake(evonorm, "ReLU in place of the logistic bend", kind="activation")(twin(bend=lambda z: (z > 0) * 1.0))
mistake(evonorm, "minimum in place of maximum", kind="activation")(twin(larger=np.minimum))
mistake(evonorm, "variance in place of the mean square", kind="statistic")(twin(square=variance))
mistake(evonorm, "x not raised by 1 in B1", kind="statistic")(twin(one=0))
mistake(evonorm, "x less the root in B2, not the root less x", kind="sign")(twin(minus=True))
mistake(evonorm, "root left out", kind="statistic")(twin(root=lambda v: v))
mistake(evonorm, "eps left out", kind="place of a parameter")(
    lambda x, v=None, weight=None, bias=None, var=None, /, *, kind, groups=None, axis=1, eps=1e-5: evolved(
        x, v, weight, bias, var, kind, groups, axis, 0.0
    )
)


@mistake(evonorm, "slope left out", kind="activation")
def _(x, v=None, weight=None, bias=None, var=None, /, *, kind, groups=None, axis=1, eps=1e-5):
    return evolved(x, v if v is None else np.ones_like(v), weight, bias, var, kind, groups, axis, eps)


@mistake(evonorm, "stored variance not used", kind="statistic")
def _(x, v=None, weight=None, bias=None, var=None, /, *, kind, groups=None, axis=1, eps=1e-5):
    return evolved(x, v, weight, bias, None, kind, groups, axis, eps)


@mistake(evonorm, "one group", kind="axis")
def _(x, v=None, weight=None, bias=None, var=None, /, *, kind, groups=None, axis=1, eps=1e-5):
    return evolved(x, v, weight, bias, var, kind, groups and 1, axis, eps)


honest(evonorm, "NumPy")(twin())


@honest(evonorm, "torch, written as timm's", needs="torch")
def _(x, v=None, weight=None, bias=None, var=None, /, *, kind, groups=None, axis=1, eps=1e-5):
    import torch

    x = torch.from_numpy(np.moveaxis(x, axis, 1).copy())
    row = lambda p: torch.from_numpy(p.copy()).reshape((1, -1) + (1,) * (x.ndim - 2))
    std = lambda t, axes: torch.sqrt(torch.var(t, dim=axes, correction=0, keepdim=True) + eps)
    rms = lambda t, axes: torch.sqrt(torch.mean(t.square(), dim=axes, keepdim=True) + eps)
    places = tuple(range(2, x.ndim)) or None
    if kind in ("s0", "s1", "s2"):
        parts = x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)
        y = (parts / (rms if kind == "s2" else std)(parts, 2)).reshape(x.shape)
        y = y * torch.sigmoid(x if v is None else row(v) * x)
    else:
        batch = std(x, (0, *places)) if var is None else torch.sqrt(row(var) + eps)
        if kind == "b0":
            right = row(v) * x + std(x, places)
        else:
            right = (x + 1) * rms(x, places) if kind == "b1" else rms(x, places) - x
        y = x / torch.maximum(batch, right)
    y = y if weight is None else y * row(weight)
    return np.moveaxis((y if bias is None else y + row(bias)).numpy(), 1, axis)


# ---- Dice ----


def moments(x, axis):
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    return np.mean(x, axis=others), np.var(x, axis=others)


def dice(x, alpha, mean, var, gain, axis, eps, *, root=np.sqrt, part=lambda p, a: p + (1 - p) * a, of=moments):
    if mean is None:
        mean, var = of(x, axis)
    x = np.moveaxis(x, axis, -1)
    score = (x - mean) / root(var + x.dtype.type(eps))
    y = x * part(sigmoid(score if gain is None else score * gain), alpha)
    return np.moveaxis(y, -1, axis)


@mistake(dice_activation, "PReLU: bent at 0, not at the mean", kind="activation")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    moved = np.moveaxis(x, axis, -1)
    return np.moveaxis(np.where(moved > 0, moved, alpha * moved), -1, axis)


@mistake(dice_activation, "alpha on the part that passes", kind="activation")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    return dice(x, alpha, mean, var, gain, axis, eps, part=lambda p, a: p * a + (1 - p))


@mistake(dice_activation, "alpha left out: x p", kind="activation")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    return dice(x, alpha, mean, var, gain, axis, eps, part=lambda p, a: p)


@mistake(dice_activation, "moments 0 and 1 whatever the batch", kind="statistic")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    zero = np.zeros_like(alpha)
    return dice(x, alpha, *((zero, zero + 1) if mean is None else (mean, var)), gain, axis, eps)


@mistake(dice_activation, "unbiased variance", kind="denominator")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    n = x.size // len(alpha)
    of = lambda x, axis: (moments(x, axis)[0], moments(x, axis)[1] * n / max(n - 1, 1))
    return dice(x, alpha, mean, var, gain, axis, eps, of=of)


@mistake(dice_activation, "variance in place of the deviation", kind="statistic")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    return dice(x, alpha, mean, var, gain, axis, eps, root=lambda v: v)


@mistake(dice_activation, "eps left out", kind="place of a parameter")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    return dice(x, alpha, mean, var, gain, axis, 0.0)


@mistake(dice_activation, "gain left out", kind="missing factor")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    return dice(x, alpha, mean, var, None, axis, eps)


@honest(dice_activation, "NumPy")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    return dice(x, alpha, mean, var, gain, axis, eps)


@honest(dice_activation, "torch", needs="torch")
def _(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    import torch

    x = torch.from_numpy(np.moveaxis(x, axis, -1).copy())
    alpha, mean, var, gain = (p if p is None else torch.from_numpy(p.copy()) for p in (alpha, mean, var, gain))
    if mean is None:
        others = tuple(range(x.ndim - 1))
        mean, var = x.mean(dim=others), x.var(dim=others, correction=0)
    score = (x - mean) / torch.sqrt(var + eps)
    p = torch.sigmoid(score if gain is None else score * gain)
    return np.moveaxis((x * (p + (1 - p) * alpha)).numpy(), -1, axis)
