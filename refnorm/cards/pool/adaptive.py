"""How adaptive_avg_pool is got wrong, and what frameworks call it with."""

import itertools
import math

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.adaptive import adaptive_avg_pool
from ..rows import of_torch

conventions(adaptive_avg_pool, "torch", "bins from floor to ceil, overlapping (FlagGems#4915)")
conventions(adaptive_avg_pool, "keras", "ops.adaptive_average_pool: torch's bins; channels last unless said")
conventions(adaptive_avg_pool, "onnx", "no such operator: exporters write AveragePool, where bins are even")
conventions(adaptive_avg_pool, "tfa", "TensorFlow Addons: only sizes that divide (addons#2321)")
conventions(adaptive_avg_pool, "paper", "Dong and Yang: the same bins, over channels")


def asked(x, output_size):
    """Return the number of bins of each spatial axis."""
    given = output_size if isinstance(output_size, tuple) else (output_size,) * (x.ndim - 2)
    return [n if o is None else o for n, o in zip(x.shape[2:], given, strict=True)]


def bins(n, o):
    return [slice(i * n // o, -(-(i + 1) * n // o)) for i in range(o)]


def pooled(x, sizes, bins=bins, reduce=np.mean):
    """Return `reduce` of the cells of every bin, all its axes together; `bins` is how somebody cuts an axis."""
    y = np.empty((*x.shape[:2], *sizes), x.dtype)
    cuts = [bins(n, o) for n, o in zip(x.shape[2:], sizes, strict=True)]
    for place in itertools.product(*map(range, sizes)):
        cells = x[(..., *(cut[i] for cut, i in zip(cuts, place, strict=True)))]
        y[(..., *place)] = reduce(cells.reshape(*x.shape[:2], math.prod(cells.shape[2:])), axis=-1)
    return y


@mistake(adaptive_avg_pool, "bins floor to floor", kind="place of a parameter")
def _(x, /, *, output_size):
    # where there are more bins than cells, one cell at least
    def cut(n, o):
        return [slice(i * n // o, max((i + 1) * n // o, i * n // o + 1)) for i in range(o)]

    return pooled(x, asked(x, output_size), cut)


@mistake(adaptive_avg_pool, "bins of array_split", kind="place of a parameter")
def _(x, /, *, output_size):
    def cut(n, o):
        starts = [0, *itertools.accumulate(len(part) for part in np.array_split(np.arange(n), o))]
        return [slice(min(a, n - 1), max(b, a + 1)) for a, b in itertools.pairwise(starts)]

    return pooled(x, asked(x, output_size), cut)


@mistake(adaptive_avg_pool, "one window and stride for all bins", kind="place of a parameter")
def _(x, /, *, output_size):
    # n // o cells from one bin to the next, and what is left over for each: how exporters without bins do it
    def cut(n, o):
        stride = n // o
        length = n - (o - 1) * stride
        return [slice(i * stride, i * stride + length) for i in range(o)]

    return pooled(x, asked(x, output_size), cut)


@mistake(adaptive_avg_pool, "divided by n / o", kind="denominator")
def _(x, /, *, output_size):
    sizes = asked(x, output_size)
    cells = np.prod([n / o for n, o in zip(x.shape[2:], sizes, strict=True)])
    return pooled(x, sizes, reduce=np.sum) / cells


@mistake(adaptive_avg_pool, "sum in place of mean", kind="denominator")
def _(x, /, *, output_size):
    return pooled(x, asked(x, output_size), reduce=np.sum)


@mistake(adaptive_avg_pool, "largest in place of mean", kind="statistic")
def _(x, /, *, output_size):
    return pooled(x, asked(x, output_size), reduce=np.max)


@mistake(adaptive_avg_pool, "spatial axes swapped", kind="axis")
def _(x, /, *, output_size):
    sizes = asked(x, output_size[::-1] if isinstance(output_size, tuple) else output_size)
    return pooled(x, sizes)


@mistake(adaptive_avg_pool, "channels taken for an axis of the plane", kind="axis")
def _(x, /, *, output_size):
    sizes = asked(x, output_size)
    return np.moveaxis(pooled(np.moveaxis(x, 1, -1), sizes), -1, 1) if x.shape[1] != x.shape[-1] else pooled(x, sizes)


@mistake(adaptive_avg_pool, "sum taken in half", kind="narrow accumulator")
def _(x, /, *, output_size):
    def mean(cells, axis):
        return np.cumsum(cells.astype(np.float16), axis=axis, dtype=np.float16)[..., -1] / cells.shape[-1]

    return pooled(x, asked(x, output_size), reduce=mean)


@mistake(adaptive_avg_pool, "rounded to half between the axes", kind="cast order")
def _(x, /, *, output_size):
    y = x
    for axis, o in enumerate(asked(x, output_size), start=2):
        line = np.moveaxis(y, axis, -1)
        y = np.stack([line[..., cut].mean(-1) for cut in bins(line.shape[-1], o)], axis=axis)
        y = y.astype(np.float16).astype(x.dtype)
    return y


@mistake(adaptive_avg_pool, "last cell of the bin left out", kind="tail")
def _(x, /, *, output_size):
    def mean(cells, axis):
        return cells[..., :-1].sum(axis) / cells.shape[-1]

    return pooled(x, asked(x, output_size), reduce=mean)


@mistake(adaptive_avg_pool, "NaN left out of the mean", kind="NaN")
def _(x, /, *, output_size):
    return pooled(x, asked(x, output_size), reduce=np.nanmean)


@mistake(adaptive_avg_pool, "differences of running sums", kind="cancellation")
def _(x, /, *, output_size):
    y = x.astype(np.float32)
    for axis, o in enumerate(asked(x, output_size), start=2):
        line = np.moveaxis(y, axis, -1)
        table = np.cumsum(np.concatenate([np.zeros_like(line[..., :1]), line], -1), -1, dtype=np.float32)
        cuts = bins(line.shape[-1], o)
        y = np.stack([(table[..., c.stop] - table[..., c.start]) / np.float32(c.stop - c.start) for c in cuts], axis)
    return y


# ---- other people's right ones ----


@honest(adaptive_avg_pool, "NumPy, slices")
def _(x, /, *, output_size):
    return pooled(x, asked(x, output_size))


@honest(adaptive_avg_pool, "NumPy, one axis after the other")
def _(x, /, *, output_size):
    for axis, o in enumerate(asked(x, output_size), start=2):
        line = np.moveaxis(x, axis, -1)
        x = np.stack([line[..., cut].mean(-1) for cut in bins(line.shape[-1], o)], axis=axis)
    return x


@honest(adaptive_avg_pool, "torch", needs="torch")
def _(x, /, *, output_size):
    import torch.nn.functional as F

    pool = {3: F.adaptive_avg_pool1d, 4: F.adaptive_avg_pool2d, 5: F.adaptive_avg_pool3d}[x.ndim]
    sizes = asked(x, output_size)
    if not len(x):  # torch takes no empty batch here
        return np.empty((0, x.shape[1], *sizes), x.dtype)
    return of_torch(lambda t: pool(t, sizes if x.ndim > 3 else sizes[0]), x, axes=())
