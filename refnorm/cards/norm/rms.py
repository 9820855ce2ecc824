"""How rms_norm is got wrong, and what frameworks call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...norm.rms import rms_norm
from ..rows import along, of_torch, rowwise

conventions(rms_norm, "paper", "the definition has no eps", eps=0.0)
conventions(rms_norm, "code", "bzhangGo/rmsnorm, TensorFlow; its torch file adds eps outside the root", eps=1e-8)
conventions(rms_norm, "torch", "eps=None is the eps of float32, for half types too (pytorch#173039)", eps=2.0**-23)
conventions(rms_norm, "onnx", "RMSNormalization, opset 23, over all axes from `axis` on", eps=1e-5)
conventions(rms_norm, "keras", "keras.layers.RMSNormalization", eps=1e-6)
conventions(rms_norm, "flax", "flax.linen.RMSNorm", eps=1e-6)
conventions(rms_norm, "llama", "transformers' LlamaRMSNorm; rounds to half before the weight", eps=1e-6)
conventions(rms_norm, "gemma", "weight is 1 + w, summed in float32: some files store it so (llama.cpp#5810)", eps=1e-6)
conventions(rms_norm, "slicegpt", "RMSN of microsoft/TransformerCompression, no weight", eps=1e-5)


def mean_square(x):
    return np.mean(x * x, axis=-1, keepdims=True)


def scaled(y, weight):
    return y if weight is None else y * weight


@mistake(rms_norm, "eps outside the root", kind="place of a parameter")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    return scaled(x / (np.sqrt(mean_square(x)) + eps), weight)


@mistake(rms_norm, "eps left out", kind="place of a parameter")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    return scaled(x / np.sqrt(mean_square(x)), weight)


@mistake(rms_norm, "eps as a lower bound", kind="place of a parameter")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    return scaled(x / np.sqrt(np.maximum(mean_square(x), eps)), weight)


@mistake(rms_norm, "sum in place of mean", kind="denominator")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    return scaled(x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) + eps), weight)


@mistake(rms_norm, "n - 1 in place of n", kind="denominator")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    n = x.shape[-1]
    return scaled(x / np.sqrt(mean_square(x) * n / (n - 1) + eps), weight)


@mistake(rms_norm, "mean taken off first", kind="statistic")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return scaled(c / np.sqrt(mean_square(c) + eps), weight)


@mistake(rms_norm, "one scale for the whole array", kind="axis")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    return scaled(x / np.sqrt(np.mean(x * x) + eps), weight)


@mistake(rms_norm, "1 + weight", kind="order of the affine part")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    y = x / np.sqrt(mean_square(x) + eps)
    return y if weight is None else y * (1 + weight)


@mistake(rms_norm, "weight before the norm", kind="order of the affine part")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    x = scaled(x, weight)
    return x / np.sqrt(mean_square(x) + eps)


@mistake(rms_norm, "rounded to half before the weight", kind="cast order")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    y = x / np.sqrt(mean_square(x) + eps)
    return scaled(y.astype(np.float16).astype(x.dtype), weight)


@mistake(rms_norm, "squares summed in half", kind="narrow accumulator")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    square = np.mean((x * x).astype(np.float16), axis=-1, keepdims=True, dtype=np.float16).astype(x.dtype)
    return scaled(x / np.sqrt(square + eps), weight)


@mistake(rms_norm, "tail of the row left out of the sum", kind="tail")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    n = x.shape[-1]
    head = x[..., : n - n % 4 or n]
    square = np.sum(head * head, axis=-1, keepdims=True) / n
    return scaled(x / np.sqrt(square + eps), weight)


@mistake(rms_norm, "NaN taken for zero", kind="NaN")
@rowwise
def _(x, weight=None, *, eps=1e-6):
    x = np.where(np.isnan(x), 0.0, x)
    return scaled(x / np.sqrt(mean_square(x) + eps), weight)


# ---- other people's right ones ----


@honest(rms_norm, "NumPy")
def _(x, weight=None, /, *, axis=-1, eps=1e-6):
    y = x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * along(x, weight, axis)


@honest(rms_norm, "torch", needs="torch")
def _(x, weight=None, /, *, axis=-1, eps=1e-6):
    from torch.nn.functional import rms_norm

    axes = axis if isinstance(axis, tuple) else (axis,)
    return of_torch(lambda t, w: rms_norm(t, t.shape[-len(axes) :], w, eps), x, weight, axes=axes)


# ---- mutants that no check sees ----

survivor(
    rms_norm,
    "rms_norm_vjp > two_sum: part = s - a: s - a narrowed",
    "rounding alone, but long double does not scale what float64 would overflow on, and float32 overflows there",
)
