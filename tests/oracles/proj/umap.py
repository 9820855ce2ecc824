"""The fuzzy graph of neighbours in long double, edge by edge."""

import numpy as np

from oracles import WIDE


def fuzzy_union(x, *, alpha=1.0):
    y, a = np.zeros(x.shape, WIDE), WIDE(alpha)
    for i in range(x.shape[-2]):
        for j in range(min(x.shape[-2:])):
            there, back = x[..., i, j], x[..., j, i] if x.shape[-2] > j else x[..., i, j]
            y[..., i, j] = a * (there + back) + (1 - 2 * a) * (there * back)
    return y
