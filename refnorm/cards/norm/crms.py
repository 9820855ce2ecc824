"""How norms of compressed vectors are got wrong, and what code calls them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.crms import compress_zero_mean, crms_norm
from ..rows import of_torch, rowwise

conventions(crms_norm, "paper", "the norms of the paper have an eps of no given size", eps=1e-5)
conventions(crms_norm, "code", "the modules inherit torch's LayerNorm; they compute in float32", eps=1e-5)
conventions(compress_zero_mean, "paper", "the last entry is left out", inverse=False)


def squares(x, missing):
    return np.sum(x * x, axis=-1, keepdims=True) + missing * missing


def sums(x):
    return np.sum(x, axis=-1, keepdims=True)


@mistake(crms_norm, "plain RMS norm: the missing entry forgotten", kind="statistic")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


@mistake(crms_norm, "missing entry counted but not squared in", kind="statistic")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt(squares(x, 0.0) / (x.shape[-1] + 1) + eps)


@mistake(crms_norm, "divided by n, not n + 1", kind="denominator")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt(squares(x, sums(x)) / x.shape[-1] + eps)


@mistake(crms_norm, "sum in place of mean", kind="denominator")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt(squares(x, sums(x)) + eps)


@mistake(crms_norm, "mean in place of sum for the missing entry", kind="statistic")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt(squares(x, np.mean(x, axis=-1, keepdims=True)) / (x.shape[-1] + 1) + eps)


@mistake(crms_norm, "magnitude of the sum, not its square", kind="statistic")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt((squares(x, 0.0) + np.abs(sums(x))) / (x.shape[-1] + 1) + eps)


@mistake(crms_norm, "mean taken off first", kind="order of the steps")
@rowwise
def _(x, *, eps=1e-5):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return c / np.sqrt(squares(c, 0.0) / (x.shape[-1] + 1) + eps)


@mistake(crms_norm, "eps outside the root", kind="place of a parameter")
@rowwise
def _(x, *, eps=1e-5):
    return x / (np.sqrt(squares(x, sums(x)) / (x.shape[-1] + 1)) + eps)


@mistake(crms_norm, "eps left out", kind="place of a parameter")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt(squares(x, sums(x)) / (x.shape[-1] + 1))


@mistake(crms_norm, "one scale for the whole array", kind="axis")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt(np.mean(squares(x, sums(x))) / (x.shape[-1] + 1) + eps)


@mistake(crms_norm, "NaN taken for zero", kind="NaN")
@rowwise
def _(x, *, eps=1e-5):
    x = np.where(np.isnan(x), 0.0, x)
    return x / np.sqrt(squares(x, sums(x)) / (x.shape[-1] + 1) + eps)


@honest(crms_norm, "NumPy")
@rowwise
def _(x, *, eps=1e-5):
    return x / np.sqrt(squares(x, sums(x)) / x.dtype.type(x.shape[-1] + 1) + x.dtype.type(eps))


@honest(crms_norm, "torch, the released function", needs="torch")
def _(x, /, *, axis=-1, eps=1e-5):
    axes = axis if isinstance(axis, tuple) else (axis,)

    def norm(t):
        rows = t.flatten(-len(axes))
        missing = rows.sum(-1, keepdim=True)
        square = (rows.square().sum(-1, keepdim=True) + missing.square()) / (rows.shape[-1] + 1)
        return (rows * (square + eps).rsqrt()).reshape(t.shape)

    return of_torch(norm, x, axes=axes)


# ---- with and without the last entry ----


def restored(x, axis, last):
    return np.concatenate([x, last(x, axis)], axis=axis)


@mistake(compress_zero_mean, "first entry left out", kind="place of the entry")
def _(x, /, *, axis=-1, inverse=False):
    if inverse:
        return np.concatenate([-np.sum(x, axis=axis, keepdims=True), x], axis=axis)
    return np.delete(x, 0, axis=axis)


@mistake(compress_zero_mean, "sum put back with its own sign", kind="sign")
def _(x, /, *, axis=-1, inverse=False):
    return restored(x, axis, lambda x, a: np.sum(x, axis=a, keepdims=True)) if inverse else np.delete(x, -1, axis=axis)


@mistake(compress_zero_mean, "mean put back, not the sum", kind="statistic")
def _(x, /, *, axis=-1, inverse=False):
    return (
        restored(x, axis, lambda x, a: -np.mean(x, axis=a, keepdims=True)) if inverse else np.delete(x, -1, axis=axis)
    )


@mistake(compress_zero_mean, "centred before the last entry goes", kind="order of the steps")
def _(x, /, *, axis=-1, inverse=False):
    if inverse:
        return restored(x, axis, lambda x, a: -np.sum(x, axis=a, keepdims=True))
    return np.delete(x - np.mean(x, axis=axis, keepdims=True), -1, axis=axis)


@honest(compress_zero_mean, "NumPy")
def _(x, /, *, axis=-1, inverse=False):
    if inverse:
        return restored(x, axis, lambda x, a: -np.sum(x, axis=a, keepdims=True, dtype=x.dtype))
    return np.delete(x, -1, axis=axis)
