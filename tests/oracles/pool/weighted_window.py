"""Weighted windows in long double, one window after the other."""

import itertools
import math

import numpy as np

from oracles import WIDE
from oracles.pool.context import softmax
from oracles.pool.window import window_cells


def weighted_window_pool(x, scores, *, window, stride=None, tau=0.01):
    axes = window_cells(x.shape, window, stride, 0, 1, False)
    y = np.empty((*x.shape[:2], *map(len, axes)), WIDE)
    with np.errstate(all="ignore"):
        for place in itertools.product(*(range(len(a)) for a in axes)):
            inside = np.ix_(*(a[i][0] for a, i in zip(axes, place, strict=True)))
            for n in range(len(x)):
                w = softmax(scores[n][inside].ravel() / WIDE(tau))
                for c in range(x.shape[1]):
                    y[(n, c, *place)] = (w * x[n, c][inside].ravel()).sum()
    return y


def token_aware_avg_pool(x, weight, *, count_include_pad=True):
    y = np.zeros(x.shape, WIDE)
    sizes = x.shape[2:]
    for site in np.ndindex(*sizes):
        for k in range(weight.shape[1]):
            steps = itertools.product((-k, 0, k) if k else (0,), repeat=len(sizes))
            near = [tuple(i + s for i, s in zip(site, step, strict=True)) for step in steps]
            inside = [p for p in near if all(0 <= i < n for i, n in zip(p, sizes, strict=True))]
            n = len(near if count_include_pad else inside)
            mean = sum(x[(slice(None), slice(None), *p)] for p in inside) / WIDE(n)
            y[(slice(None), slice(None), *site)] += weight[(slice(None), slice(k, k + 1), *site)] * mean
    return y


def neighborhood_pool(x, *, window=3, output_size=None):
    sizes = x.shape[2:]
    window = window if isinstance(window, tuple) else (window,) * len(sizes)
    channels = x.shape[1] if output_size is None else output_size
    y = np.empty((x.shape[0], channels, *sizes), WIDE)
    for site in np.ndindex(*sizes):
        near = list(itertools.product(*(range(i - k // 2, i + k // 2 + 1) for i, k in zip(site, window, strict=True))))
        zero = np.zeros(len(x), WIDE)
        v = [
            x[(slice(None), c, *p)] if all(0 <= i < n for i, n in zip(p, sizes, strict=True)) else zero
            for c in range(x.shape[1])
            for p in near
        ]
        for o in range(channels):
            part = v[math.floor(o * len(v) / channels) : math.ceil((o + 1) * len(v) / channels)]
            y[(slice(None), o, *site)] = sum(part) / WIDE(len(part))
    return y
