"""Batch norm by mixed moments in long double, a channel at a time."""

import numpy as np

from oracles import WIDE


def alpha_batch_norm(x, mean, var, weight=None, bias=None, *, axis=1, alpha=0.9, correction=0, eps=1e-5):
    planes = np.moveaxis(x, axis, 0)
    y = np.empty(planes.shape, WIDE)
    share, rest = WIDE(alpha), 1 - WIDE(alpha)
    for c, plane in enumerate(planes):
        m = plane.sum() / WIDE(plane.size)
        m = m + (plane - m).sum() / WIDE(plane.size)
        d = plane - m
        d = d - d.sum() / WIDE(plane.size)
        own = (d * d).sum() / (WIDE(plane.size) - WIDE(correction))
        root = np.sqrt(share * var[c] + rest * own + WIDE(eps))
        y[c] = (share * (plane - mean[c]) + rest * d) / root
        y[c] = y[c] if weight is None else y[c] * weight[c]
        y[c] = y[c] if bias is None else y[c] + bias[c]
    return np.moveaxis(y, 0, axis)
