"""How group and instance norm are got wrong, and what frameworks call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.group import group_norm, instance_norm
from ..channels import affine, along_channels, centered, channels_second, of_torch, one_pass, unshifted, variance

conventions(group_norm, "paper", "32 groups, as remembered: not read again", eps=1e-5)
conventions(group_norm, "torch", "", eps=1e-5)
conventions(group_norm, "onnx", "opset 21; opset 18 has one weight and bias a group: onnx#5466", eps=1e-5)
conventions(group_norm, "keras", "channels last", axis=-1, eps=1e-3)
conventions(group_norm, "flax", "one-pass variance by default (use_fast_variance)", axis=-1, eps=1e-6)
conventions(instance_norm, "torch", "", eps=1e-5)
conventions(instance_norm, "onnx", "", eps=1e-5)
conventions(instance_norm, "keras", "GroupNormalization(groups=-1)", axis=-1, eps=1e-3)
conventions(instance_norm, "flax", "one-pass variance by default (use_fast_variance)", axis=-1, eps=1e-6)


def standard(rows, eps):
    """Return rows of mean 0 and variance 1."""
    c = centered(rows)
    return c / np.sqrt(variance(c) + eps)


def eps_outside(rows, eps):
    c = centered(rows)
    return c / (np.sqrt(variance(c)) + eps)


def without_eps(rows, eps):
    c = centered(rows)
    return c / np.sqrt(variance(c))


def less_one(rows, eps):
    c, n = centered(rows), rows.shape[-1]
    return c / np.sqrt(variance(c) * n / (n - 1) + eps)


def in_one_pass(rows, eps):
    mean, square = one_pass(rows)
    return (rows.astype(np.float32) - mean) / np.sqrt(square + np.float32(eps))


def not_centered(rows, eps):
    return rows / np.sqrt(variance(rows) + eps)


def about_zero(rows, eps):
    return centered(rows) / np.sqrt(variance(rows) + eps)


def in_half(rows, eps):
    half = rows.astype(np.float16)
    c = half - np.mean(half, axis=-1, keepdims=True, dtype=np.float16)
    square = np.mean(c * c, axis=-1, keepdims=True, dtype=np.float16).astype(rows.dtype)
    return c.astype(rows.dtype) / np.sqrt(square + eps)


def without_tail(rows, eps):
    n = rows.shape[-1]
    head = rows[..., : n - n % 4 or n]
    c = rows - np.sum(head, axis=-1, keepdims=True) / n
    return c / np.sqrt(np.sum(c[..., : head.shape[-1]] ** 2, axis=-1, keepdims=True) / n + eps)


def without_nan(rows, eps):
    return standard(np.where(np.isnan(rows), 0.0, rows), eps)


def rounded(rows, eps):
    return standard(rows, eps).astype(np.float16).astype(rows.dtype)


STEPS = [
    ("eps outside the root", "place of a parameter", eps_outside),
    ("eps left out", "place of a parameter", without_eps),
    ("n - 1 in place of n", "denominator", less_one),
    ("one-pass variance", "cancellation", in_one_pass),
    ("mean not taken off", "statistic", not_centered),
    ("variance about zero", "statistic", about_zero),
    ("moments summed in half", "narrow accumulator", in_half),
    ("tail left out of the moments", "tail", without_tail),
    ("NaN taken for zero", "NaN", without_nan),
    ("rounded to half before the affine part", "cast order", rounded),
]


def bias_first(y, weight, bias):
    return affine(affine(y, None, bias), weight, None)


def no_bias(y, weight, bias):
    return affine(y, weight, None)


AFFINE = [("bias before the weight", bias_first), ("bias left out", no_bias)]


# ---- over groups ----


def grouped(step=standard, finish=affine, read=lambda groups, channels: groups):
    """Return group_norm with another way to normalize, to scale and shift, or to read the number of groups."""

    @channels_second
    def twin(x, weight=None, bias=None, *, groups, eps=1e-5):
        rows = x.reshape(len(x), read(groups, x.shape[1]), -1) if x.size else x
        return finish(step(rows, eps).reshape(x.shape), weight, bias)

    return twin


for name, kind, step in STEPS:
    mistake(group_norm, name, kind=kind)(grouped(step))
for name, finish in AFFINE:
    mistake(group_norm, name, kind="order of the affine part")(grouped(finish=finish))
for name, kind, read in [
    ("groups taken for the channels a group", "meaning of a parameter", lambda groups, channels: channels // groups),
    ("groups not read: one group", "meaning of a parameter", lambda groups, channels: 1),
    ("groups not read: every channel its own", "axis", lambda groups, channels: channels),
]:
    mistake(group_norm, name, kind=kind)(grouped(read=read))


@mistake(group_norm, "every groups-th channel makes a group", kind="axis")
@channels_second
def _(x, weight=None, bias=None, *, groups, eps=1e-5):
    n, channels, cells = x.shape
    apart = np.moveaxis(x.reshape(n, channels // groups, groups, cells), 2, 1)
    y = standard(apart.reshape(n, groups, channels // groups * cells), eps).reshape(apart.shape)
    return affine(np.moveaxis(y, 1, 2).reshape(x.shape), weight, bias)


@mistake(group_norm, "moments over the samples too", kind="axis")
@channels_second
def _(x, weight=None, bias=None, *, groups, eps=1e-5):
    together = np.moveaxis(x.reshape(len(x), groups, x.shape[1] // groups * x.shape[2]), 1, 0)
    y = standard(together.reshape(groups, -1), eps).reshape(together.shape)
    return affine(np.moveaxis(y, 0, 1).reshape(x.shape), weight, bias)


@mistake(group_norm, "one weight a group", kind="shape of a parameter")
@channels_second
def _(x, weight=None, bias=None, *, groups, eps=1e-5):
    """As ONNX's opset 18 reads them: the first `groups` numbers, each for a whole group."""
    w, b = (p if p is None else np.repeat(p[:groups], x.shape[1] // groups, axis=0) for p in (weight, bias))
    return affine(standard(x.reshape(len(x), groups, x.shape[1] // groups * x.shape[2]), eps).reshape(x.shape), w, b)


# ---- over one channel ----


def single(step=standard, finish=affine):
    """Return instance_norm with another way to normalize, or to scale and shift."""

    @channels_second
    def twin(x, weight=None, bias=None, *, eps=1e-5):
        return finish(step(x, eps), weight, bias)

    return twin


for name, kind, step in STEPS:
    mistake(instance_norm, name, kind=kind)(single(step))
for name, finish in AFFINE:
    mistake(instance_norm, name, kind="order of the affine part")(single(finish=finish))


@mistake(instance_norm, "moments over the samples too", kind="axis")
@channels_second
def _(x, weight=None, bias=None, *, eps=1e-5):
    """What batch norm is, in training."""
    together = np.moveaxis(x, 1, 0)
    y = standard(together.reshape(len(together), -1), eps).reshape(together.shape)
    return affine(np.moveaxis(y, 0, 1), weight, bias)


@mistake(instance_norm, "moments over the channels too", kind="axis")
@channels_second
def _(x, weight=None, bias=None, *, eps=1e-5):
    """What layer norm is, of a whole sample."""
    return affine(standard(x.reshape(len(x), x.shape[1] * x.shape[2]), eps).reshape(x.shape), weight, bias)


@mistake(instance_norm, "the last axis taken for all positions", kind="axis")
def _(x, weight=None, bias=None, *, axis=1, eps=1e-5):
    second = np.moveaxis(x, axis, 1)
    y = np.moveaxis(standard(second, eps) if second.ndim > 2 else second - second, 1, axis)
    return affine(y, *(p if p is None else along_channels(x, p, axis) for p in (weight, bias)))


# ---- other people's right ones ----


def two_passes(rows, eps):
    c = rows - np.mean(rows, axis=-1, keepdims=True)
    return c / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + rows.dtype.type(eps))


@honest(group_norm, "NumPy, two passes")
@channels_second
def _(x, weight=None, bias=None, *, groups, eps=1e-5):
    rows = x.reshape(len(x), groups, x.shape[1] // groups * x.shape[2])
    return affine(two_passes(rows, eps).reshape(x.shape), weight, bias)


@honest(group_norm, "torch", needs="torch")
def _(x, weight=None, bias=None, /, *, groups, axis=1, eps=1e-5):
    from torch.nn.functional import group_norm

    y = of_torch(lambda t, w, b: group_norm(t, groups, w, b, eps), x, weight, bias, axis=axis)
    return np.moveaxis(y.numpy(), 1, axis)


@honest(instance_norm, "NumPy, two passes")
@channels_second
def _(x, weight=None, bias=None, *, eps=1e-5):
    return affine(two_passes(x, eps), weight, bias)


@honest(instance_norm, "torch", needs="torch")
def _(x, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    from torch.nn.functional import instance_norm

    if not x.size:  # torch raises
        return x.copy()
    y = of_torch(lambda t, w, b: instance_norm(t, None, None, w, b, True, 0.1, eps), x, weight, bias, axis=axis)
    return np.moveaxis(y.numpy(), 1, axis)


for _operator in (group_norm, instance_norm):
    unshifted(_operator)
