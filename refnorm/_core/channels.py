"""Data with a channel axis: views, refusals and the affine part that batch, group and instance norms share."""

from __future__ import annotations

import math
import operator

from .._xp import require_shape

__all__ = ["affine", "as_rows", "besides", "channels_first", "elements", "given", "require_per_channel"]


def besides(x, axis) -> tuple[int, ...]:
    """Return all axes of `x` but the channel axis: those that moments are taken over."""
    try:
        channel = operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be one int, the channel axis, got {axis!r}") from None
    if not -x.ndim <= channel < x.ndim or x.ndim < 2:
        raise ValueError(f"x must have a channel axis {axis} and an axis beside it, got shape {tuple(x.shape)}")
    return tuple(a for a in range(x.ndim) if a != channel % x.ndim)


def elements(x, others) -> int:
    """Return the number of elements a channel; refuse to take moments of none."""
    n = math.prod([x.shape[a] for a in others])
    if n == 0:
        raise ValueError(f"a channel must have at least one element, got an array of shape {tuple(x.shape)}")
    return n


def channels_first(xp, axis, x, *beside):
    """Return views with the channel axis first and the other axes in order."""
    channel = axis % x.ndim
    order = (channel, *range(channel), *range(channel + 1, x.ndim))
    return tuple(a if a is None else xp.permute_dims(a, order) for a in (x, *beside))


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


def require_per_channel(x, axis, **arrays) -> None:
    """Refuse what is not one number a channel."""
    for name, array in arrays.items():
        require_shape(name, array, (x.shape[axis],))
