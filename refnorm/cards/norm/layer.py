"""How layer_norm is got wrong, and what frameworks call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.layer import layer_norm
from ..rows import along, of_torch, rowwise

conventions(layer_norm, "paper", "without eps, as remembered: not read again", eps=0.0)
conventions(layer_norm, "torch", eps=1e-5)
conventions(layer_norm, "onnx", "axes from `axis` on; float32 (stash_type), by definition in one pass", eps=1e-5)
conventions(layer_norm, "keras", "nn-transfer#3", eps=1e-3)
conventions(layer_norm, "flax", "flax takes the variance in one pass by default (use_fast_variance)", eps=1e-6)
conventions(layer_norm, "bert", "transformers#585", eps=1e-12)
conventions(layer_norm, "spark", "keyu-tian/SparK, ConvNeXt; hidden sites are 0 without the bias", eps=1e-6)


def variance(c):
    return np.mean(c * c, axis=-1, keepdims=True)


def centered(x):
    return x - np.mean(x, axis=-1, keepdims=True)


def affine(y, weight, bias):
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@mistake(layer_norm, "eps outside the root", kind="place of a parameter")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    c = centered(x)
    return affine(c / (np.sqrt(variance(c)) + eps), weight, bias)


@mistake(layer_norm, "eps left out", kind="place of a parameter")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    c = centered(x)
    return affine(c / np.sqrt(variance(c)), weight, bias)


@mistake(layer_norm, "n - 1 in place of n", kind="denominator")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    c, n = centered(x), x.shape[-1]
    return affine(c / np.sqrt(variance(c) * n / (n - 1) + eps), weight, bias)


@mistake(layer_norm, "one-pass variance", kind="cancellation")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    narrow = x.astype(np.float32)
    mean = np.mean(narrow, axis=-1, keepdims=True)
    square = np.mean(narrow * narrow, axis=-1, keepdims=True) - mean * mean
    return affine((narrow - mean) / np.sqrt(square + np.float32(eps)), weight, bias)


@mistake(layer_norm, "mean not taken off", kind="statistic")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    return affine(x / np.sqrt(variance(x) + eps), weight, bias)


@mistake(layer_norm, "variance about zero", kind="statistic")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    return affine(centered(x) / np.sqrt(variance(x) + eps), weight, bias)


@mistake(layer_norm, "one mean and variance for the whole array", kind="axis")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    c = x - np.mean(x)
    return affine(c / np.sqrt(np.mean(c * c) + eps), weight, bias)


@mistake(layer_norm, "bias before the weight", kind="order of the affine part")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    c = centered(x)
    y = c / np.sqrt(variance(c) + eps)
    y = y if bias is None else y + bias
    return y if weight is None else y * weight


@mistake(layer_norm, "bias left out", kind="order of the affine part")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    c = centered(x)
    return affine(c / np.sqrt(variance(c) + eps), weight, None)


@mistake(layer_norm, "rounded to half before the affine part", kind="cast order")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    c = centered(x)
    y = c / np.sqrt(variance(c) + eps)
    return affine(y.astype(np.float16).astype(x.dtype), weight, bias)


@mistake(layer_norm, "moments summed in half", kind="narrow accumulator")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    half = x.astype(np.float16)
    c = half - np.mean(half, axis=-1, keepdims=True, dtype=np.float16)
    square = np.mean(c * c, axis=-1, keepdims=True, dtype=np.float16).astype(x.dtype)
    return affine(c.astype(x.dtype) / np.sqrt(square + eps), weight, bias)


@mistake(layer_norm, "tail of the row left out of the moments", kind="tail")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    n = x.shape[-1]
    head = x[..., : n - n % 4 or n]
    c = x - np.sum(head, axis=-1, keepdims=True) / n
    return affine(c / np.sqrt(variance(c[..., : head.shape[-1]]) + eps), weight, bias)


@mistake(layer_norm, "NaN taken for zero", kind="NaN")
@rowwise
def _(x, weight=None, bias=None, *, eps=1e-5):
    c = centered(np.where(np.isnan(x), 0.0, x))
    return affine(c / np.sqrt(variance(c) + eps), weight, bias)


# ---- other people's right ones ----


@honest(layer_norm, "NumPy, two passes")
def _(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    c = x - np.mean(x, axis=axis, keepdims=True)
    y = c / np.sqrt(np.mean(c * c, axis=axis, keepdims=True) + x.dtype.type(eps))
    y = y if weight is None else y * along(x, weight, axis)
    return y if bias is None else y + along(x, bias, axis)


@honest(layer_norm, "torch", needs="torch")
def _(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    from torch.nn.functional import layer_norm

    axes = axis if isinstance(axis, tuple) else (axis,)
    return of_torch(lambda t, w, b: layer_norm(t, t.shape[-len(axes) :], w, b, eps), x, weight, bias, axes=axes)
