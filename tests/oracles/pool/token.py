"""Vectors from sequences, one sequence at a time, in long double."""

import numpy as np

from oracles import WIDE


def shown(x, mask, batch):
    return np.arange(x.shape[-2]) if mask is None else np.flatnonzero(mask[batch])


def last_token_pool(x, mask=None):
    y = np.empty(x.shape[:-2] + x.shape[-1:], WIDE)
    for batch in np.ndindex(x.shape[:-2]):
        there = shown(x, mask, batch)
        y[batch] = x[batch][there[-1] if len(there) else -1]
    return y


def position_weighted_mean_pool(x, mask=None, *, kind="sequence"):
    y = np.full(x.shape[:-2] + x.shape[-1:], WIDE("nan"))
    for batch in np.ndindex(x.shape[:-2]):
        there = shown(x, mask, batch)
        if len(there):
            w = (there + 1 - (there[0] if kind == "first" else 0)).astype(WIDE)
            with np.errstate(all="ignore"):
                y[batch] = (w[:, None] * x[batch][there]).sum(axis=0) / w.sum()
    return y


def top_descriptor_pool(x, *, k, eps=1e-12):
    y = np.empty((*x.shape[:-2], k, x.shape[-1]), WIDE)
    for batch in np.ndindex(x.shape[:-2]):
        a = np.abs(x[batch]).sum(axis=-1)
        a = np.where(np.isnan(a), np.inf, a)
        with np.errstate(all="ignore"):
            for i in range(k):
                n = int(np.argmax(a))
                v = x[batch][n]
                y[(*batch, i)] = v / max(np.sqrt((v * v).sum()), WIDE(eps)) if not np.isnan(v).any() else WIDE("nan")
                a[n] = -np.inf
    return y
