"""How weights and the lengths of classes are normalized wrong, and what frameworks call it with."""

import functools
import math

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...norm.weight import class_norm_realign, weight_norm

conventions(weight_norm, "paper", "Salimans and Kingma, equation 2, not read again", axis=0, eps=0.0)
conventions(weight_norm, "torch", "dim, but its -1 means None; gains have axes of length 1 beside", axis=0, eps=0.0)
conventions(weight_norm, "gradnormlorp", "weight_norm_decompose of the released code: no gains", axis=0, eps=1e-12)


def by_slice(twin):
    """Let ``twin(rows, gains, eps)``, a row a slice, be called with any `axis`, as the operator is."""

    @functools.wraps(twin)
    def call(x, gains=None, *, axis=0, eps=0.0):
        first = x[None] if axis is None else np.moveaxis(x, axis, 0)
        rows = first.reshape(len(first), math.prod(first.shape[1:]))
        y = twin(rows, x.dtype.type(1) if gains is None else gains.reshape(-1, 1), eps).reshape(first.shape)
        return y[0] if axis is None else np.moveaxis(y, 0, axis)

    return call


def norm(x):
    """Return the norm of float64 rows, kept."""
    top = np.max(np.abs(x), axis=-1, keepdims=True, initial=0)
    top = np.where((top > 0) & np.isfinite(top), top, top.dtype.type(1))
    return top * np.sqrt(np.sum((x / top) ** 2, axis=-1, keepdims=True))


@mistake(weight_norm, "eps under the root", kind="place of a parameter")
@by_slice
def _(x, gains, eps):  # as flax, whose eps is added to the squared norm
    return x / np.sqrt(norm(x) ** 2 + eps) * gains


@mistake(weight_norm, "eps bounds the norm", kind="place of a parameter")
@by_slice
def _(x, gains, eps):
    return x / np.maximum(norm(x), eps) * gains


@mistake(weight_norm, "eps left out", kind="place of a parameter")
@by_slice
def _(x, gains, eps):
    return x / norm(x) * gains


@mistake(weight_norm, "one norm for the whole weight", kind="axis")
@by_slice
def _(x, gains, eps):
    return x / (norm(x.reshape(1, -1)) + eps) * gains


@mistake(weight_norm, "norm along the axis that is kept", kind="axis")
@by_slice
def _(x, gains, eps):
    return x / (norm(x.T).T + eps) * gains


@mistake(weight_norm, "axis -1 taken for the whole weight", kind="axis")
def _(x, gains=None, *, axis=0, eps=0.0):  # torch's dim=-1
    if axis != -1:
        return right(x, gains, axis=axis, eps=eps)
    return x / (norm(x.reshape(-1)) + eps) * (1 if gains is None else gains)


@mistake(weight_norm, "sum of magnitudes in place of the norm", kind="statistic")
@by_slice
def _(x, gains, eps):
    return x / (np.sum(np.abs(x), axis=-1, keepdims=True) + eps) * gains


@mistake(weight_norm, "mean in place of sum", kind="denominator")
@by_slice
def _(x, gains, eps):
    return x / (norm(x) / np.sqrt(x.shape[-1]) + eps) * gains


@mistake(weight_norm, "divided by the squared norm", kind="exponent")
@by_slice
def _(x, gains, eps):
    return x / (norm(x) ** 2 + eps) * gains


@mistake(weight_norm, "mean taken off first", kind="order of steps")
@by_slice
def _(x, gains, eps):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return c / (norm(c) + eps) * gains


@mistake(weight_norm, "gains left out", kind="parameter left out")
@by_slice
def _(x, gains, eps):
    return x / (norm(x) + eps)


@mistake(weight_norm, "gains taken for logarithms", kind="parameter form")
@by_slice
def _(x, gains, eps):
    return x / (norm(x) + eps) * (np.exp(gains) if np.ndim(gains) else 1)


@mistake(weight_norm, "squares summed in half", kind="narrow accumulator")
@by_slice
def _(x, gains, eps):
    squares = np.sum((x * x).astype(np.float16), axis=-1, keepdims=True, dtype=np.float16)
    return x / (np.sqrt(squares.astype(x.dtype)) + eps) * gains


@mistake(weight_norm, "tail of the slice left out of the norm", kind="tail")
@by_slice
def _(x, gains, eps):
    n = x.shape[-1]
    return x / (norm(x[..., : n - n % 4 or n]) + eps) * gains


@mistake(weight_norm, "NaN taken for zero", kind="NaN")
@by_slice
def _(x, gains, eps):
    x = np.where(np.isnan(x), 0.0, x)
    return x / (norm(x) + eps) * gains


# ---- other people's right ones ----


@by_slice
def right(x, gains, eps):
    return x / (norm(x) + x.dtype.type(eps)) * gains


honest(weight_norm, "NumPy")(right)


@honest(weight_norm, "torch", needs="torch", differs={"denormals": "their squares vanish: without eps, infinities"})
def _(x, gains=None, /, *, axis=0, eps=0.0):
    import torch

    if not x.size:  # torch's norm_except_dim refuses it, and its _weight_norm ends the process: SIGFPE
        return x.copy()
    t, dim = torch.from_numpy(x.copy()), -1 if axis is None else axis % x.ndim
    if gains is None:
        return (t / (torch.norm_except_dim(t, 2, dim) + eps)).numpy()
    g = torch.from_numpy(gains.copy()).reshape([-1 if a == dim else 1 for a in range(x.ndim)] if dim >= 0 else ())
    if eps == 0:
        return torch._weight_norm(t, g, dim).numpy()
    return (t * (g / (torch.norm_except_dim(t, 2, dim) + eps))).numpy()


# ---- mutants that no check sees ----

FLAT = "flat: return gains if gains is None or gains.ndim == 1 else xp.reshape(gains, (-1,))"
for _name in ("weight_norm", "weight_norm_vjp"):
    for _what in ("-1 -> 0", "-1 -> -2"):
        survivor(weight_norm, f"{_name} > {FLAT}: {_what}", "gains of shape () are in no case: a test has them")


# ---- class weights ----

conventions(class_norm_realign, "code, global", "globaltest_calibra of FedLoGe", tau=1.0, scale=1.7)
conventions(class_norm_realign, "code, personal", "localtest of FedLoGe: own lengths stay in", tau=0.0)
conventions(class_norm_realign, "tau-normalized", "Kang et al., Decoupling, 2019: tau between 0 and 1 to be chosen")


def realigned(x, other, tau, scale, *, measure=norm, power=lambda n, tau: n**tau):
    y = x.dtype.type(scale) * (x / power(measure(x), tau))
    return y if other is None else y * measure(other)


@mistake(class_norm_realign, "norms of columns", kind="axis")
def _(x, other=None, *, tau=1.0, scale=1.0):
    y = scale * (x / norm(x.T).T ** tau)
    return y if other is None else y * norm(other)


@mistake(class_norm_realign, "one norm for all classes", kind="axis")
def _(x, other=None, *, tau=1.0, scale=1.0):
    return realigned(x, other, tau, scale, measure=lambda x: np.full((len(x), 1), np.sqrt(np.sum(x * x) / len(x))))


@mistake(class_norm_realign, "divided by the other's norm", kind="order of steps")
def _(x, other=None, *, tau=1.0, scale=1.0):
    y = realigned(x, None, tau, scale)
    return y if other is None else y / norm(other)


@mistake(class_norm_realign, "other left out", kind="parameter left out")
def _(x, other=None, *, tau=1.0, scale=1.0):
    return realigned(x, None, tau, scale)


@mistake(class_norm_realign, "exponent taken for 1", kind="exponent")
def _(x, other=None, *, tau=1.0, scale=1.0):
    return realigned(x, other, 1.0, scale)


@mistake(class_norm_realign, "exponent of the squared norm", kind="exponent")
def _(x, other=None, *, tau=1.0, scale=1.0):
    return realigned(x, other, 2 * tau, scale)


@mistake(class_norm_realign, "scale left out", kind="parameter left out")
def _(x, other=None, *, tau=1.0, scale=1.0):
    return realigned(x, other, tau, 1.0)


@mistake(class_norm_realign, "sum of magnitudes in place of the norm", kind="statistic")
def _(x, other=None, *, tau=1.0, scale=1.0):
    return realigned(x, other, tau, scale, measure=lambda x: np.sum(np.abs(x), axis=-1, keepdims=True))


@honest(class_norm_realign, "NumPy")
def _(x, other=None, /, *, tau=1.0, scale=1.0):
    return realigned(x, other, tau, scale, power=lambda n, tau: n ** n.dtype.type(tau))
