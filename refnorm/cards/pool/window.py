"""How avg_pool and max_pool are got wrong, and what frameworks call them with."""

import itertools

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..._core.windows import windows
from ..._registry import conventions, honest, mistake
from ...pool.window import avg_pool, max_pool
from ..rows import of_torch

conventions(avg_pool, "torch", "cells added by ceil_mode never count", count_include_pad=True)
conventions(avg_pool, "onnx", "AveragePool; stride 1 where left out: say it", count_include_pad=False)
conventions(avg_pool, "tf", "SAME: see same_padding", count_include_pad=False)
conventions(avg_pool, "keras", "SAME: see same_padding", count_include_pad=False)
conventions(avg_pool, "caffe", "rounds the size up (pytorch#13934)", ceil_mode=True, count_include_pad=True)
conventions(max_pool, "torch", "NaN stays NaN; at a tie the first cell takes the gradient", ceil_mode=False)
conventions(max_pool, "onnx", "some runtimes drop NaN (onnxruntime#10514)", ceil_mode=False)
conventions(max_pool, "caffe", "rounds the size up", ceil_mode=True)


def cells(x, axes, fill):
    """Return, stacked on a new last axis, the cells that each window sees; `fill` where it sees padding."""
    grids = []
    for taps in itertools.product(*(range(w.length) for w in axes)):
        y = x
        for axis, (tap, w) in enumerate(zip(taps, axes, strict=True), start=2):
            reads = np.arange(w.outputs) * w.stride - w.before + tap * w.dilation
            inside = ((reads >= 0) & (reads < w.size)).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
            y = np.where(inside, np.take(y, np.clip(reads, 0, w.size - 1), axis=axis), fill)
        grids.append(y)
    return np.stack(grids, axis=-1)


def averaged(x, window, stride, padding, ceil_mode, divide):
    axes = windows(x.shape, window, stride, padding, 1, ceil_mode)
    real = cells(np.ones_like(x), axes, 0.0)
    return divide(cells(x, axes, 0.0), real)


def true_divisor(x, window, stride, padding, ceil_mode, count_include_pad):
    axes = windows(x.shape, window, stride, padding, 1, ceil_mode)
    divisor = np.ones((1,) * x.ndim)
    for axis, w in enumerate(axes, start=2):
        starts = np.arange(w.outputs) * w.stride - w.before
        low, high = (-w.before, w.size + w.after) if count_include_pad else (0, w.size)
        count = np.minimum(starts + w.length, high) - np.maximum(starts, low)
        divisor = divisor * count.reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    return divisor


@mistake(avg_pool, "count_include_pad the wrong way round", kind="denominator")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    divisor = true_divisor(x, window, stride, padding, ceil_mode, not count_include_pad)
    return averaged(x, window, stride, padding, ceil_mode, lambda seen, real: seen.sum(-1) / divisor)


@mistake(avg_pool, "cells of ceil_mode counted", kind="denominator")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    def divide(seen, real):
        return seen.sum(-1) / (seen.shape[-1] if count_include_pad else real.sum(-1))

    return averaged(x, window, stride, padding, ceil_mode, divide)


@mistake(avg_pool, "sum in place of mean", kind="denominator")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    return averaged(x, window, stride, padding, ceil_mode, lambda seen, real: seen.sum(-1))


@mistake(avg_pool, "stride 1 where left out", kind="place of a parameter")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    stride = 1 if stride is None else stride
    divisor = true_divisor(x, window, stride, padding, ceil_mode, count_include_pad)
    return averaged(x, window, stride, padding, ceil_mode, lambda seen, real: seen.sum(-1) / divisor)


@mistake(avg_pool, "rounded down where ceil_mode is asked", kind="place of a parameter")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    divisor = true_divisor(x, window, stride, padding, False, count_include_pad)
    return averaged(x, window, stride, padding, False, lambda seen, real: seen.sum(-1) / divisor)


@mistake(avg_pool, "spatial axes swapped", kind="axis")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    def flip(value):
        return value[::-1] if isinstance(value, tuple) else value

    window, stride, padding = flip(window), flip(stride), flip(padding)
    divisor = true_divisor(x, window, stride, padding, ceil_mode, count_include_pad)
    return averaged(x, window, stride, padding, ceil_mode, lambda seen, real: seen.sum(-1) / divisor)


@mistake(avg_pool, "sum taken in half", kind="narrow accumulator")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    divisor = true_divisor(x, window, stride, padding, ceil_mode, count_include_pad)

    def divide(seen, real):
        return np.cumsum(seen.astype(np.float16), axis=-1, dtype=np.float16)[..., -1].astype(x.dtype) / divisor

    return averaged(x, window, stride, padding, ceil_mode, divide)


@mistake(avg_pool, "last cell of the window left out", kind="tail")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    divisor = true_divisor(x, window, stride, padding, ceil_mode, count_include_pad)
    return averaged(x, window, stride, padding, ceil_mode, lambda seen, real: seen[..., :-1].sum(-1) / divisor)


@mistake(avg_pool, "NaN taken for zero", kind="NaN")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    divisor = true_divisor(x, window, stride, padding, ceil_mode, count_include_pad)
    return averaged(x, window, stride, padding, ceil_mode, lambda seen, real: np.nansum(seen, axis=-1) / divisor)


def greatest(x, window, stride, padding, dilation, ceil_mode, fill=-np.inf):
    return cells(x, windows(x.shape, window, stride, padding, dilation, ceil_mode), fill)


@mistake(max_pool, "padding is zero", kind="place of a parameter")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return greatest(x, window, stride, padding, dilation, ceil_mode, fill=0.0).max(-1)


@mistake(max_pool, "stride 1 where left out", kind="place of a parameter")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return greatest(x, window, 1 if stride is None else stride, padding, dilation, ceil_mode).max(-1)


@mistake(max_pool, "dilation left out", kind="place of a parameter")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return greatest(x, window, stride, padding, 1, ceil_mode).max(-1)


@mistake(max_pool, "rounded down where ceil_mode is asked", kind="place of a parameter")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return greatest(x, window, stride, padding, dilation, False).max(-1)


@mistake(max_pool, "padding all on one side", kind="place of a parameter")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    axes = windows(x.shape, window, stride, padding, dilation, ceil_mode)
    return cells(x, [w._replace(before=0) for w in axes], -np.inf).max(-1)


@mistake(max_pool, "spatial axes swapped", kind="axis")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    def flip(value):
        return value[::-1] if isinstance(value, tuple) else value

    return greatest(x, flip(window), flip(stride), flip(padding), flip(dilation), ceil_mode).max(-1)


@mistake(max_pool, "starts from zero", kind="tail")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return np.maximum(greatest(x, window, stride, padding, dilation, ceil_mode).max(-1), 0.0)


@mistake(max_pool, "last cell of the window left out", kind="tail")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return greatest(x, window, stride, padding, dilation, ceil_mode)[..., :-1].max(-1, initial=-np.inf)


@mistake(max_pool, "rounded to half", kind="cast order")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return greatest(x, window, stride, padding, dilation, ceil_mode).max(-1).astype(np.float16).astype(x.dtype)


@mistake(max_pool, "NaN dropped", kind="NaN")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return np.fmax.reduce(greatest(x, window, stride, padding, dilation, ceil_mode), axis=-1)


@mistake(max_pool, "-inf turned into the lowest number", kind="infinity")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return np.maximum(greatest(x, window, stride, padding, dilation, ceil_mode).max(-1), -3.4028234663852886e38)


# ---- other people's right ones ----


def pairs(value, count):
    """Return (before, after) for each spatial axis."""
    each = value if isinstance(value, tuple) else (value,) * count
    return [p if isinstance(p, tuple) else (p, p) for p in each]


def tuples(value, count):
    return value if isinstance(value, tuple) else (value,) * count


def outputs(size, before, after, reach, stride, ceil_mode):
    """Count the windows by walking: one more where rounding up leaves a start inside the input or left padding."""
    room = before + size + after - reach
    count = room // stride + 1
    return count + bool(ceil_mode and room % stride and count * stride < before + size)


def views(x, window, stride, padding, dilation, ceil_mode, fill):
    """Return `x` padded with `fill` as windows on new last axes, one for each spatial axis."""
    n = x.ndim - 2
    window, dilation = tuples(window, n), tuples(dilation, n)
    stride = window if stride is None else tuples(stride, n)
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    ends, counts = [], []
    for size, (before, after), r, s in zip(x.shape[2:], pairs(padding, n), reach, stride, strict=True):
        count = outputs(size, before, after, r, s, ceil_mode)
        ends.append((before, max(after, (count - 1) * s + r - before - size)))
        counts.append(count)
    padded = np.pad(x, [(0, 0), (0, 0), *ends], constant_values=fill)
    seen = sliding_window_view(padded, reach, axis=tuple(range(2, x.ndim)))
    steps = [slice(None, None, s) for s in stride] + [slice(None, None, d) for d in dilation]
    return seen[(slice(None), slice(None), *steps)][(slice(None), slice(None), *map(slice, counts))]


@honest(max_pool, "NumPy, sliding windows")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    seen = views(x, window, stride, padding, dilation, ceil_mode, -np.inf)
    return seen.max(axis=tuple(range(x.ndim, seen.ndim)))


@honest(avg_pool, "NumPy, sliding windows")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    cells = tuple(range(x.ndim, 2 * x.ndim - 2))
    ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if count_include_pad:
        ones = np.pad(ones, [(0, 0), (0, 0), *pairs(padding, x.ndim - 2)], constant_values=1)
    counted = views(ones, window, stride, 0 if count_include_pad else padding, 1, ceil_mode, 0)
    total = views(x, window, stride, padding, 1, ceil_mode, 0).sum(axis=cells)
    count = counted.sum(axis=cells)
    return total / count[(slice(None), slice(None), *map(slice, total.shape[2:]))]


@honest(max_pool, "Python loops")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    n = x.ndim - 2
    window, dilation = tuples(window, n), tuples(dilation, n)
    stride = window if stride is None else tuples(stride, n)
    sides = zip(x.shape[2:], pairs(padding, n), window, dilation, stride, strict=True)
    counts = [outputs(size, b, a, d * (k - 1) + 1, s, ceil_mode) for size, (b, a), k, d, s in sides]
    y = np.full((*x.shape[:2], *counts), -np.inf, x.dtype)
    for o in itertools.product(*map(range, counts)):
        for j in itertools.product(*map(range, window)):
            at = [
                s * i - b + d * t for s, i, (b, _), d, t in zip(stride, o, pairs(padding, n), dilation, j, strict=True)
            ]
            if all(0 <= i < size for i, size in zip(at, x.shape[2:], strict=True)):
                y[(..., *o)] = np.maximum(y[(..., *o)], x[(..., *at)])
    return y


def padded_first(x, padding, fill):
    """Return `x` with uneven padding put on and no padding left to do; torch's pools only know even padding."""
    each = pairs(padding, x.ndim - 2)
    if all(before == after for before, after in each):
        return x, tuple(before for before, _ in each)
    return np.pad(x, [(0, 0), (0, 0), *each], constant_values=fill), (0,) * len(each)


@honest(max_pool, "torch", needs="torch")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    import torch.nn.functional as F

    x, padding = padded_first(x, padding, -np.inf)
    pool = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}[x.ndim]
    return of_torch(lambda t: pool(t, window, stride, padding, dilation, ceil_mode), x, axes=())


@honest(avg_pool, "torch", needs="torch")
def _(x, /, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    import torch.nn.functional as F

    x, padding = padded_first(x, padding, 0.0)
    pool = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}[x.ndim]
    return of_torch(lambda t: pool(t, window, stride, padding, ceil_mode, count_include_pad), x, axes=())
