"""Levels that sums ask for: sort, sum along, find the piece, and solve it once more with those that are in it."""

import math

import numpy as np

from .._xp import device
from .sums import total as sum_last

__all__ = ["below_threshold", "boxed"]


def running_sum(xp, x):
    """Return the sums of the first 1, 2, ... elements of each row."""
    along = np.cumsum if xp is np else xp.cumulative_sum  # NumPy 2.0 has the old name only
    return along(x, axis=-1)


def below_threshold(xp, x, total, *, roomy):
    """Return x - theta along the last axis, theta such that what is positive of it sums to `total`."""
    largest = xp.max(x, axis=-1, keepdims=True)
    c = x - largest  # the answer is shift free: so large numbers lose nothing
    u = xp.flip(xp.sort(c, axis=-1), axis=-1)
    places = xp.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=device(x))
    inside = places * u > running_sum(xp, u) - total
    least = xp.min(xp.where(inside, u, xp.zeros_like(u)), axis=-1, keepdims=True)
    kept = ~(c < least)  # a NaN too
    count = sum_last(xp, xp.astype(kept, x.dtype), roomy=True)
    theta = (sum_last(xp, xp.where(kept, c, xp.zeros_like(c)), roomy=roomy) - total) / count
    # once more from there: near the threshold x - theta is exact, and what theta lacks shows in the sum
    c = x - (largest + theta)
    rest = sum_last(xp, xp.where(kept, c, xp.zeros_like(c)), roomy=roomy) - total
    return c - rest / count


def boxed(xp, x, low, high, total, *, roomy):
    """Return clip(x - mu, low, high) along the last axis, mu such that it sums to `total`."""
    near, t = piece(xp, x, low, high, total)
    at = (x - near) - t
    below, above = at <= low, at >= high
    fixed = xp.where(below, low, xp.where(above, high, xp.zeros_like(x)))
    free = ~(below | above)
    near = xp.max(xp.where(free, x, xp.full_like(x, -math.inf)), axis=-1, keepdims=True)
    near = xp.where(near > -math.inf, near, xp.zeros_like(near))
    count = sum_last(xp, xp.astype(free, x.dtype), roomy=True)
    count = xp.where(count == 0, xp.ones_like(count), count)
    t = (sum_last(xp, xp.where(free, x - near, fixed), roomy=roomy) - total) / count  # the free lie close together
    c = x - (near + t)  # once more from there, as above
    rest = sum_last(xp, xp.where(free, c, fixed), roomy=roomy) - total
    return xp.where(free, xp.minimum(xp.maximum(c - rest / count, low), high), fixed)


def piece(xp, x, low, high, total):
    """Return (near, t): near + t lies in the piece of mu in which clip(x - mu, low, high) sums to `total`.

    As mu falls, an element leaves its lower bound at x - low and meets its upper at x - high. The two parts of these
    ends are kept apart, so that bounds are seen beside elements far larger than they are.
    """

    def both(joins, leaves):
        pairs = xp.stack([joins + 0 * x, leaves + 0 * x], axis=-1)
        return xp.reshape(pairs, (*x.shape[:-1], 2 * x.shape[-1]))

    order = xp.argsort(-both(x - low, x - high), axis=-1, stable=True)
    sorted_ = lambda joins, leaves: xp.take_along_axis(both(joins, leaves), order, axis=-1)
    at, bound = sorted_(x, x), sorted_(low, high)
    count = running_sum(xp, sorted_(xp.ones_like(x), -xp.ones_like(x)))
    gaps = (at[..., :-1] - at[..., 1:]) - (bound[..., :-1] - bound[..., 1:])
    gained = running_sum(xp, count[..., :-1] * gaps)
    sums = xp.sum(low) + xp.concat([0 * gained[..., :1], gained], axis=-1)
    last = xp.sum(xp.astype(sums < total, order.dtype), axis=-1, keepdims=True) - 1
    last = xp.where(last < 0, xp.zeros_like(last), last)
    near, bound, count, sums = (xp.take_along_axis(v, last, axis=-1) for v in (at, bound, count, sums))
    short = xp.where(count == 0, xp.zeros_like(sums), total - sums)
    return near, -bound - xp.where(short < 0, xp.zeros_like(short), short) / xp.where(count == 0, count + 1, count)
