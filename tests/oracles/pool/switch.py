"""Cells drawn and put back in long double, one after the other."""

import itertools
import math

import numpy as np

from oracles import WIDE
from oracles.pool.window import window_cells


def max_unpool(x, indices, *, output_size):
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * (x.ndim - 2)
    y = np.zeros((*x.shape[:2], *sizes), dtype=WIDE)
    for n, c in itertools.product(*map(range, x.shape[:2])):
        taken = set()
        for value, index in zip(x[n, c].ravel(), indices[n, c].ravel(), strict=True):
            if 0 <= index < math.prod(sizes) and index not in taken:
                y[(n, c, *np.unravel_index(index, sizes))] = value
                taken.add(index)
    return y


def stochastic_pool(x, u=None, *, window, stride=None, padding=0, ceil_mode=False):
    axes = window_cells(x.shape, window, stride, padding, 1, ceil_mode)
    y = np.empty((*x.shape[:2], *map(len, axes)), dtype=WIDE)
    for place in np.ndindex(y.shape):
        inside = [a[i][0] for a, i in zip(axes, place[2:], strict=True)]
        a = [v if v > 0 or np.isnan(v) else WIDE(0) for v in x[place[:2]][np.ix_(*inside)].ravel()]
        s = sum(a)
        if s == 0 or not np.isfinite(s):
            y[place] = s
        elif u is None:
            y[place] = sum(v * (v / s) for v in a)
        else:
            running = WIDE(0)
            for v in a:
                running += v
                if running > u[place] * s:
                    y[place] = v
                    break
    return y
