"""Shrinkage in long double, element by element and triple by triple."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def soft_threshold(x, *, threshold=0.5):
    y = x.copy()
    for place in np.ndindex(x.shape):
        if x[place] > threshold:
            y[place] = x[place] - WIDE(threshold)
        elif x[place] < -threshold:
            y[place] = x[place] + WIDE(threshold)
        elif not np.isnan(x[place]):
            y[place] = 0
    return y


def singular_value_threshold(x, *, threshold=0.5):
    u, s, v = svd(x)
    y = np.zeros(x.shape, WIDE)
    for k in range(s.shape[-1]):
        kept = np.where(s[..., k] > threshold, s[..., k] - WIDE(threshold), 0 * s[..., k])
        y = y + kept[..., None, None] * u[..., :, None, k] * v[..., None, :, k]
    return y
