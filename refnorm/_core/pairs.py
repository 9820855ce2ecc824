"""Numbers in two parts, whose sum is the number: NumPy arrays of twice the digits of float64."""

from __future__ import annotations

import numpy as np

from .sums import quotient_pair, two_product, two_sum

__all__ = ["add", "outer", "over", "pair", "take", "times"]


def pair(a, lost=0.0):
    """Return a + lost as two parts, the second within half a unit of the first; |lost| must not exceed |a| by much."""
    return two_sum(np, a, lost)


def add(a, b):
    """Return a + b."""
    s, lost = two_sum(np, a[0], b[0])
    return pair(s, lost + (a[1] + b[1]))


def take(a, b):
    """Return a - b."""
    return add(a, (-b[0], -b[1]))


def times(a, b):
    """Return a b."""
    p, lost = two_product(a[0], b[0])
    return pair(p, lost + (a[0] * b[1] + a[1] * b[0]))


def over(a, b):
    """Return a / b."""
    return pair(*quotient_pair(*a, *b))


def outer(a, b):
    """Return the products of each of the one vector with each of the other."""
    return times((a[0][:, None], a[1][:, None]), (b[0][None], b[1][None]))
