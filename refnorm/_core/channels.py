"""Data with a channel axis: views, refusals and the affine part that batch, group and instance norms share."""

from __future__ import annotations

import math
import operator

__all__ = ["affine", "as_rows", "channel_of", "elements", "given", "moved"]


def channel_of(x, axis) -> int:
    """Return the channel axis counted from the front; refuse what is none."""
    try:
        channel = operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be one int, the channel axis, got {axis!r}") from None
    if not -x.ndim <= channel < x.ndim or x.ndim < 2:
        raise ValueError(f"x must have a channel axis {axis} and an axis beside it, got shape {tuple(x.shape)}")
    return channel % x.ndim


def elements(x, channel) -> int:
    """Return the number of elements a channel; refuse to take moments of none."""
    n = math.prod((*x.shape[:channel], *x.shape[channel + 1 :]))
    if n == 0:
        raise ValueError(f"a channel must have at least one element, got an array of shape {tuple(x.shape)}")
    return n


def moved(xp, source, to, *arrays):
    """Return views with axis `source` at place `to`, and the other axes in order."""
    if source == to:
        return arrays
    order = list(range(next(a.ndim for a in arrays if a is not None)))
    order.insert(to, order.pop(source))
    return tuple([a if a is None else xp.permute_dims(a, tuple(order)) for a in arrays])


def as_rows(xp, *arrays):
    """Return one row a channel; what is one number a channel becomes a column."""
    return tuple(x if x is None else xp.reshape(x, (x.shape[0], math.prod(x.shape[1:]))) for x in arrays)


def affine(y, weight, bias):
    """Scale, then shift."""
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def given(cotangent, outputs: str) -> tuple:
    """Return the cotangents of several outputs; refuse what is not one an output."""
    count = len(outputs.split())
    if not isinstance(cotangent, tuple | list) or len(cotangent) != count:
        got = f"{len(cotangent)} of them" if isinstance(cotangent, tuple | list) else type(cotangent).__name__
        raise TypeError(
            f"cotangent must be a tuple ({', '.join(outputs.split())}), None where there is none, got {got}"
        )
    return tuple(cotangent)
