"""weight_norm in long double, slice by slice, and class weights row by row."""

import numpy as np

from oracles import WIDE


def weight_norm(x, gains=None, *, axis=0, eps=0.0):
    slices = x[None] if axis is None else np.moveaxis(x, axis, 0)
    y = np.empty_like(slices)
    lengths = np.ones(len(slices), WIDE) if gains is None else gains.reshape(-1)
    for k in range(len(slices)):
        y[k] = lengths[k] * (slices[k] / (np.sqrt((slices[k] * slices[k]).sum()) + WIDE(eps)))
    return y[0] if axis is None else np.moveaxis(y, 0, axis)


def class_norm_realign(x, other=None, *, tau=1.0, scale=1.0):
    y = np.empty_like(x)
    for k in range(len(x)):
        y[k] = WIDE(scale) * x[k] / np.sqrt((x[k] * x[k]).sum()) ** WIDE(tau)
        if other is not None:
            y[k] = y[k] * np.sqrt((other[k] * other[k]).sum())
    return y
