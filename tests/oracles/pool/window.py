"""avg_pool and max_pool in long double, one window after the other."""

import itertools
import math

import numpy as np

from oracles import WIDE


def window_cells(shape, window, stride, padding, dilation, ceil_mode):
    """Return, per spatial axis, one (cells inside, cells counted with padding) pair for every window."""
    sizes = shape[2:]
    count = len(sizes)

    def each(value):
        return value if isinstance(value, tuple) else (value,) * count

    window, dilation = each(window), each(dilation)
    stride = window if stride is None else each(stride)
    axes = []
    for n, k, s, d, p in zip(sizes, window, stride, dilation, each(padding), strict=True):
        before, after = p if isinstance(p, tuple) else (p, p)
        windows, start = [], -before
        while True:
            last = start + d * (k - 1)
            left_over = ceil_mode and windows and last - s < n + after - 1 and start < n
            if last >= n + after and not left_over:
                break
            inside = [i for i in range(start, start + d * k, d) if 0 <= i < n]
            counted = sum(1 for i in range(start, start + k) if i < n + after)
            windows.append((inside, counted))
            start += s
        axes.append(windows)
    return axes


def pooled(x, axes, reduce):
    y = np.empty((*x.shape[:2], *map(len, axes)), dtype=WIDE)
    for place in itertools.product(*(range(len(a)) for a in axes)):
        windows = [a[i] for a, i in zip(axes, place, strict=True)]
        block = x[np.ix_(range(x.shape[0]), range(x.shape[1]), *(w[0] for w in windows))]
        flat = block.reshape(*x.shape[:2], math.prod(block.shape[2:]))
        y[(slice(None), slice(None), *place)] = reduce(flat, [w[1] for w in windows])
    return y


def avg_pool(x, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    axes = window_cells(x.shape, window, stride, padding, 1, ceil_mode)

    def reduce(cells, counted):
        return cells.sum(axis=-1) / WIDE(math.prod(counted) if count_include_pad else cells.shape[-1])

    return pooled(x, axes, reduce)


def max_pool(x, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    axes = window_cells(x.shape, window, stride, padding, dilation, ceil_mode)
    return pooled(x, axes, lambda cells, counted: cells.max(axis=-1))
