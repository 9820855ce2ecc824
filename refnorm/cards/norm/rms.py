"""How rms_norm and its gated sister are got wrong, and what frameworks call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...norm.rms import gated_rms_norm, rms_norm
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


# ---- gated ----

conventions(gated_rms_norm, "mamba2", "the gated norm of Mamba2's blocks: gate first", norm_before_gate=False, eps=1e-5)
conventions(
    gated_rms_norm, "mamba", "the class RMSNorm of layernorm_gated.py: norm first", norm_before_gate=True, eps=1e-5
)
conventions(gated_rms_norm, "mamba function", "rmsnorm_fn of that file: norm first", norm_before_gate=True, eps=1e-6)
conventions(gated_rms_norm, "hydra", "the class of mamba, norm first", norm_before_gate=True, eps=1e-5)


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, np.ones_like(e)) / (1 + e)


def of_gates(twin):
    """Let ``twin(rows, gates, weight, norm_before_gate, eps)`` be called as the operator is."""

    def call(x, gate, weight=None, /, *, axis=-1, norm_before_gate=True, eps=1e-5):
        both = np.stack([x, gate])
        axes = axis if isinstance(axis, tuple) else (axis,)
        last = tuple(a % x.ndim + 1 for a in axes)

        def rows(pair, *parameters):
            y = twin(pair[0], pair[1], *(parameters or (None,)), norm_before_gate, eps)
            return np.stack([y, y])

        return rowwise(rows)(both, *(() if weight is None else (weight,)), axis=last)[0]

    return call


def gated(x, z, weight, first, eps, gate=lambda z: z * sigmoid(z), square=mean_square):
    h = x if first else x * gate(z)
    y = scaled(h / np.sqrt(square(h) + eps), weight)
    return y * gate(z) if first else y


@mistake(gated_rms_norm, "gate on the other side of the norm", kind="order of the gate")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, weight, not first, eps)


@mistake(gated_rms_norm, "always the norm first", kind="order of the gate")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, weight, True, eps)


@mistake(gated_rms_norm, "x and gate change places", kind="order of the arrays")
@of_gates
def _(x, z, weight, first, eps):
    return gated(z, x, weight, first, eps)


@mistake(gated_rms_norm, "sigmoid in place of silu", kind="activation")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, weight, first, eps, gate=sigmoid)


@mistake(gated_rms_norm, "GELU's 1.702 in the sigmoid", kind="activation")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, weight, first, eps, gate=lambda z: z * sigmoid(1.702 * z))


@mistake(gated_rms_norm, "no gate", kind="activation")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, weight, first, eps, gate=np.ones_like)


@mistake(gated_rms_norm, "eps outside the root", kind="place of a parameter")
@of_gates
def _(x, z, weight, first, eps):
    h = x if first else x * z * sigmoid(z)
    y = scaled(h / (np.sqrt(mean_square(h)) + eps), weight)
    return y * z * sigmoid(z) if first else y


@mistake(gated_rms_norm, "eps left out", kind="place of a parameter")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, weight, first, 0.0)


@mistake(gated_rms_norm, "sum in place of mean", kind="denominator")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, weight, first, eps, square=lambda h: np.sum(h * h, axis=-1, keepdims=True))


@mistake(gated_rms_norm, "mean taken off first", kind="statistic")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x - np.mean(x, axis=-1, keepdims=True), z, weight, first, eps)


@mistake(gated_rms_norm, "weight left out", kind="order of the affine part")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, None, first, eps)


@mistake(gated_rms_norm, "gate rounded to half", kind="cast order")
@of_gates
def _(x, z, weight, first, eps):
    return gated(x, z, weight, first, eps, gate=lambda z: (z * sigmoid(z)).astype(np.float16).astype(x.dtype))


@mistake(gated_rms_norm, "NaN taken for zero", kind="NaN")
@of_gates
def _(x, z, weight, first, eps):
    return gated(np.nan_to_num(x, posinf=np.inf, neginf=-np.inf), z, weight, first, eps)


# both multiply by the gate last: (x silu) / root keeps few digits of a denormal product


@honest(gated_rms_norm, "NumPy")
@of_gates
def _(x, z, weight, first, eps):
    s = z * sigmoid(z)
    root = np.sqrt(mean_square(x if first else x * s) + x.dtype.type(eps))
    return scaled(x / root, weight) * s


@honest(gated_rms_norm, "torch", needs="torch")
@of_gates
def _(x, z, weight, first, eps):
    import torch
    from torch.nn.functional import rms_norm, silu

    x, z, w = (p if p is None else torch.from_numpy(np.array(p)) for p in (x, z, weight))
    if first:
        return (rms_norm(x, x.shape[-1:], w, eps) * silu(z)).numpy()
    root = torch.sqrt(torch.mean((x * silu(z)) ** 2, dim=-1, keepdim=True) + eps)
    return ((x / root if w is None else x / root * w) * silu(z)).numpy()


survivor(
    gated_rms_norm,
    "gated_rms_norm_vjp > two_sum: part = s - a: s - a narrowed",
    "rounding alone, but long double does not scale what float64 would overflow on, and float32 overflows there",
)
