"""How masked means are got wrong, and what frameworks and released code call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.masked import confidence_grid_pool, masked_avg_pool

conventions(masked_avg_pool, "poolingandattn", "NaN where nothing is shown", eps=0.0)
conventions(masked_avg_pool, "sentence-transformers", "0 where nothing is shown", eps=1e-9, eps_mode="max")
conventions(masked_avg_pool, "repri", "init_prototypes, over all shots together: axis=(0, 2, 3)", eps=1e-10)
conventions(confidence_grid_pool, "cma", "then to length 1; cells below a share of 0.2 left out", average=False)
conventions(confidence_grid_pool, "paper", "the weighted mean", average=True)


def written(x, mask, *, axis, eps=0.0, eps_mode="add", fill=False, less=False, spread=False, harm=False, half=False):
    """The operator in plain NumPy, and where its options say so, a wrong twin."""
    m = mask.astype(x.dtype)
    terms = x * m if harm else np.where(m != 0, x, 0) * m
    terms = x if spread else terms
    n = np.ones_like(m) if fill else m
    count = np.sum(n, axis=axis, keepdims=True)
    eps = x.dtype.type(eps)
    if half:
        terms, count = terms.astype(np.float16), count.astype(np.float16)
    s = np.maximum(count, eps) if eps_mode == "max" else count + eps
    s = np.maximum(count - 1, eps) if less else s
    total = np.sum(terms, axis=axis, keepdims=True)
    return np.squeeze(total / s, axis=axis).astype(x.dtype)


def twin(name, kind, **wrong):
    @mistake(masked_avg_pool, name, kind=kind)
    def _(x, mask, /, **options):
        return written(x, mask, **(options | wrong))


twin("divided by all, not by what is shown", "denominator", fill=True)
twin("n - 1 in place of n", "denominator", less=True)
twin("hidden values summed too", "region", spread=True)
twin("hidden NaN times zero", "NaN", harm=True)
twin("summed in half", "narrow accumulator", half=True)
twin("eps left out", "place of a parameter", eps=0.0)
twin("eps added in place of a bound", "place of a parameter", eps_mode="add")
twin("a bound in place of eps added", "place of a parameter", eps_mode="max")


@mistake(masked_avg_pool, "mask turned round", kind="sign")
def _(x, mask, /, **options):
    return written(x, ~mask if mask.dtype == bool else 1 - mask, **options)


@mistake(masked_avg_pool, "weights taken for a mask", kind="cast order")
def _(x, mask, /, **options):
    return written(x, mask > 0.5, **options)


@mistake(masked_avg_pool, "mean of the means of each sample", kind="order of steps")
def _(x, mask, /, *, axis, **options):
    if not isinstance(axis, tuple):
        return written(x, mask, axis=axis, **options)
    y = written(x, mask, axis=tuple(a for a in axis if a), **options)
    return np.mean(y, axis=0) if 0 in axis else y


@mistake(masked_avg_pool, "last element left out", kind="tail")
def _(x, mask, /, *, axis, **options):
    last = axis[-1] if isinstance(axis, tuple) else axis
    keep = np.arange(max(1, x.shape[last] - 1))
    return written(np.take(x, keep, axis=last), np.take(mask, keep, axis=last), axis=axis, **options)


@honest(masked_avg_pool, "NumPy")
def _(x, mask, /, **options):
    return written(x, mask, **options)


def binned(x, output_size, reduce):
    """Return bins, floor to ceil, of (N, C, *spatial) reduced one after the other."""
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * (x.ndim - 2)
    y = np.empty((*x.shape[:2], *sizes), x.dtype)
    for place in np.ndindex(*sizes):
        cells = tuple(
            slice(i * n // o, -(-(i + 1) * n // o)) for i, n, o in zip(place, x.shape[2:], sizes, strict=True)
        )
        y[(..., *place)] = reduce(x[(slice(None), slice(None), *cells)], tuple(range(2, x.ndim)))
    return y


def by_cell(x, confidence, *, output_size, average=True, eps=0.0, harm=False, plain=False):
    terms = (x if harm else np.where(confidence != 0, x, 0)) * confidence
    s, c = (binned(a.astype(x.dtype), output_size, np.mean) for a in (x if plain else terms, confidence))
    with np.errstate(all="ignore"):
        return (s / (c + x.dtype.type(eps)) if average else s), c


def cell_twin(name, kind, **wrong):
    @mistake(confidence_grid_pool, name, kind=kind)
    def _(x, confidence, /, **options):
        return by_cell(x, confidence, **(options | wrong))


cell_twin("not divided", "denominator", average=False)
cell_twin("divided where the sum is asked", "denominator", average=True)
cell_twin("eps left out", "place of a parameter", eps=0.0)
cell_twin("confidence left out of the sum", "statistic", plain=True)


@mistake(confidence_grid_pool, "mean of the bin times its share", kind="order of steps")
def _(x, confidence, /, *, output_size, average=True, eps=0.0):
    s, c = binned(x, output_size, np.mean), binned(confidence, output_size, np.mean)
    return (s * c / (c + eps) if average else s * c), c


@honest(confidence_grid_pool, "NumPy")
def _(x, confidence, /, **options):
    return by_cell(x, confidence, **options)
