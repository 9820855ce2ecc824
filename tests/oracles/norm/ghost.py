"""Ghost batch norm in long double: a ghost batch and a channel at a time."""

import numpy as np

from oracles import WIDE


def ghost_batch_norm_train(x, weight=None, bias=None, *, groups, interleaved=False, axis=1, eps=1e-5):
    planes = np.moveaxis(x, axis, 1)
    y, moments = np.empty_like(planes), np.empty((2, groups, planes.shape[1]), WIDE)
    n = len(planes)
    for g in range(groups):
        members = [i for i in range(n) if (i % groups if interleaved else i // (n // groups)) == g]
        for c in range(planes.shape[1]):
            v = planes[members, c]
            mean = v.sum() / WIDE(v.size)
            d = v - mean
            d = d - d.sum() / WIDE(v.size)
            var = (d * d).sum() / WIDE(v.size)
            d = d / np.sqrt(var + WIDE(eps))
            d = d if weight is None else d * weight[c]
            y[members, c] = d if bias is None else d + bias[c]
            moments[:, g, c] = mean, var
    return np.moveaxis(y, 1, axis), *moments
