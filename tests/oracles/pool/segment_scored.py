"""Means under softmax over ragged segments in long double, one segment at a time, its members gathered."""

import numpy as np

from oracles import WIDE


def segment_attentive_pool(x, weight, ids, *, segments, fill=0.0):
    y = np.full((segments, x.shape[1]), WIDE(fill))
    with np.errstate(all="ignore"):
        for s in range(segments):
            members = x[ids == s]
            for d in range(x.shape[1]) if len(members) else ():
                c = sum(members[:, i] * weight[i, d % weight.shape[1]] for i in range(x.shape[1]))
                e = np.exp(c - c.max())
                y[s, d] = (e * members[:, d]).sum() / e.sum()
    return y
