"""How avg_pool and max_pool are got wrong, and what frameworks call them with."""

import itertools

import numpy as np

from ..._core.windows import windows
from ..._registry import conventions, mistake
from ...pool.window import avg_pool, max_pool

conventions(avg_pool, "torch", "cells added by ceil_mode never count", count_include_pad=True)
conventions(avg_pool, "onnx", "AveragePool; stride 1 where left out: say it", count_include_pad=False)
conventions(avg_pool, "tf", "SAME: see same_padding", count_include_pad=False)
conventions(avg_pool, "keras", "SAME: see same_padding", count_include_pad=False)
conventions(avg_pool, "caffe", "rounds the size up (pytorch#13934)", ceil_mode=True, count_include_pad=True)
conventions(max_pool, "torch", "NaN stays NaN", ceil_mode=False)
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
