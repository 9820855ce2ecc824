"""Generalized means of parts in long double."""

import itertools

import numpy as np

from oracles import WIDE
from oracles.pool.gem import power_mean


def regional_gem_pool(x, *, window=5, p=2.5):
    sizes = x.shape[2:]
    window = window if isinstance(window, tuple) else (window,) * len(sizes)
    y = np.empty(x.shape, WIDE)
    for site in np.ndindex(*sizes):
        near = []
        for i, n, k in zip(site, sizes, window, strict=True):
            line = [abs(i + j - k // 2) for j in range(k)]
            near.append([c if c < n else 2 * (n - 1) - c for c in line])
        seen = [x[(slice(None), slice(None), *place)] for place in itertools.product(*near)]
        with np.errstate(all="ignore"):
            r = (sum(v ** WIDE(p) for v in seen) / len(seen)) ** (1 / WIDE(p))
        y[(slice(None), slice(None), *site)] = (x[(slice(None), slice(None), *site)] + r) / 2
    return y


def scale_gem_pool(x, *, p=None):
    y = np.empty(x.shape[1:], WIDE)
    with np.errstate(all="ignore"):
        if p is None:
            for i in range(x.shape[1]):
                units = [v if not v.any() else v / np.sqrt((v * v).sum()) for v in x[:, i]]
                y[i] = np.max(units, axis=0)
        elif x.size:
            g = x.min()
            y[...] = (((x - g) ** WIDE(p)).sum(axis=0) / len(x)) ** (1 / WIDE(p)) + g
    return y


def strip_gem_pool(x, *, split, p=6.5, eps=1e-6):
    m = x.max(axis=2)
    each = p if isinstance(p, tuple) else (p,) * len(split)
    y, row = np.empty((*x.shape[:2], len(split)), WIDE), 0
    for j, (size, one) in enumerate(zip(split, each, strict=True)):
        cells = m[:, :, row : row + size].reshape(*m.shape[:2], size * m.shape[3])
        y[:, :, j] = power_mean(np.where(cells <= WIDE(eps), WIDE(eps), cells), WIDE(one))
        row = (row + size) % m.shape[2]
    return y
