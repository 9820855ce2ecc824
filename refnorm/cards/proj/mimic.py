"""How sliced layers are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.mimic import slice_rotated_weights

conventions(slice_rotated_weights, "slicegpt", "torch's layout: weights are (outputs, inputs)")


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
