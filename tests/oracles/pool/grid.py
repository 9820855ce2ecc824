"""Grids of points in long double, one point after the other."""

import itertools
import math

import numpy as np

from oracles import WIDE


def each(value, count):
    return value if isinstance(value, tuple) else (value,) * count


def position(u, low, high, sizes):
    """Return where a point lies, in cells along every axis."""
    ends = zip(u, each(low, len(sizes)), each(high, len(sizes)), sizes, strict=True)
    return [(v - WIDE(a)) * n / (WIDE(b) - WIDE(a)) for v, a, b, n in ends]


def cell_of(at, sizes):
    """Return the cells of positions, one array an axis, in row-major order: -1 for a NaN."""
    cell, lost = 0, False
    for p, n in zip(at, sizes, strict=True):
        lost = np.isnan(p) | lost
        whole = np.minimum(np.maximum(np.floor(np.where(np.isnan(p), 0, p)), 0), n - 1)
        cell = cell * n + whole.astype(int)
    return np.where(lost, -1, cell)


def grid_scatter_pool(x, coordinates, *, output_size, low=0.0, high=1.0, reduce="max", fill=0.0):
    sizes = each(output_size, coordinates.shape[1])
    cell = cell_of(position(coordinates.T, low, high, sizes), sizes)
    y = np.full((x.shape[1], math.prod(sizes)), WIDE(fill))
    counts = np.zeros(math.prod(sizes), dtype=int)
    for c in range(len(counts)):
        inside = x[cell == c]
        counts[c] = len(inside)
        if len(inside):
            how = {"max": np.max, "min": np.min, "sum": np.sum, "mean": np.sum}[reduce]
            y[:, c] = how(inside, axis=0) / (WIDE(len(inside)) if reduce == "mean" else 1)
    return y.reshape(-1, *sizes), counts.reshape(sizes), cell


def grid_gather(x, coordinates, *, low=0.0, high=1.0, kind="nearest"):
    sizes = x.shape[1:]
    y = np.empty((len(coordinates), x.shape[0]), WIDE)
    for i, u in enumerate(coordinates):
        at = position(u, low, high, sizes)
        if kind == "nearest":
            cell = cell_of(at, sizes)
            y[i] = np.nan if cell < 0 else x.reshape(len(x), -1)[:, cell]
            continue
        at = [min(max(p - WIDE(0.5), WIDE(0)), WIDE(n - 1)) for p, n in zip(at, sizes, strict=True)]
        y[i] = 0
        for corner in itertools.product((0, 1), repeat=len(sizes)):
            share, place = WIDE(1), []
            for p, far, n in zip(at, corner, sizes, strict=True):
                first = int(np.floor(p))
                share *= (p - first) if far else (1 - (p - first))
                place.append(min(first + far, n - 1))
            y[i] += share * x[(slice(None), *place)]
    return y
