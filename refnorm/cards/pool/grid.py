"""How points are scattered to grids and grids looked up wrong, and what libraries call them with."""

import itertools

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.grid import grid_gather, grid_scatter_pool

conventions(grid_scatter_pool, "paper", "points outside are taken to the border")
conventions(grid_scatter_pool, "scipy", "binned_statistic_dd leaves out what is outside", reduce="mean")
conventions(grid_gather, "paper", "both are named")
conventions(grid_gather, "torch", "grid_sample, border, align_corners=False, coordinates reversed", kind="linear")


def each(value, count):
    return value if isinstance(value, tuple) else (value,) * count


def positions(u, sizes, low, high):
    """Return where coordinates lie, in cells."""
    ends = zip(each(low, len(sizes)), each(high, len(sizes)), sizes, strict=True)
    return np.stack([(u[:, j] - a) / ((b - a) / n) for j, (a, b, n) in enumerate(ends)], axis=1)


def scattered(x, u, sizes, low, high, reduce, fill, *, outside="border", nearest=False):
    sizes = each(sizes, u.shape[1])
    at = positions(u.astype(float), sizes, low, high)
    at = np.round(at) if nearest else np.floor(at)
    inside = np.all((at >= 0) & (at < sizes), axis=1)
    whole = np.clip(np.where(np.isnan(at), 0, at), 0, np.array(sizes) - 1).astype(int)
    cell = np.ravel_multi_index(tuple(whole.T), sizes)
    cell = np.where(np.isnan(at).any(axis=1) | (False if outside == "border" else ~inside), -1, cell)
    y = np.full((x.shape[1], int(np.prod(sizes))), fill, x.dtype)
    how = {"max": np.max, "min": np.min, "mean": np.mean, "sum": np.sum}[reduce]
    for c in set(cell[cell >= 0]):
        y[:, c] = how(x[cell == c], axis=0)
    counts = np.bincount(cell[cell >= 0], minlength=y.shape[1])
    return y.reshape(-1, *sizes), counts.reshape(sizes), cell


def scatter_twin(name, kind, **wrong):
    @mistake(grid_scatter_pool, name, kind=kind)
    def _(x, u, /, *, output_size, low=0.0, high=1.0, reduce="max", fill=0.0):
        how = {"reduce": reduce, "fill": fill} | wrong
        return scattered(x, u, output_size, low, high, **how)


scatter_twin("points outside left out", "region", outside="nowhere")
scatter_twin("rounded, not rounded down", "region", nearest=True)
scatter_twin("empty cells always 0", "place of a parameter", fill=0.0)
scatter_twin("always the mean", "statistic", reduce="mean")
scatter_twin("always the maximum", "statistic", reduce="max")


@mistake(grid_scatter_pool, "low left out", kind="place of a parameter")
def _(x, u, /, *, output_size, low=0.0, high=1.0, reduce="max", fill=0.0):
    return scattered(x, u, output_size, 0.0, high, reduce, fill)


@mistake(grid_scatter_pool, "coordinates changed round", kind="axis")
def _(x, u, /, *, output_size, low=0.0, high=1.0, reduce="max", fill=0.0):
    return scattered(x, u[:, ::-1], output_size, low, high, reduce, fill)


@honest(grid_scatter_pool, "NumPy")
def _(x, u, /, *, output_size, low=0.0, high=1.0, reduce="max", fill=0.0):
    return scattered(x, u, output_size, low, high, reduce, fill)


def looked_up(x, u, low, high, kind, *, half=0.5, wrap=False):
    sizes = x.shape[1:]
    at = positions(u, sizes, low, high)
    if kind == "nearest":
        whole = np.floor(at)
        whole = whole % sizes if wrap else np.clip(whole, 0, np.array(sizes) - 1)
        y = x[(slice(None), *np.where(np.isnan(whole), 0, whole).astype(int).T)].T
        return np.where(np.isnan(at).any(axis=1, keepdims=True), np.nan, y).astype(x.dtype)
    at = np.clip(at - half, 0, np.array(sizes) - 1).astype(x.dtype)
    first = np.floor(np.where(np.isnan(at), 0, at)).astype(int)
    y = np.zeros((len(u), x.shape[0]), x.dtype)
    for corner in itertools.product((0, 1), repeat=len(sizes)):
        share = np.prod(
            [at[:, j] - first[:, j] if c else 1 - (at[:, j] - first[:, j]) for j, c in enumerate(corner)], 0
        )
        place = np.minimum(first + corner, np.array(sizes) - 1)
        y += share[:, None] * x[(slice(None), *place.T)].T
    return y


def gather_twin(name, kind_of, **wrong):
    @mistake(grid_gather, name, kind=kind_of)
    def _(x, u, /, *, low=0.0, high=1.0, kind="nearest"):
        return looked_up(x, u, low, high, **({"kind": kind} | wrong))


gather_twin("the nearest always", "statistic", kind="nearest")
gather_twin("nodes at the corners of cells", "place of a parameter", half=0.0)
gather_twin("wrapped at the border", "tail", wrap=True)


@mistake(grid_gather, "coordinates changed round", kind="axis")
def _(x, u, /, *, low=0.0, high=1.0, kind="nearest"):
    return looked_up(x, u[:, ::-1], low, high, kind)


@honest(grid_gather, "NumPy")
def _(x, u, /, *, low=0.0, high=1.0, kind="nearest"):
    return looked_up(x, u, low, high, kind)
