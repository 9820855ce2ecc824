"""Shrinkage in long double."""

import numpy as np

from oracles import WIDE


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
