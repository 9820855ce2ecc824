"""Bins over the spatial axes of (N, C, *spatial): where each starts and stops, and what is in it."""

import math

import numpy as np

from .._xp import device
from .sums import sum_pair

__all__ = ["bin_maxima", "bin_sums", "bins", "cells_by_bin", "counts", "grid_plan", "turned"]

GRID = 4096  # cells and bins at most that a kernel has room for


def bins(n: int, o: int) -> tuple[list[int], list[int]]:
    """Return where each of `o` bins over `n` cells starts, and where it stops."""
    return [i * n // o for i in range(o)], [-(-(i + 1) * n // o) for i in range(o)]


def turned(edges, n: int) -> tuple[list[int], list[int]]:
    """Return, for each of `n` cells, where the bins that hold it start and stop: none where both are 0."""
    holders = [[b for b, (a, z) in enumerate(zip(*edges, strict=True)) if a <= cell < z] for cell in range(n)]
    return [h[0] if h else 0 for h in holders], [h[-1] + 1 if h else 0 for h in holders]


def counts(edges) -> list[list[int]]:
    """Return, per axis, how many cells each bin has."""
    return [[stop - start for start, stop in zip(*both, strict=True)] for both in edges]


def cells_by_bin(xp, x, axis, edges, fill=0.0):
    """Return `x` with `axis` split in two, bins and the cells of each; `fill` behind those of the shorter bins."""
    n, o = x.shape[axis], len(edges[0])
    kept, rest = x.shape[:axis], x.shape[axis + 1 :]
    if n % o == 0 and edges == bins(n, o):
        return xp.reshape(x, (*kept, o, n // o, *rest))
    start, stop = (xp.reshape(xp.asarray(ends, device=device(x)), (o, 1)) for ends in edges)
    taps = max(b - a for a, b in zip(*edges, strict=True))
    cell = start + xp.arange(taps, device=device(x))
    seen = xp.take(x, xp.reshape(xp.where(cell < stop, cell, start), (-1,)), axis=axis)
    inside = xp.reshape(cell < stop, (o, taps, *[1] * len(rest)))
    return xp.where(
        inside, xp.reshape(seen, (*kept, o, taps, *rest)), xp.asarray(fill, dtype=x.dtype, device=device(x))
    )


def bin_sums(xp, x, edges, *, roomy):
    """Return the sum of every bin, one axis after the other; without spare precision roundings are carried along."""
    lost = None
    for axis, both in enumerate(edges, start=2):
        if both == bins(x.shape[axis], x.shape[axis]):
            continue
        x = cells_by_bin(xp, x, axis, both)
        if roomy:
            x = xp.sum(x, axis=axis + 1)
            continue
        order = (*range(axis + 1), *range(axis + 2, x.ndim), axis + 1)
        x, error = (part[..., 0] for part in sum_pair(xp, xp.permute_dims(x, order)))
        lost = error if lost is None else error + xp.sum(cells_by_bin(xp, lost, axis, both), axis=axis + 1)
    return x if lost is None else x + lost


def bin_maxima(xp, x, edges):
    """Return the maximum of every bin, one axis after the other."""
    for axis, both in enumerate(edges, start=2):
        x = xp.max(cells_by_bin(xp, x, axis, both, -float("inf")), axis=axis + 1)
    return x


def grid_plan(edges):
    """Return a kernel's plan: the grid into which the edges of all bins cut a plane, and where in it each bin starts
    and stops; None where there is no plane, or too fine a grid."""
    edges = [[([0], [1]), *level] if len(level) == 1 else level for level in edges]
    cuts = [sorted({end for level in edges for ends in level[axis] for end in ends}) for axis in (0, 1)]
    rows, columns = (len(cut) - 1 for cut in cuts)
    many = sum(math.prod(len(starts) for starts, _ in level) for level in edges)
    if len(edges[0]) > 2 or max(rows * columns, many) > GRID:
        return None
    plan = [rows, columns, *cuts[0], *cuts[1]]
    places = [{end: i for i, end in enumerate(cut)} for cut in cuts]
    for level in edges:
        plan += [len(starts) for starts, _ in level]
        plan += [place[end] for place, both in zip(places, level, strict=True) for ends in both for end in ends]
    return np.asarray(plan, dtype=np.intp)
