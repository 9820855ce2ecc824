"""How features are put side by side wrong, and with what weights released code does it."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.concat import normalized_concat

conventions(normalized_concat, "paper", "alpha = 0.5", weights=(0.5, 0.5), eps=0.0)
conventions(normalized_concat, "code", "sd-dino: twice the vector of the paper", weights=(1.0, 1.0), eps=0.0)


def both(x, other, weights, axis, length):
    """Return the weighted parts side by side, each divided by what `length` makes of it."""
    parts = [w * a / length(a, axis) for w, a in zip(weights, (x, other), strict=True)]
    return np.concatenate(parts, axis=axis)


def euclidean(a, axis):
    return np.sqrt(np.sum(a**2, axis=axis, keepdims=True))


@mistake(normalized_concat, "normalized after they are put together", kind="order of steps")
def _(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):
    y = both(x, other, weights, axis, lambda a, axis: 1)
    return y / np.maximum(euclidean(y, axis), eps)


@mistake(normalized_concat, "not normalized", kind="statistic")
def _(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):  # sd-dino with its distance cos
    return both(x, other, weights, axis, lambda a, axis: 1)


@mistake(normalized_concat, "weights not read: halves", kind="parameter")
def _(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):
    return both(x, other, (0.5, 0.5), axis, lambda a, axis: np.maximum(euclidean(a, axis), eps))


@mistake(normalized_concat, "weights squared", kind="parameter")
def _(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):
    return both(x, other, [w * w for w in weights], axis, lambda a, axis: np.maximum(euclidean(a, axis), eps))


@mistake(normalized_concat, "other one first", kind="order of parts")
def _(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):
    return both(other, x, weights[::-1], axis, lambda a, axis: np.maximum(euclidean(a, axis), eps))


@mistake(normalized_concat, "eps added to the norms", kind="place of a parameter")
def _(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):
    return both(x, other, weights, axis, lambda a, axis: euclidean(a, axis) + eps)


@mistake(normalized_concat, "norms of the whole arrays", kind="axis")
def _(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):
    return both(x, other, weights, axis, lambda a, axis: np.maximum(np.sqrt(np.sum(a**2)), eps))


@honest(normalized_concat, "NumPy")
def _(x, other, /, *, weights=(0.5, 0.5), axis=-1, eps=1e-12):
    def length(a, axis):
        top = np.max(np.abs(a), axis=axis, keepdims=True)
        top = np.where((top > 0) & np.isfinite(top), top, a.dtype.type(1))
        return np.maximum(top * euclidean(a / top, axis), a.dtype.type(eps))

    return both(x, other, weights, axis, length)
