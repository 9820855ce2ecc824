"""Masked means in long double, one answer at a time, on what is shown gathered."""

import numpy as np

from oracles import WIDE


def masked_avg_pool(x, mask, *, axis, eps=0.0, eps_mode="add"):
    axes = tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
    kept = [a for a in range(x.ndim) if a not in axes]
    whole = np.broadcast_to(mask, x.shape)
    y = np.empty([x.shape[a] for a in kept], WIDE)
    for place in np.ndindex(y.shape):
        where = [slice(None)] * x.ndim
        for a, i in zip(kept, place, strict=True):
            where[a] = i
        v, m = x[tuple(where)].ravel(), whole[tuple(where)].ravel()
        v, m = v[m != 0], m[m != 0].astype(WIDE)
        n = m.sum()
        with np.errstate(all="ignore"):
            y[place] = (m * v).sum() / (max(n, WIDE(eps)) if eps_mode == "max" else n + WIDE(eps))
    return y


def confidence_grid_pool(x, confidence, *, output_size, average=True, eps=0.0):
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * (x.ndim - 2)
    y, share = np.empty((*x.shape[:2], *sizes), WIDE), np.empty((x.shape[0], 1, *sizes), WIDE)
    for place in np.ndindex(*sizes):
        cells = tuple(
            slice(i * n // o, -(-(i + 1) * n // o)) for i, n, o in zip(place, x.shape[2:], sizes, strict=True)
        )
        for n in range(len(x)):
            c = confidence[(n, 0, *cells)].ravel()
            share[(n, 0, *place)] = c.sum() / WIDE(c.size)
            for channel in range(x.shape[1]):
                v = x[(n, channel, *cells)].ravel()
                mean = sum((w * t for w, t in zip(c, v, strict=True) if w != 0), WIDE(0)) / WIDE(c.size)
                with np.errstate(all="ignore"):
                    y[(n, channel, *place)] = mean / (share[(n, 0, *place)] + WIDE(eps)) if average else mean
    return y, share
