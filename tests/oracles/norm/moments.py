"""Merged moments in long double: a place at a time, of the parts that have elements."""

import numpy as np

from oracles import WIDE


def merge_moments(mean, var, count):
    full = var.ndim > mean.ndim
    mu, merged = np.zeros(mean.shape[1:], WIDE), np.zeros(var.shape[1:], WIDE)
    for i in np.ndindex(count.shape[1:]):
        n = count[(slice(None), *i)]
        parts = np.flatnonzero(n)
        if not len(parts):
            continue
        whole = WIDE(int(n.sum()))
        m, v = mean[(parts, *i)], var[(parts, *i)]
        weight = n[parts].astype(WIDE).reshape(-1, *(1 for _ in m.shape[1:]))
        middle = (weight * m).sum(axis=0) / whole
        c = m - middle
        c = c - (weight * c).sum(axis=0) / whole
        mu[i] = middle
        square = c[..., :, None] * c[..., None, :] if full else c * c
        merged[i] = (weight.reshape(-1, *(1 for _ in square.shape[1:])) * (v + square)).sum(axis=0) / whole
    return mu, merged
