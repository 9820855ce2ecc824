"""Norms of windows in long double, one window after the other."""

from oracles import WIDE
from oracles.pool.window import pooled, window_cells


def lp_pool(x, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, p=2.0, signed=False):
    axes = window_cells(x.shape, window, stride, padding, dilation, ceil_mode)
    p = WIDE(p)
    return pooled(x, axes, lambda cells, counted: ((cells if signed else abs(cells)) ** p).sum(axis=-1) ** (1 / p))
