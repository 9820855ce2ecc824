"""Grids of cells and of nodes over any number of axes: the cell of a point, and what lies between nodes."""

import itertools
import math

from .._xp import device

__all__ = ["cell_index", "grid_span", "multilinear"]


def grid_span(low, high, count: int) -> list[tuple[float, float]]:
    """Return (low, high) for every axis; refuse what spans nothing."""
    ends = []
    for name, value in (("low", low), ("high", high)):
        each = value if isinstance(value, tuple | list) else (value,) * count
        if not all(isinstance(v, int | float) for v in each):
            raise TypeError(f"{name} must be a number or {count} numbers, got {value!r}")
        if len(each) != count:
            raise ValueError(f"{name} must have one entry for each of the {count} axes, got {value!r}")
        ends.append(each)
    spans = list(zip(*ends, strict=True))
    if not all(math.isfinite(a) and math.isfinite(b) and a < b for a, b in spans):
        raise ValueError(f"low must be below high, both finite, got {low!r} and {high!r}")
    return spans


def cell_index(xp, coordinates, spans, sizes):
    """Return the cell, in row-major order, in which each of (points, k) coordinates lies: -1 for a NaN.

    What lies outside is taken to the cell at the border.
    """
    index, lost = 0, False
    for j, ((low, high), n) in enumerate(zip(spans, sizes, strict=True)):
        at = xp.floor((coordinates[:, j] - low) / ((high - low) / n))
        lost = xp.isnan(at) | lost
        whole = xp.clip(xp.where(xp.isnan(at), xp.zeros_like(at), at), 0, n - 1)
        index = index * n + xp.astype(whole, xp.arange(1, device=device(coordinates)).dtype)
    return xp.where(lost, xp.full_like(index, -1), index)


def multilinear(xp, grid, at):
    """Return a grid (G, *sizes) at positions (points, k) that count its nodes, from 0 to size - 1: (points, G)."""
    cells = xp.permute_dims(xp.reshape(grid, (grid.shape[0], math.prod(grid.shape[1:]))), (1, 0))
    spans = []
    for j, n in enumerate(grid.shape[1:]):
        here = at[:, j]
        low = xp.floor(xp.where(xp.isnan(here), xp.zeros_like(here), here))
        spans.append((n, xp.astype(low, xp.int32), here - low))
    y = 0.0
    for corner in itertools.product((0, 1), repeat=len(spans)):
        index, share = 0, 1.0
        for (n, low, rest), far in zip(spans, corner, strict=True):
            index = index * n + xp.clip(low + far, 0, n - 1)
            share = share * (rest if far else 1 - rest)
        y = y + share[:, None] * xp.take(cells, index, axis=0)
    return y
