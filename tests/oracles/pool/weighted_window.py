"""Weighted windows in long double, one window after the other."""

import itertools
import math

import numpy as np

from oracles import WIDE
from oracles.pool.context import softmax
from oracles.pool.window import window_cells


def weighted_window_pool(x, scores, *, window, stride=None, padding=0, ceil_mode=False, tau=0.01):
    axes = window_cells(x.shape, window, stride, padding, 1, ceil_mode)
    y = np.empty((*x.shape[:2], *map(len, axes)), WIDE)
    with np.errstate(all="ignore"):
        for place in itertools.product(*(range(len(a)) for a in axes)):
            inside = np.ix_(*(a[i][0] for a, i in zip(axes, place, strict=True)))
            for n in range(len(x)):
                w = softmax(scores[n][inside].ravel() / WIDE(tau))
                for c in range(x.shape[1]):
                    y[(n, c, *place)] = (w * x[n, c][inside].ravel()).sum()
    return y


def moved(x, steps):
    """Return, at every site of (N, C, *spatial), what lies some steps ahead: 0 beyond the map."""
    y = np.zeros_like(x)
    here, there = [slice(None)] * 2, [slice(None)] * 2
    for step, n in zip(steps, x.shape[2:], strict=True):
        low, high = min(n, max(0, -step)), max(0, min(n, n - step))
        if low >= high:
            return y
        here.append(slice(low, high))
        there.append(slice(low + step, high + step))
    y[tuple(here)] = x[tuple(there)]
    return y


def token_aware_avg_pool(x, weight, *, count_include_pad=True):
    y = weight[:, :1] * x
    for k in range(1, weight.shape[1]):
        steps = list(itertools.product((-k, 0, k), repeat=x.ndim - 2))
        n = WIDE(len(steps)) if count_include_pad else sum(moved(np.ones_like(x), s) for s in steps)
        y = y + weight[:, k : k + 1] * (sum(moved(x, s) for s in steps) / n)
    return y


def neighborhood_pool(x, *, window=3, output_size=None):
    window = window if isinstance(window, tuple) else (window,) * (x.ndim - 2)
    steps = list(itertools.product(*(range(-(k // 2), k // 2 + 1) for k in window)))
    v = np.stack([moved(x, s)[:, c] for c in range(x.shape[1]) for s in steps], axis=1)
    channels, length = x.shape[1] if output_size is None else output_size, v.shape[1]
    parts = []
    for o in range(channels):
        part = v[:, math.floor(o * length / channels) : math.ceil((o + 1) * length / channels)]
        parts.append(part.sum(axis=1) / WIDE(part.shape[1]))
    return np.stack(parts, axis=1)
