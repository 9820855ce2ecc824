"""Reductions over ragged segments in long double, one segment at a time, its members gathered."""

import numpy as np

from oracles import WIDE


def segment_pool(x, ids, *, segments, reduce="mean", fill=0.0):
    y = np.full((segments, *x.shape[1:]), WIDE(fill))
    for s in range(segments):
        members = x[ids == s]
        if len(members):
            how = {"sum": np.sum, "mean": np.sum, "max": np.max, "min": np.min}[reduce]
            y[s] = how(members, axis=0) / WIDE(len(members) if reduce == "mean" else 1)
    return y
