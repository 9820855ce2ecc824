"""How products along modes, and tensors of few factors, are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.tensor import cp_conv, cp_reconstruct, hosvd, mode_product, tucker_reconstruct
from ..matrices import finite, svd

conventions(mode_product, "tensorly", "tenalg.mode_dot")
conventions(tucker_reconstruct, "flora", "factors in, out, window; the first two axes swapped at the end")
conventions(cp_reconstruct, "tensorly", "cp_to_tensor((weights, factors))")
conventions(hosvd, "tensorly", 'tucker(init="svd", n_iter_max=0); more iterations are HOOI')
conventions(cp_conv, "paper", "as catalogued", stride=1, padding=0)


@mistake(mode_product, "the new axis left in front", kind="axis")
def _(x, weight, /, *, axis):
    return np.tensordot(weight, x, (1, axis))


@mistake(mode_product, "divided by the size of the axis", kind="denominator")
def _(x, weight, /, *, axis):
    return np.moveaxis(np.tensordot(weight, x, (1, axis)), 0, axis) / weight.shape[1]


@honest(mode_product, "NumPy", baseline=True)
def _(x, weight, /, *, axis):
    y = np.tensordot(weight.astype(np.float64), x.astype(np.float64), (1, axis))
    return np.moveaxis(y, 0, axis).astype(x.dtype)


def whole(core, factors):
    y = core
    for mode, factor in enumerate(factors):
        y = np.moveaxis(np.tensordot(factor, y, (1, mode)), 0, mode)
    return y


def given(a, b, c):
    return [f.astype(np.float64) for f in (a, b, c) if f is not None]


@mistake(tucker_reconstruct, "scale left out", kind="place of a parameter")
def _(core, a, b, c=None, /, *, scale=1.0):
    return whole(core, given(a, b, c))


@mistake(tucker_reconstruct, "scaled once a factor", kind="place of a parameter")
def _(core, a, b, c=None, /, *, scale=1.0):
    return scale ** len(given(a, b, c)) * whole(core, given(a, b, c))


@mistake(tucker_reconstruct, "first two axes swapped", kind="axis")
def _(core, a, b, c=None, /, *, scale=1.0):
    return scale * np.swapaxes(whole(core, given(a, b, c)), 0, 1)


@mistake(tucker_reconstruct, "the core's diagonal alone", kind="set")
def _(core, a, b, c=None, /, *, scale=1.0):
    places = np.indices(core.shape)
    return scale * whole(np.where(np.all(places == places[0], axis=0), core, 0), given(a, b, c))


@honest(tucker_reconstruct, "NumPy", baseline=True)
def _(core, a, b, c=None, /, *, scale=1.0):
    return (scale * whole(core.astype(np.float64), given(a, b, c))).astype(core.dtype)


def outer(a, b, c, weights):
    factors = given(a, b, c)
    w = np.ones(a.shape[1]) if weights is None else weights.astype(np.float64)
    return np.einsum("r,ir,jr->ij" if c is None else "r,ir,jr,kr->ijk", w, *factors)


@mistake(cp_reconstruct, "weights left out", kind="place of a parameter")
def _(a, b, c=None, weights=None, /):
    return outer(a, b, c, None)


@mistake(cp_reconstruct, "weights squared", kind="place of a parameter")
def _(a, b, c=None, weights=None, /):
    return outer(a, b, c, None if weights is None else weights**2)


@mistake(cp_reconstruct, "all columns with all", kind="set")
def _(a, b, c=None, weights=None, /):
    ones = [np.sum(f, axis=1, keepdims=True) for f in given(a, b, c)]
    return outer(*ones, *[None] * (3 - len(ones)), None)


@mistake(cp_reconstruct, "mean over the columns", kind="denominator")
def _(a, b, c=None, weights=None, /):
    return outer(a, b, c, weights) / a.shape[1]


@honest(cp_reconstruct, "NumPy", baseline=True)
def _(a, b, c=None, weights=None, /):
    return outer(a, b, c, weights).astype(a.dtype)


def slid(z, taps, axis, stride, padding):
    widths = [(padding, padding) if k == axis else (0, 0) for k in range(4)]
    seen = np.lib.stride_tricks.sliding_window_view(np.pad(z, widths), len(taps), axis)
    seen = np.moveaxis(np.moveaxis(seen, axis, 0)[::stride], 0, axis)
    return np.einsum("nrhwk,kr->nrhw", seen, taps)


def convolved(x, factors, bias, stride, padding, turned=False):
    a, b, u, v = (f.astype(np.float64) for f in factors)
    u, v = (u[::-1], v[::-1]) if turned else (u, v)
    z = np.einsum("nchw,cr->nrhw", x.astype(np.float64), b)
    z = slid(slid(z, u, 2, stride, padding), v, 3, stride, padding)
    y = np.einsum("nrhw,or->nohw", z, a)
    return y if bias is None else y + bias[:, None, None]


@mistake(cp_conv, "windows turned round", kind="axis")
def _(x, a, b, u, v, bias=None, /, *, stride=1, padding=0):
    return convolved(x, (a, b, u, v), bias, stride, padding, turned=True)


@mistake(cp_conv, "no padding", kind="boundary")
def _(x, a, b, u, v, bias=None, /, *, stride=1, padding=0):
    return convolved(x, (a, b, u, v), bias, stride, 0)


@mistake(cp_conv, "a step of one", kind="place of a parameter")
def _(x, a, b, u, v, bias=None, /, *, stride=1, padding=0):
    return convolved(x, (a, b, u, v), bias, 1, padding)


@mistake(cp_conv, "bias left out", kind="place of a parameter")
def _(x, a, b, u, v, bias=None, /, *, stride=1, padding=0):
    return convolved(x, (a, b, u, v), None, stride, padding)


@mistake(cp_conv, "rows and columns changed about", kind="axis")
def _(x, a, b, u, v, bias=None, /, *, stride=1, padding=0):
    return convolved(x, (a, b, v, u), bias, stride, padding)


@honest(cp_conv, "NumPy", baseline=True)
def _(x, a, b, u, v, bias=None, /, *, stride=1, padding=0):
    return convolved(x, (a, b, u, v), bias, stride, padding).astype(x.dtype)


@decomposition(hosvd)
def _(core, *factors):
    """Signs are free: judged are the tensor, and of each factor a sum of projectors with falling weights."""
    weighted = [(u / np.arange(1, u.shape[1] + 1, dtype=u.dtype)) @ u.T for u in factors]
    return whole(core, factors), *weighted


def decomposed(x, rank, kept=slice, centre=False, one_by_one=False, scaled=False):
    """Return core and factors in the type of x, or wider where LAPACK has no such; all NaN for one number that is."""
    narrow, good = finite(x.reshape(1, -1))
    core = narrow.reshape(x.shape)
    factors, y = [], core
    for k, n in enumerate(x.shape):
        flat = np.moveaxis(core if one_by_one else y, k, 0)
        flat = flat.reshape(len(flat), -1)
        u, s, _ = svd(flat - flat.mean(axis=1, keepdims=True) if centre else flat)
        u = (u * s if scaled else u)[:, kept(rank[k] if rank else min(n, x.size // n))]
        factors.append(u)
        core = np.moveaxis(np.tensordot(u.T, core, (1, k)), 0, k)
    return tuple(np.where(good.reshape(()), part, part.dtype.type(np.nan)) for part in (core, *factors))


@mistake(hosvd, "each factor from what the last left", kind="order of the steps")
def _(x, /, *, rank=None):
    return decomposed(x, rank, one_by_one=True)


@mistake(hosvd, "smallest values kept", kind="set")
def _(x, /, *, rank=None):
    return decomposed(x, rank, kept=lambda r: slice(-r, None))


@mistake(hosvd, "vectors centred first", kind="centering")
def _(x, /, *, rank=None):
    return decomposed(x, rank, centre=True)


@mistake(hosvd, "values in the factors", kind="place of a parameter")
def _(x, /, *, rank=None):
    return decomposed(x, rank, scaled=True)


@honest(hosvd, "NumPy", baseline=True)
def _(x, /, *, rank=None):
    return tuple(part.astype(x.dtype) for part in decomposed(x, rank))
