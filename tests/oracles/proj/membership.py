"""Memberships of neighbours in long double, a point at a time."""

import numpy as np

from oracles import WIDE


def joined(row, connectivity):
    near = sorted(d for d in row if d > 0)
    whole = int(np.floor(connectivity))
    if len(near) < connectivity:
        return near[-1] if near else WIDE(0)
    below = near[whole - 1] if whole else WIDE(0)
    part = WIDE(connectivity) - whole
    return below + part * (near[whole] - below) if whole == 0 or part > 1e-5 else below


def smooth_knn_membership(x, *, connectivity=1.0, scale=1.0):
    y, k = np.ones_like(x), x.shape[-1]
    target = WIDE(scale) * np.log2(WIDE(k))
    for i in np.ndindex(x.shape[:-1]):
        if not np.isfinite(x[i]).all():
            y[i] = np.nan
            continue
        gaps = np.maximum(x[i] - joined(x[i], connectivity), 0)
        if target >= k - 1 or not np.any(gaps > 0):
            continue
        low, high = np.ldexp(WIDE(1), -1200), np.ldexp(WIDE(1), 1200)
        for _ in range(90):
            sigma = np.sqrt(low) * np.sqrt(high)
            if np.sum(np.exp(-gaps[1:] / sigma)) > target:
                high = sigma
            else:
                low = sigma
        y[i] = np.exp(-gaps / np.maximum(low, np.sum(x[i]) / k / 1000))
    return y
