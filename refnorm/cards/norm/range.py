"""How ranges are got wrong, and what frameworks call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.range import min_max_normalize, order_statistic_clip
from ..rows import rowwise

# ---- min_max_normalize ----

conventions(min_max_normalize, "paper", "rows of a task vector", axis=-1, eps=0.0)
conventions(
    min_max_normalize, "sklearn", "MinMaxScaler: columns; a range below 10 machine eps is taken for 1", axis=0,
    eps=2.0**-1022,
)  # fmt: skip


def ends(x):
    return np.min(x, axis=-1, keepdims=True), np.max(x, axis=-1, keepdims=True)


@mistake(min_max_normalize, "ends of the whole array", kind="axis")
@rowwise
def _(x, *, eps=0.0):
    return (x - x.min()) / (x.max() - x.min() + eps) if x.size else x


@mistake(min_max_normalize, "eps bounds the range from below", kind="place of a parameter")
@rowwise
def _(x, *, eps=0.0):
    low, high = ends(x)
    return (x - low) / np.maximum(high - low, eps)


@mistake(min_max_normalize, "divided by the largest value", kind="denominator")
@rowwise
def _(x, *, eps=0.0):
    low, high = ends(x)
    return (x - low) / (high + eps)


@mistake(min_max_normalize, "mapped to -1..1", kind="range")
@rowwise
def _(x, *, eps=0.0):
    low, high = ends(x)
    return 2 * (x - low) / (high - low + eps) - 1


@mistake(min_max_normalize, "NaN left out of the ends", kind="NaN")
@rowwise
def _(x, *, eps=0.0):
    low, high = np.fmin.reduce(x, axis=-1, keepdims=True), np.fmax.reduce(x, axis=-1, keepdims=True)
    return (x - low) / (high - low + eps)


@mistake(min_max_normalize, "constant rows are 0 without eps", kind="special case")
@rowwise
def _(x, *, eps=0.0):
    low, high = ends(x)
    span = high - low + eps
    return (x - low) / np.where(span == 0, 1, span)


@honest(min_max_normalize, "NumPy")
@rowwise
def _(x, *, eps=0.0):
    low, high = ends(x)
    return (x - low) / (high - low + x.dtype.type(eps))


# ---- order_statistic_clip ----

conventions(order_statistic_clip, "code", "clamp of PCB merging: rows, or a vector as it is", axis=-1)


def clipped(x, first, last):
    s = np.sort(x, axis=-1)
    y = np.minimum(np.maximum(x, s[..., first : first + 1]), s[..., last : last + 1 or None])
    return np.where(np.isnan(x).any(axis=-1, keepdims=True), np.nan, y)


def places(d, low, high):
    return int(d * low), int(d * (1 - high) - 1)


@mistake(order_statistic_clip, "places floored", kind="rounding")
@rowwise
def _(x, *, low, high):
    d = x.shape[-1]
    return clipped(x, int(np.floor(d * low)), int(np.floor(d * (1 - high) - 1)))


@mistake(order_statistic_clip, "one place too high above", kind="off by one")
@rowwise
def _(x, *, low, high):
    d = x.shape[-1]
    return clipped(x, int(d * low), min(int(d * (1 - high)), d - 1))


@mistake(order_statistic_clip, "quantiles in between", kind="interpolation")
@rowwise
def _(x, *, low, high):
    if not x.size:
        return x
    ends = np.quantile(x, [low, 1 - high], axis=-1, keepdims=True)
    return np.minimum(np.maximum(x, ends[0]), ends[1])


@mistake(order_statistic_clip, "ends of the whole array", kind="axis")
@rowwise
def _(x, *, low, high):
    return clipped(x.reshape(-1), *places(x.size, low, high)).reshape(x.shape) if x.size else x


@mistake(order_statistic_clip, "what is beyond set to zero", kind="order of steps")
@rowwise
def _(x, *, low, high):
    y = clipped(x, *places(x.shape[-1], low, high))
    return np.where((y == x) | np.isnan(y), y, 0)


@mistake(order_statistic_clip, "shares changed over", kind="parameter")
@rowwise
def _(x, *, low, high):
    return clipped(x, *places(x.shape[-1], high, low))


@mistake(order_statistic_clip, "ends that cross leave the lower", kind="special case")
@rowwise
def _(x, *, low, high):
    first, last = places(x.shape[-1], low, high)
    s = np.sort(x, axis=-1)
    y = np.maximum(np.minimum(x, s[..., last : last + 1 or None]), s[..., first : first + 1])
    return np.where(np.isnan(x).any(axis=-1, keepdims=True), np.nan, y)


@mistake(order_statistic_clip, "NaN only where it was", kind="NaN")
@rowwise
def _(x, *, low, high):
    first, last = places(x.shape[-1], low, high)
    s = np.sort(x, axis=-1)
    return np.where(np.isnan(x), x, np.fmin(np.fmax(x, s[..., first : first + 1]), s[..., last : last + 1 or None]))


@honest(order_statistic_clip, "NumPy")
@rowwise
def _(x, *, low, high):
    d = x.shape[-1]
    first, last = places(d, low, high)
    s = np.partition(x, [first, last], axis=-1)
    y = np.minimum(np.maximum(x, s[..., first, None]), s[..., last, None])
    return np.where(np.isnan(x).any(axis=-1, keepdims=True), x.dtype.type(np.nan), y)
