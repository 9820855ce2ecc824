"""Sum, mean, maximum or minimum over ragged segments of rows: sets, graphs, words, cells of any size."""

from __future__ import annotations

import math

import numpy as np

from .._cases import case, integers, normal, sorted_ids
from .._core.segments import gather, require_segments, segment_counts, segment_extremes, segment_sums
from .._lanes import indices, load, run, scratch, takes
from .._registry import gradient, law, operator
from .._xp import check_out, device, give_back, prepare, require_shape, roomy, widen

kernels = load(__name__)
REDUCTIONS = ("sum", "mean", "max", "min")  # in the order of the kernel
CACHE = 2**21  # bytes of sums that a walk over all rows may keep at hand


def asked(xp, x, ids, segments, reduce, fill) -> int:
    """Refuse what segment_pool cannot take; return the number of segments."""
    segments = require_segments(xp, x, ids, segments, fill)
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce must be 'sum', 'mean', 'max' or 'min', got {reduce!r}")
    return segments


def pooled(xp, x, ids, segments, reduce, fill, *, roomy):
    """Return rows of x reduced over segments, `fill` where one is empty."""
    if x.shape[0] == 0:
        return xp.full((segments, x.shape[1]), fill, dtype=x.dtype, device=device(x))
    if reduce in ("sum", "mean"):
        y, counts = segment_sums(xp, x, ids, segments, roomy=roomy)
        n = xp.astype(counts, x.dtype)[:, None]
        y = y / xp.where(n > 0, n, xp.ones_like(n)) if reduce == "mean" else y
    else:
        sign = 1 if reduce == "max" else -1
        y, _, counts = segment_extremes(xp, sign * x, ids, segments)
        y = sign * y
    return xp.where((counts > 0)[:, None], y, xp.full_like(y, fill))


def pulled_back(xp, x, g, ids, segments, reduce):
    """Return the cotangent of rows of x."""
    if reduce == "mean":
        n = xp.astype(segment_counts(xp, ids, segments), g.dtype)[:, None]
        g = g / xp.where(n > 0, n, xp.ones_like(n))
    if reduce in ("sum", "mean"):
        return gather(xp, g, ids, segments)
    _, place, _ = segment_extremes(xp, x if reduce == "max" else -x, ids, segments)
    mine = gather(xp, place, ids, segments) == xp.arange(x.shape[0], device=device(x))[:, None]
    return xp.where(mine, gather(xp, g, ids, segments), xp.zeros_like(x))


def starts(ids, segments, order=None):
    """Return where each segment starts among members in their order, for the kernels, which fill in an `order`."""
    ends = np.zeros(segments + 2, "intp")
    kernels.order_by_id(ids, ends, order)
    return ends


def reduced(rows, ids, segments, how, fill):
    """Return rows reduced by the kernels: in one walk where all sums fit in cache."""
    shape = (segments, rows.shape[1])
    if 16 * math.prod(shape) <= CACHE:
        members, ends, sums = ids, starts(ids, segments), scratch((segments, 2, rows.shape[1]), "float64")
    else:
        members, sums = scratch(len(ids), "intp"), None
        ends = starts(ids, segments, members)
    return run(kernels.segment_pool, rows, members, ends, how, fill, sums, shape=shape, units=segments)


def by_kernel(rows, g, ids, segments, reduce):
    """Return the cotangent of rows by the kernels: of extremes the members have to be found first."""
    if reduce in ("max", "min"):
        order, shape, sign = scratch(len(ids), "intp"), (segments, rows.shape[1]), 1.0 if reduce == "max" else -1.0
        args = starts(ids, segments, order), order, sign
        table = run(kernels.segment_firsts, rows, *args, out=scratch(shape, "intp"), shape=shape, units=segments)
    else:
        table = np.diff(starts(ids, segments)[:-1])
    return run(kernels.segment_pool_vjp, rows, g, ids, REDUCTIONS.index(reduce), table, segments)


@operator(
    paper=("tan2021ponet", "ye2025gnn", "jo2021edge"),
    kernel="segment_pool",
    cases=[
        case("mean", normal(11, 4), integers(11, high=4), segments=4),
        case("sum", normal(11, 3), integers(11, high=4), segments=4, reduce="sum"),
        case("maximum", normal(13, 2, 3), integers(13, high=4), segments=5, reduce="max"),
        case("minimum, loud fill", normal(9, 4), integers(9, high=7), segments=9, reduce="min", fill=-3.5),
        case("sorted", normal(40, 2), sorted_ids(40, groups=6), segments=6),
        case("some in no segment", normal(12, 3), integers(12, low=-2, high=6), segments=4, reduce="sum", fill=2.0),
        case("many to one", normal(600, 2), integers(600, high=2), segments=2, reduce="sum"),
        case("offset", normal(50, 3, mean=1e4), integers(50, high=3), segments=3),
        case("numbers", normal(17), integers(17, high=5), segments=5),
        case("nobody", normal(0, 3), integers(0, high=2), segments=2),
    ],
    bench=case("rows", normal(100_000, 64), integers(100_000, high=1000), segments=1000),
    rows=lambda x, rng: ([x.T, rng.integers(0, 2, x.shape[1])], {"segments": 2}),
)
def segment_pool(x, ids, /, *, segments, reduce="mean", fill=0.0, out=None):
    r"""Reduce the members of each segment of `x` to one: to their sum, mean, maximum or minimum.

    .. math:: y_s = \frac{1}{n_s} \sum_{i \,:\, \mathrm{ids}_i = s} x_i, \qquad n_s = |\{i : \mathrm{ids}_i = s\}|

    for the mean; sum, maximum and minimum likewise, feature by feature.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The members along axis 0, of any shape behind it: nodes, tokens, points (n, features).
    ids : array of integers
        The segment of each member, of shape (n,), in any order. An id outside 0..segments - 1 (-1, for padding)
        belongs to no segment.
    segments : int
        The number of segments.
    reduce : {"mean", "sum", "max", "min"}
        What becomes of the members.
    fill : float
        What an empty segment holds, in units of x.
    out : array, optional
        Where to write the answer (NumPy and CuPy): its shape, the dtype of `x`, memory of its own.

    Returns
    -------
    array
        (segments, ...), in the dtype, library and device of `x`. A NaN makes its segment NaN, an infinity as in a sum.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `ids` no integers, they are of two libraries, or `segments` is no integer.
    ValueError
        `ids` has another shape, `segments` is below 1, `reduce` is another word, or `out` overlaps.

    Notes
    -----
    A readout is the concatenation of several: ``xp.concat([segment_pool(x, ids, segments=n, reduce=r) for r in
    ("max", "mean", "sum")], axis=1)``. Batches (B, T, D) with ids (B, T) are B times as many segments: flatten both,
    with ``ids + segments * b`` for sample b. What each member sees of its segment is ``xp.take(y, ids, axis=0)``.
    What empty segments hold differs: ``refnorm conventions segment_pool``.

    References
    ----------
    Tan et al., PoNet: Pooling Network for Efficient Token Mixing in Long Sequences, 2021: the maximum, gathered back;
    its code fills with 0. Ye et al., GNN-Coder, 2025, and Jo et al., Edge Representation Learning with Hypergraphs,
    2021: readouts. All as catalogued; sums and maxima are confirmed against torch's scatter_reduce.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, ids = np.array([[1.0, 8.0], [5.0, 0.0], [3.0, 2.0]]), np.array([0, 2, 0])
    >>> refnorm.pool.segment_pool(x, ids, segments=3)
    array([[2., 5.],
           [0., 0.],
           [5., 0.]])
    """
    xp, x = prepare(x)
    segments = asked(xp, x, ids, segments, reduce, fill)
    shape = (segments, *x.shape[1:])
    check_out(out, x, ids, shape=shape)
    rows = xp.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
    if takes(kernels, rows):
        y = reduced(rows, indices(ids), segments, REDUCTIONS.index(reduce), float(fill))
    else:
        (wide,) = widen(xp, rows)
        y = pooled(xp, wide, ids, segments, reduce, fill, roomy=roomy(x, wide))
    return give_back(xp, xp.reshape(y, shape), x, out=out)


@gradient(segment_pool)
def segment_pool_vjp(cotangent, x, ids, /, *, segments, reduce="mean", fill=0.0):
    r"""Return the cotangent of `x` for a cotangent of ``segment_pool(x, ids)``.

    .. math:: \bar x_i = \bar y_s / n_s, \quad s = \mathrm{ids}_i

    for the mean; :math:`\bar y_s` for the sum, and for maximum and minimum at the first member that attains it.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, ids, segments, reduce, fill
        As in :func:`segment_pool`.

    Returns
    -------
    array
        The cotangent of `x`: 0 for what is in no segment. The first of equal members takes all, the first NaN where
        there is one; torch's scatter_reduce and JAX share it out evenly.

    Raises
    ------
    TypeError, ValueError
        As in :func:`segment_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`segment_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, ids = np.array([1.0, 5.0, 3.0]), np.array([0, 1, 0])
    >>> refnorm.pool.segment_pool_vjp(np.array([6.0, 7.0]), x, ids, segments=2)
    array([3., 7., 3.])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    segments = asked(xp, x, ids, segments, reduce, fill)
    require_shape("cotangent", cotangent, (segments, *x.shape[1:]))
    rows = xp.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
    g = xp.reshape(cotangent, (segments, rows.shape[1]))
    if takes(kernels, rows, g):
        dx = by_kernel(rows, g, indices(ids), segments, reduce)
    else:
        wide, g = widen(xp, rows, g)
        dx = pulled_back(xp, wide, g, ids, segments, reduce) if x.shape[0] else wide
    return give_back(xp, xp.reshape(dx, x.shape), x)


@law(segment_pool, normal(12, 3), integers(12, high=4))
def order_free(f, x, ids):
    return f(x[::-1], ids[::-1], segments=4), f(x, ids, segments=4)


@law(segment_pool, normal(12, 3), integers(12, high=4))
def one_segment_is_the_mean_of_all(f, x, ids):
    return f(x, 0 * ids, segments=1)[0], x.sum(axis=0) / len(x)


@law(segment_pool, normal(12, 3), integers(12, high=4))
def segments_change_places(f, x, ids):
    return f(x, 3 - ids, segments=4, reduce="max", fill=-9.0), f(x, ids, segments=4, reduce="max", fill=-9.0)[::-1]


@law(segment_pool, normal(12, 3), integers(12, high=4))
def the_least_is_the_largest_turned_round(f, x, ids):
    return f(x, ids, segments=4, reduce="min"), -f(-x, ids, segments=4, reduce="max")


@law(segment_pool, normal(12, 3), integers(12, high=4))
def the_sum_is_the_mean_times_the_size(f, x, ids):
    sizes = np.bincount(ids, minlength=4)[:, None]
    return f(x, ids, segments=4, reduce="sum"), sizes * f(x, ids, segments=4)
