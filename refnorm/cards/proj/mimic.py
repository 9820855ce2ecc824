"""How sliced layers are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.mimic import atomic_feature_mimicking, slice_rotated_weights
from ..matrices import svd

conventions(slice_rotated_weights, "slicegpt", "torch's layout: weights are (outputs, inputs)")
conventions(atomic_feature_mimicking, "code", "a population's covariance, of outputs with their bias")


def sliced(into, out, p, q, bias, k, first=0):
    into, out, p, q = (a.astype(np.float64) for a in (into, out, p, q))
    b = np.zeros(len(q)) if bias is None else bias.astype(np.float64)
    kept = slice(first, first + k) if first >= 0 else slice(len(q) - k, None)
    return (into @ p)[:, kept], (q.T @ out)[kept], (q.T @ b)[kept], (p.T @ q)[kept, kept]


@mistake(slice_rotated_weights, "the last directions", kind="set")
def _(x, other, rotation, basis, bias=None, /, *, k):
    return sliced(x, other, rotation, basis, bias, k, first=-1)


@mistake(slice_rotated_weights, "turned back", kind="axis")
def _(x, other, rotation, basis, bias=None, /, *, k):
    return sliced(x, other, rotation.T, basis.T, bias, k)


@mistake(slice_rotated_weights, "bias not turned", kind="place of a parameter")
def _(x, other, rotation, basis, bias=None, /, *, k):
    a, b, c, d = sliced(x, other, rotation, basis, bias, k)
    return a, b, c if bias is None else bias[:k].astype(np.float64), d


@mistake(slice_rotated_weights, "no shortcut", kind="place of a parameter")
def _(x, other, rotation, basis, bias=None, /, *, k):
    return *sliced(x, other, rotation, basis, bias, k)[:3], np.eye(k)


@mistake(slice_rotated_weights, "rotations changed about", kind="place of a parameter")
def _(x, other, rotation, basis, bias=None, /, *, k):
    return sliced(x, other, basis, rotation, bias, k)


@honest(slice_rotated_weights, "NumPy", baseline=True)
def _(x, other, rotation, basis, bias=None, /, *, k):
    return tuple(a.astype(x.dtype) for a in sliced(x, other, rotation, basis, bias, k))


@decomposition(atomic_feature_mimicking)
def _(w1, b1, w2, b2):
    """Signs of directions are free: judged are the products of both weights, and projectors with falling weights."""
    weights = 1 / np.arange(1, w2.shape[1] + 1, dtype=w2.dtype)
    return w2 @ w1, w2 @ b1, (w2 * weights) @ w2.T, b2


def split(x, mean, var, bias, rank, kept=slice, shift=lambda u, mean: mean - u @ (u.T @ mean)):
    """Return both layers in the type of x or float32."""
    narrow = np.promote_types(x.dtype, np.float32)
    w, mean, cov = (a.astype(narrow) for a in (x, mean, var))
    b = np.zeros_like(mean) if bias is None else bias.astype(narrow)
    u = svd(cov)[2].T[:, kept(len(w) if rank is None else rank)]
    return u.T @ w, u.T @ b, u, shift(u, mean)


@mistake(atomic_feature_mimicking, "smallest variances kept", kind="set")
def _(x, mean, var, bias=None, /, *, rank=None):
    return split(x, mean, var, bias, rank, kept=lambda r: slice(-r, None))


@mistake(atomic_feature_mimicking, "no mean in the second bias", kind="centering")
def _(x, mean, var, bias=None, /, *, rank=None):
    return split(x, mean, var, bias, rank, shift=lambda u, mean: 0 * mean)


@mistake(atomic_feature_mimicking, "the whole mean in the second bias", kind="centering")
def _(x, mean, var, bias=None, /, *, rank=None):
    return split(x, mean, var, bias, rank, shift=lambda u, mean: mean)


@mistake(atomic_feature_mimicking, "singular vectors of the weight", kind="statistic")
def _(x, mean, var, bias=None, /, *, rank=None):
    return split(x, mean, x @ x.T, bias, rank)


@mistake(atomic_feature_mimicking, "bias left out", kind="place of a parameter")
def _(x, mean, var, bias=None, /, *, rank=None):
    return split(x, mean, var, None, rank)


@honest(atomic_feature_mimicking, "NumPy", baseline=True)
def _(x, mean, var, bias=None, /, *, rank=None):
    with np.errstate(all="ignore"):
        return tuple(part.astype(x.dtype) for part in split(x, mean, var, bias, rank))
