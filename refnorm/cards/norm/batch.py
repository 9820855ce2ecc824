"""How batch norm and its moments are got wrong, and what frameworks call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.batch import batch_moments, batch_norm, batch_norm_train
from ..channels import affine, along_channels, by_channel, centered, of_torch, one_pass, unshifted, variance

for operator in (batch_norm, batch_norm_train):
    conventions(operator, "torch", "the channel axis is 1", eps=1e-5)
    conventions(operator, "onnx", "the channel axis is 1", eps=1e-5)
    conventions(operator, "keras", "nn-transfer#3", axis=-1, eps=1e-3)
    conventions(
        operator, "flax", "flax takes the variance in one pass by default (use_fast_variance)", axis=-1, eps=1e-5
    )
conventions(batch_moments, "torch", "x.var(axes, correction=0); pytorch#50010")
conventions(batch_moments, "keras", "keras.ops.moments", axis=-1)
conventions(batch_moments, "flax", "in one pass by default (use_fast_variance): E[x^2] - E[x]^2", axis=-1)


def flat(column):
    return column[:, 0]


# ---- what the divisor and the affine part are got wrong as, with stored moments or those of the batch ----


def over_root(c, var, eps):
    return c / np.sqrt(var + eps)


def eps_outside(c, var, eps):
    return c / (np.sqrt(var) + eps)


def without_eps(c, var, eps):
    return c / np.sqrt(var)


def over_variance(c, var, eps):
    return c / (var + eps)


def rounded(c, var, eps):
    return over_root(c, var, eps).astype(np.float16).astype(c.dtype)


def bias_first(y, weight, bias):
    return affine(affine(y, None, bias), weight, None)


def no_bias(y, weight, bias):
    return affine(y, weight, None)


def stored(divide=over_root, finish=affine, center=np.subtract):
    """Return batch_norm with another divisor or affine part."""

    @by_channel
    def twin(x, mean, var, weight=None, bias=None, *, eps=1e-5):
        return finish(divide(center(x, mean), var, eps), weight, bias)

    return twin


def trained(divide=over_root, finish=affine, measure=None, returned=lambda mean, var, eps: (mean, var)):
    """Return batch_norm_train with another divisor or affine part, other moments, or others returned."""

    @by_channel
    def twin(x, weight=None, bias=None, *, eps=1e-5):
        mean, var = (measure or right)(x)
        return finish(divide(x - mean, var, eps), weight, bias), *map(flat, returned(mean, var, eps))

    return twin


for name, kind, changes in [
    ("eps outside the root", "place of a parameter", {"divide": eps_outside}),
    ("eps left out", "place of a parameter", {"divide": without_eps}),
    ("divided by the variance, not by its root", "power", {"divide": over_variance}),
    ("rounded to half before the affine part", "cast order", {"divide": rounded}),
    ("bias before the weight", "order of the affine part", {"finish": bias_first}),
    ("bias left out", "order of the affine part", {"finish": no_bias}),
]:
    mistake(batch_norm, name, kind=kind)(stored(**changes))
    mistake(batch_norm_train, name, kind=kind)(trained(**changes))


# ---- stored moments ----


mistake(batch_norm, "mean not taken off", kind="statistic")(stored(center=lambda x, mean: x))
mistake(batch_norm, "NaN taken for zero", kind="NaN")(
    stored(center=lambda x, mean: np.where(np.isnan(x), 0.0, x) - mean)
)


@mistake(batch_norm, "stored variance made unbiased once more", kind="denominator")
@by_channel
def _(x, mean, var, weight=None, bias=None, *, eps=1e-5):
    n = x.shape[1]
    return affine(over_root(x - mean, var * n / (n - 1), eps), weight, bias)


@mistake(batch_norm, "moments of the batch in place of the stored ones", kind="statistic")
@by_channel
def _(x, mean, var, weight=None, bias=None, *, eps=1e-5):
    c = centered(x)
    return affine(over_root(c, variance(c), eps), weight, bias)


@mistake(batch_norm, "parameters along the last axis where they fit", kind="axis")
def _(x, mean, var, weight=None, bias=None, *, axis=1, eps=1e-5):
    last = -1 if x.shape[-1] == len(mean) else axis
    m, v, w, b = (p if p is None else along_channels(x, p, last) for p in (mean, var, weight, bias))
    return affine(over_root(x - m, v, eps), w, b)


@mistake(batch_norm, "folded to one scale and shift in half", kind="narrow accumulator")
@by_channel
def _(x, mean, var, weight=None, bias=None, *, eps=1e-5):
    scale = affine(over_root(1, var, eps), weight, None).astype(np.float16)
    shift = affine(-mean * scale, None, bias).astype(np.float16)
    return x * scale.astype(x.dtype) + shift.astype(x.dtype)


@mistake(batch_norm, "tail of a channel not normalized", kind="tail")
@by_channel
def _(x, mean, var, weight=None, bias=None, *, eps=1e-5):
    return np.where(np.arange(x.shape[1]) < head_of(x).shape[1], affine(over_root(x - mean, var, eps), weight, bias), x)


# ---- moments of the batch ----


def moments_of(measure):
    """Let ``measure(rows)``, which returns mean and variance as columns, be called as batch_moments is."""

    def twin(x, *, axis=1):
        first = np.moveaxis(x, axis, 0)
        rows = first.reshape(len(first), -1)
        return *map(flat, measure(rows)), rows.shape[1]

    return twin


def head_of(x):
    """Return the part of rows that whole vectors of four cover."""
    n = x.shape[1]
    return x[:, : n - n % 4 or n]


def right(x):
    return np.mean(x, axis=1, keepdims=True), variance(centered(x))


def less_one(x):
    mean, var = right(x)
    return mean, var * x.shape[1] / (x.shape[1] - 1)


def about_zero(x):
    return np.mean(x, axis=1, keepdims=True), variance(x)


def of_everything(x):
    return np.full((len(x), 1), np.mean(x)), np.full((len(x), 1), np.var(x))


def in_half(x):
    half = x.astype(np.float16)
    mean = np.mean(half, axis=1, keepdims=True, dtype=np.float16)
    c = half - mean
    return mean.astype(x.dtype), np.mean(c * c, axis=1, keepdims=True, dtype=np.float16).astype(x.dtype)


def without_tail(x):
    head, n = head_of(x), x.shape[1]
    mean = np.sum(head, axis=1, keepdims=True) / n
    return mean, np.sum((head - mean) ** 2, axis=1, keepdims=True) / n


def without_nan(x):
    return right(np.where(np.isnan(x), 0.0, x))


def deviation(x):
    mean, var = right(x)
    return mean, np.sqrt(var)


for name, kind, measure in [
    ("n - 1 in place of n", "denominator", less_one),
    ("one-pass variance", "cancellation", one_pass),
    ("variance about zero", "statistic", about_zero),
    ("one mean and variance for all channels", "axis", of_everything),
    ("moments summed in half", "narrow accumulator", in_half),
    ("tail of a channel left out", "tail", without_tail),
    ("NaN taken for zero", "NaN", without_nan),
    ("standard deviation in place of the variance", "power", deviation),
]:
    mistake(batch_moments, name, kind=kind)(moments_of(measure))
    mistake(batch_norm_train, name, kind=kind)(trained(measure=measure))


mistake(batch_norm_train, "eps added to the variance returned", kind="state update")(
    trained(returned=lambda mean, var, eps: (mean, var + eps))
)
mistake(batch_norm_train, "1 / standard deviation returned", kind="state update")(
    trained(returned=lambda mean, var, eps: (mean, over_root(1, var, eps)))
)


def others_of(x, axis):
    return tuple(a for a in range(x.ndim) if a != axis % x.ndim)


@mistake(batch_norm_train, "unbiased variance returned", kind="state update")
@by_channel
def _(x, weight=None, bias=None, *, eps=1e-5):
    mean, var = right(x)
    return affine(over_root(x - mean, var, eps), weight, bias), flat(mean), flat(less_one(x)[1])


@mistake(batch_norm_train, "every sample by its own moments", kind="axis")
def _(x, weight=None, bias=None, *, axis=1, eps=1e-5):
    others = others_of(x, axis)
    mean, var = (f(x, axis=others[1:], keepdims=True) for f in (np.mean, np.var))
    w, b = (p if p is None else along_channels(x, p, axis) for p in (weight, bias))
    return affine(over_root(x - mean, var, eps), w, b), np.mean(x, axis=others), np.var(x, axis=others)


@mistake(batch_moments, "mean of the samples' variances", kind="statistic")
def _(x, *, axis=1):
    others = others_of(x, axis)
    within = np.var(x, axis=others[1:], keepdims=True)
    return np.mean(x, axis=others), np.mean(within, axis=others), x.size // x.shape[axis]


@mistake(batch_moments, "samples counted, not elements", kind="count")
def _(x, *, axis=1):
    others = others_of(x, axis)
    return np.mean(x, axis=others), np.var(x, axis=others), x.shape[others[0]]


# ---- other people's right ones ----


def numpy_moments(x, axis):
    others = others_of(x, axis)
    mean = np.mean(x, axis=others, keepdims=True)
    return mean, np.mean((x - mean) ** 2, axis=others, keepdims=True)


@honest(batch_norm, "NumPy")
def _(x, mean, var, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    m, v, w, b = (p if p is None else along_channels(x, p, axis) for p in (mean, var, weight, bias))
    return affine((x - m) / np.sqrt(v + x.dtype.type(eps)), w, b)


@honest(batch_norm, "torch", needs="torch")
def _(x, mean, var, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    from torch.nn.functional import batch_norm

    y = of_torch(lambda t, *p: batch_norm(t, *p, False, 0.1, eps), x, mean, var, weight, bias, axis=axis)
    return np.moveaxis(y.numpy(), 1, axis)


@honest(batch_moments, "NumPy, two passes")
def _(x, /, *, axis=1):
    mean, var = numpy_moments(x, axis)
    return mean.reshape(-1), var.reshape(-1), x.size // x.shape[axis]


@honest(batch_moments, "torch", needs="torch")
def _(x, /, *, axis=1):
    mean, var = of_torch(torch_moments, x, axis=axis)
    return mean.numpy(), var.numpy(), x.size // x.shape[axis]


def torch_moments(t):
    others = [a for a in range(t.ndim) if a != 1]
    return t.mean(others), t.var(others, correction=0)


@honest(batch_norm_train, "NumPy, two passes")
def _(x, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    mean, var = numpy_moments(x, axis)
    w, b = (p if p is None else along_channels(x, p, axis) for p in (weight, bias))
    y = affine((x - mean) / np.sqrt(var + x.dtype.type(eps)), w, b)
    return y, mean.reshape(-1), var.reshape(-1)


@honest(batch_norm_train, "torch", needs="torch")
def _(x, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    import torch

    def call(t, w, b):  # the function under F.batch_norm, which refuses eps=0
        return torch.native_batch_norm(t, w, b, None, None, True, 0.1, eps)[0], *torch_moments(t)

    y, mean, var = of_torch(call, x, weight, bias, axis=axis)
    return np.moveaxis(y.numpy(), 1, axis), mean.numpy(), var.numpy()


unshifted(batch_norm_train)
