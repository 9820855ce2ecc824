"""Sums and maxima over ragged segments, by sorting and doubling: no library needs a scatter for it."""

import operator

from .._xp import device, require_indices
from .sums import two_sum

__all__ = [
    "first_of_each",
    "gather",
    "require_segments",
    "segment_counts",
    "segment_extremes",
    "segment_sums",
    "sort_ids",
]


def require_segments(xp, x, ids, segments, fill=0.0) -> int:
    """Refuse what are no members along axis 0 with a segment each; return the number of segments."""
    if x.ndim < 1:
        raise ValueError("x must have at least one axis, its members along axis 0, got a scalar")
    require_indices(xp, "ids", ids, (x.shape[0],))
    try:
        segments = operator.index(segments)
    except TypeError:
        raise TypeError(f"segments must be an int, got {segments!r}") from None
    if not isinstance(fill, int | float):
        raise TypeError(f"fill must be a real number, got {fill!r}")
    if segments < 1:
        raise ValueError(f"segments must be at least 1, got {segments}")
    return segments


def told_apart(xp, ids, segments):
    """Return the ids in the library's own integers, `segments` for those that belong to none."""
    ids = xp.astype(ids, xp.arange(1, device=device(ids)).dtype)
    return xp.where((ids >= 0) & (ids < segments), ids, xp.full_like(ids, segments))


def sort_ids(xp, ids, segments):
    """Return (order, ids in it, where each segment starts, its size): the members of a segment in a row.

    What belongs to no segment comes last.
    """
    ids = told_apart(xp, ids, segments)
    order = xp.argsort(ids, stable=True)
    ids = xp.take(ids, order)
    ends = xp.searchsorted(ids, xp.arange(segments + 1, device=device(ids)))
    return order, ids, ends[:-1], ends[1:] - ends[:-1]


def reduce_sorted(xp, ids, state, join):
    """Reduce the members of sorted segments, a list of arrays (n, features), to the first of each.

    The reach doubles: after k steps a member holds the 2^k members from it on, as far as they are of its segment, so
    that sums are taken in the order of a tree.
    """
    reach = 1
    while reach < ids.shape[0]:
        same = (ids[reach:] == ids[:-reach])[:, None]
        joined = join(*(a[:-reach, :] for a in state), *(a[reach:, :] for a in state))
        state = [
            xp.concat([xp.where(same, j, a[:-reach, :]), a[-reach:, :]], axis=0)
            for a, j in zip(state, joined, strict=True)
        ]
        reach *= 2
    return state


def segment_counts(xp, ids, segments):
    """Return the size of each segment."""
    return sort_ids(xp, ids, segments)[3]


def segment_sums(xp, x, ids, segments, *, roomy):
    """Return the sums of the rows of x over segments, 0 over none, and their sizes; compensated where not `roomy`."""
    order, ids, first, counts = sort_ids(xp, ids, segments)
    rows = xp.take(x, order, axis=0)
    if roomy:
        state = reduce_sorted(xp, ids, [rows], lambda a, b: [a + b])
    else:

        def join(a, lost, b, more):
            s, e = two_sum(xp, a, b)
            return [s, lost + more + e]

        state = reduce_sorted(xp, ids, [rows, xp.zeros_like(rows)], join)
    sums = at_first(xp, state[0] if roomy else state[0] + state[1], first)
    return xp.where((counts > 0)[:, None], sums, xp.zeros_like(sums)), counts


def segment_extremes(xp, x, ids, segments):
    """Return the maxima of the rows of x over segments, the row where each is met first, and the sizes of segments."""
    order, ids, first, counts = sort_ids(xp, ids, segments)

    def join(a, place, b, other):
        later = (b > a) | (xp.isnan(b) & ~xp.isnan(a))
        return [xp.where(later, b, a), xp.where(later, other, place)]

    places = xp.broadcast_to(order[:, None], x.shape)
    state = reduce_sorted(xp, ids, [xp.take(x, order, axis=0), places], join)
    most, place = (at_first(xp, a, first) for a in state)
    return most, place, counts


def at_first(xp, state, first):
    """Return what the first members of segments hold; anything for an empty one."""
    return xp.take(state, xp.where(first < state.shape[0], first, xp.zeros_like(first)), axis=0)


def gather(xp, y, ids, segments):
    """Return for every member the row of `y` of its segment; 0 where it has none."""
    none = xp.zeros((1, y.shape[1]), dtype=y.dtype, device=device(y))
    return xp.take(xp.concat([y, none], axis=0), told_apart(xp, ids, segments), axis=0)


def first_of_each(xp, x, ids, segments):
    """Return the first of the numbers x in each segment; 0 in an empty one."""
    if x.shape[0] == 0:
        return xp.zeros((segments,), dtype=x.dtype, device=device(x))
    order, _, first, counts = sort_ids(xp, ids, segments)
    y = at_first(xp, xp.take(x, order), first)
    return xp.where(counts > 0, y, xp.zeros_like(y))
