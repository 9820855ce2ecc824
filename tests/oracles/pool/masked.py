"""The masked mean in long double, one answer at a time, on what is shown gathered."""

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
