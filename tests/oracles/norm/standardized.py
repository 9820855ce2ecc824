"""Weight standardization in long double, slice by slice; the mean is taken twice, as its rounding may be large."""

import numpy as np

from oracles import WIDE


def weight_standardization(x, gains=None, *, axis=0, correction=0, eps=1e-5, eps_mode="variance"):
    slices = x[None] if axis is None else np.moveaxis(x, axis, 0)
    y, g = np.empty_like(slices), np.ones(len(slices), WIDE) if gains is None else gains.reshape(-1)
    for k in range(len(slices)):
        v = slices[k]
        d = v - v.sum() / WIDE(v.size)
        d = d - d.sum() / WIDE(v.size)
        var = (d * d).sum() / (WIDE(v.size) - WIDE(correction))
        y[k] = g[k] * d / (np.sqrt(var + WIDE(eps)) if eps_mode == "variance" else np.sqrt(var) + WIDE(eps))
    return y[0] if axis is None else np.moveaxis(y, 0, axis)
