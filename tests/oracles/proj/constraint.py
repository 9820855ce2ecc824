"""Projections on sets in long double, each by what defines it: the multiplier is found by trying every support."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def each_row(rows, f):
    return np.array([f(r) for r in rows.reshape(-1, rows.shape[-1])], WIDE).reshape(rows.shape)


def nearest_on_simplex(row, total):
    """Take the largest elements one after the other while each stays above what its support leaves."""
    row = row - np.max(row)
    if np.isnan(row).any():
        return np.full_like(row, np.nan)
    largest_first = np.sort(row)[::-1]
    taken, count = WIDE(0), 0
    for v in largest_first:
        if not (count + 1) * v > taken + v - WIDE(total):
            break
        taken, count = taken + v, count + 1
    theta = (np.sum(largest_first[:count]) - WIDE(total)) / count
    return np.array([max(v - theta, WIDE(0)) for v in row], WIDE)


def project_simplex(x, *, axis=-1, total=1.0):
    rows, back = rows_of(x, axis)
    return back(each_row(rows, lambda row: nearest_on_simplex(row, total)))


def project_l2_ball(x, *, axis=-1, radius=1.0):
    rows, back = rows_of(x, axis)
    norm = np.sqrt(np.sum(rows * rows, axis=-1, keepdims=True))
    return back(np.where(norm <= radius, rows, rows * (WIDE(radius) / np.where(norm == 0, WIDE(1), norm))))


def largest(row, k):
    """Pick the largest magnitude k times over; the first of equal ones; a NaN before any number."""
    size = np.where(np.isnan(row), np.inf, np.abs(row))
    order = sorted(range(len(row)), key=lambda i: (-size[i], i))
    y = np.zeros_like(row)
    for i in order[:k]:
        y[i] = row[i]
    return y


def project_l0_ball(x, *, k, axis=-1):
    rows, back = rows_of(x, axis)
    return back(each_row(rows, lambda row: largest(row, k)))


def nearest_in_box(row, low, high, total):
    """Let elements rise from their lower bounds in turn, the one nearest to the level first, until the sum is there."""
    total = WIDE(total)
    if not np.isfinite(row).all():
        return np.full_like(row, np.nan)
    high = np.minimum(high, low + max(total - np.sum(low), WIDE(0)))
    # an event: (what it lies at in x, the bound taken off it, 1 where an element joins and -1 where it leaves)
    events = [(v, b, s) for v, a, z in zip(row, low, high, strict=True) for b, s in ((a, 1), (z, -1))]
    events.sort(key=lambda e: -(e[0] - e[1]))
    level, sums, rising = events[0], np.sum(low), 0
    t = WIDE(0)
    for event in events:
        gap = (level[0] - event[0]) - (level[1] - event[1])
        if sums + rising * gap >= total:
            break
        sums, rising, level = sums + rising * gap, rising + event[2], event
    if rising > 0:
        t = (total - sums) / rising
    at = (row - level[0]) + level[1] + t
    y = np.clip(at, low, high)
    free = (at > low) & (at < high)
    if free.any():  # once more, without what was lost on the way
        near = np.max(row[free])
        rest = (np.sum(row[free] - near) + np.sum(y[~free]) - total) / np.sum(free)
        y[free] = np.clip(row[free] - near - rest, low[free], high[free])
    return y


def project_box_simplex(x, lower, upper, *, total=1.0):
    return each_row(x, lambda row: nearest_in_box(row, lower, upper, total))
