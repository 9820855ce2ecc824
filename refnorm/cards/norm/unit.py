"""How lp_normalize is got wrong, and what frameworks call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...norm.unit import lp_normalize
from ..rows import of_torch, rowwise

INFINITY = float("inf")

conventions(lp_normalize, "torch", "F.normalize (pytorch#50473)", p=2.0, eps=1e-12)
conventions(lp_normalize, "keras", "ops.normalize: 1 / norm is bounded by 1 / eps", p=2.0, eps=1e-7)
conventions(lp_normalize, "keras_layer", "layers.UnitNormalization", p=2.0, eps=1e-12)
conventions(lp_normalize, "tf", "math.l2_normalize bounds the squared norm by 1e-12", p=2.0, eps=1e-6)
conventions(
    lp_normalize, "optax", "cosine_similarity bounds the squared norm by epsilon: its root here (optax#1703)", eps=1e-6
)
conventions(lp_normalize, "onnx", "LpNormalization: a row of zeros stays (onnx#7618)", p=2.0, eps=2.0**-1022)
conventions(
    lp_normalize, "sklearn", "preprocessing.normalize; rows shorter than 10 machine eps stay too", eps=2.0**-1022
)
conventions(lp_normalize, "paper", "CNN Features off-the-shelf, no eps: rows of zeros are NaN", p=2.0, eps=0.0)


def norm(x, p):
    """Return the p-norm of float64 rows, kept."""
    size = np.abs(x)
    if p == INFINITY:
        return np.max(size, axis=-1, keepdims=True)
    top = np.max(size, axis=-1, keepdims=True)
    top = np.where((top > 0) & (top < INFINITY), top, 1.0)
    return top * np.sum((size / top) ** p, axis=-1, keepdims=True) ** (1 / p)


@mistake(lp_normalize, "eps added to the norm", kind="place of a parameter")
@rowwise
def _(x, *, p=2.0, eps=1e-12):  # the L2Norm of ssd.pytorch
    return x / (norm(x, p) + eps)


@mistake(lp_normalize, "eps added under the root", kind="place of a parameter")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    power = 1.0 if p == INFINITY else p
    return x / (norm(x, p) ** power + eps) ** (1 / power)


@mistake(lp_normalize, "eps bounds the power of the norm", kind="place of a parameter")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    power = 1.0 if p == INFINITY else p
    return x / np.maximum(norm(x, p), eps ** (1 / power))


@mistake(lp_normalize, "eps left out", kind="place of a parameter")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    return x / norm(x, p)


@mistake(lp_normalize, "mean in place of sum", kind="denominator")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    return x / np.maximum(norm(x, p) * (1 / x.shape[-1]) ** (1 / p), eps)


@mistake(lp_normalize, "one norm for the whole array", kind="axis")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    return x / np.maximum(norm(x.reshape(-1), p), eps)


@mistake(lp_normalize, "always the Euclidean norm", kind="statistic")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    return x / np.maximum(norm(x, 2.0), eps)


@mistake(lp_normalize, "root left out", kind="exponent")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    return x / np.maximum(norm(x, p) ** (1.0 if p == INFINITY else p), eps)


@mistake(lp_normalize, "powers without magnitudes", kind="sign")
@rowwise
def _(x, *, p=2.0, eps=1e-12):  # as torch's LPPool
    if p == INFINITY:
        return x / np.maximum(np.max(x, axis=-1, keepdims=True), eps)
    return x / np.maximum(np.sum(x**p, axis=-1, keepdims=True) ** (1 / p), eps)


@mistake(lp_normalize, "mean taken off first", kind="order of steps")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return c / np.maximum(norm(c, p), eps)


@mistake(lp_normalize, "norm rounded to half", kind="cast order")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    return x / np.maximum(norm(x, p).astype(np.float16).astype(x.dtype), eps)


@mistake(lp_normalize, "powers summed in half", kind="narrow accumulator")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    top = norm(x, INFINITY)
    if p == INFINITY:
        return x / np.maximum(top, eps)
    total = np.sum(((np.abs(x) / top) ** p).astype(np.float16), axis=-1, keepdims=True, dtype=np.float16)
    return x / np.maximum(top * total.astype(x.dtype) ** (1 / p), eps)


@mistake(lp_normalize, "tail of the row left out of the norm", kind="tail")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    n = x.shape[-1]
    return x / np.maximum(norm(x[..., : n - n % 4 or n], p), eps)


@mistake(lp_normalize, "NaN taken for zero", kind="NaN")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    x = np.where(np.isnan(x), 0.0, x)
    return x / np.maximum(norm(x, p), eps)


# ---- other people's right ones ----


@honest(lp_normalize, "NumPy")
@rowwise
def _(x, *, p=2.0, eps=1e-12):
    top = np.max(np.abs(x), axis=-1, keepdims=True)
    top = np.where((top > 0) & np.isfinite(top), top, x.dtype.type(1))
    length = np.max(np.abs(x), axis=-1, keepdims=True)
    if p != INFINITY:
        length = top * np.sum(np.abs(x / top) ** x.dtype.type(p), axis=-1, keepdims=True) ** x.dtype.type(1 / p)
    return x / np.maximum(length, x.dtype.type(eps))


@honest(lp_normalize, "torch", needs="torch", differs={"denormals": "their squares vanish: without eps, infinities"})
def _(x, /, *, p=2.0, axis=-1, eps=1e-12):
    from torch.nn.functional import normalize

    axes = axis if isinstance(axis, tuple) else (axis,)
    return of_torch(lambda t: normalize(t.flatten(-len(axes)), p, -1, eps).reshape(t.shape), x, axes=axes)


# ---- mutants that no check sees ----

LOST = "norm_of: lost = root * (s - root**p) / (p * s)  # one Newton step: 1 / p was rounded"
ROOT = "norm_of: root = root + xp.where(xp.isfinite(lost), lost, xp.zeros_like(lost))"
NEWTON = "the step corrects the rounding of 1 / p, at most a few units of float64: less than the condition of a power"
for _text in (
    f"lp_normalize > {LOST}: p * s -> p",
    f"lp_normalize_vjp > {LOST}: root * (s - root ** p) -> s - root ** p",
    f"lp_normalize_vjp > {ROOT}: root + xp.where(xp.isfinite(lost), lost, xp.zeros_like(lost)) -> root",
    f"lp_normalize_vjp > {ROOT}: root + xp.where(xp.isfinite(lost), lost, xp.zeros_like(lost))"
    " -> root - xp.where(xp.isfinite(lost), lost, xp.zeros_like(lost))",
    f"lp_normalize_vjp > {ROOT}: xp.where(xp.isfinite(lost), lost, xp.zeros_like(lost))"
    " -> xp.where(xp.isfinite(lost), xp.zeros_like(lost), lost)",
):
    survivor(lp_normalize, _text, NEWTON)
