"""Generalized means of parts in long double."""

import itertools

import numpy as np

from oracles import WIDE
from oracles.pool.gem import power_mean


def regional_gem_pool(x, *, window=5, p=2.5):
    sizes = x.shape[2:]
    window = window if isinstance(window, tuple) else (window,) * len(sizes)
    total = np.zeros(x.shape, WIDE)
    with np.errstate(all="ignore"):
        for steps in itertools.product(*(range(-(k // 2), k // 2 + 1) for k in window)):
            seen = x
            for axis, (step, n) in enumerate(zip(steps, sizes, strict=True), start=2):
                near = [abs(i + step) for i in range(n)]
                seen = np.take(seen, [i if i < n else 2 * (n - 1) - i for i in near], axis=axis)
            total += np.maximum(seen, 0) ** WIDE(p)
        return (x + (total / np.prod(window)) ** (1 / WIDE(p))) / 2


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
