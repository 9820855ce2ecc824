"""generalized_divisive_norm in long double, by a loop over channels and one over their neighbours."""

import numpy as np

from oracles import WIDE


def generalized_divisive_norm(x, weight, bias, *, axis=1, inverse=False, simplified=False):
    planes = np.moveaxis(x, axis, 0)
    y = np.empty(planes.shape, WIDE)
    for i in range(len(planes)):
        pool = np.full(planes.shape[1:], bias[i], WIDE)
        for j in range(len(planes)):
            pool = pool + weight[i, j] * (np.abs(planes[j]) if simplified else planes[j] * planes[j])
        pool = pool if simplified else np.sqrt(pool)
        y[i] = planes[i] * pool if inverse else planes[i] / pool
    return np.moveaxis(y, 0, axis)
