"""weight_norm in long double, slice by slice."""

import numpy as np

from oracles import WIDE


def weight_norm(x, gains=None, *, axis=0, eps=0.0):
    slices = x[None] if axis is None else np.moveaxis(x, axis, 0)
    y = np.empty_like(slices)
    lengths = np.ones(len(slices), WIDE) if gains is None else gains.reshape(-1)
    for k in range(len(slices)):
        y[k] = lengths[k] * (slices[k] / (np.sqrt((slices[k] * slices[k]).sum()) + WIDE(eps)))
    return y[0] if axis is None else np.moveaxis(y, 0, axis)
