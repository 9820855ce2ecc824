"""Bags of rows in long double, one bag at a time, its rows gathered."""

import numpy as np


def embedding_bag(x, ids, offsets, weight=None, *, reduce="mean", padding_id=None):
    y = np.zeros((len(offsets), x.shape[1]), x.dtype)
    ends = [*offsets[1:], len(ids)]
    for b, (start, end) in enumerate(zip(offsets, ends, strict=True)):
        places = [i for i in range(start, end) if ids[i] != padding_id]
        if places:
            rows = x[ids[places]]
            rows = rows if weight is None else rows * weight[places, None]
            with np.errstate(all="ignore"):
                y[b] = {"sum": np.sum, "mean": np.mean, "max": np.max}[reduce](rows, axis=0)
    return y
