"""Convolutions of the size of what they are given."""

import itertools
import math

from .._xp import device

__all__ = ["convolve", "convolve_groups", "require_filter"]


def require_filter(name, weight, inputs, ndim, outputs=None) -> int:
    """Refuse what is no (outputs, inputs, *window) with odd windows for data of `ndim` axes; return the outputs."""
    wanted = ("outputs" if outputs is None else outputs, inputs, *["odd"] * (ndim - 2))
    fits = weight.ndim == ndim and weight.shape[1] == inputs and all(n % 2 for n in weight.shape[2:])
    if not fits or weight.shape[0] == 0 or outputs not in (None, weight.shape[0]):
        raise ValueError(f"{name} must have shape ({', '.join(map(str, wanted))}), got {tuple(weight.shape)}")
    return weight.shape[0]


def surrounded(xp, x, window):
    """Return (N, C, *spatial) with zeros on either side of every spatial axis, half a window wide."""
    for axis, length in enumerate(window, start=2):
        zeros = xp.zeros((*x.shape[:axis], length // 2, *x.shape[axis + 1 :]), dtype=x.dtype, device=device(x))
        x = xp.concat([zeros, x, zeros], axis=axis)
    return x


def convolve(xp, x, weight, bias):
    """Return the sums of `x`, (N, C, *spatial) with zeros around it, weighed by (D, C, *window): (N, D, *spatial).

    Windows are not turned round, as in every framework: it is a correlation.
    """
    n, c, *sizes = x.shape
    x = surrounded(xp, x, weight.shape[2:])
    y = 0.0 if bias is None else xp.reshape(bias, (-1, 1))
    for place in itertools.product(*map(range, weight.shape[2:])):
        along = tuple(slice(start, start + size) for start, size in zip(place, sizes, strict=True))
        seen = xp.reshape(x[(slice(None), slice(None), *along)], (n, c, math.prod(sizes)))
        y = y + xp.matmul(weight[(slice(None), slice(None), *place)], seen)
    return xp.reshape(y, (n, weight.shape[0], *sizes))


def convolve_groups(xp, x, weight):
    """Return the sums of lines (N, C, n), zeros around, weighed by (D, C / groups, window) in groups of channels."""
    n, c, size = x.shape
    d, each, window = weight.shape
    groups = c // each
    around = surrounded(xp, x, (window,))
    weight = xp.reshape(weight, (groups, d // groups, each, window))
    y = 0.0
    for start in range(window):
        seen = xp.reshape(around[:, :, start : start + size], (n, groups, each, size))
        y = y + xp.matmul(weight[..., start], seen)
    return xp.reshape(y, (n, d, size))
