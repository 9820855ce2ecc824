"""Ranks made differentiable: the projection of numbers on the permutahedron."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.sums import total
from .._core.thresholds import running_sum
from .._registry import gradient, law, operator
from .._xp import device, give_back, prepare, require_along, require_same_shape, roomy, widen


def require_tau(tau) -> None:
    """Refuse a strength that is no finite number above zero."""
    if isinstance(tau, bool) or not isinstance(tau, int | float):
        raise TypeError(f"tau must be a real number, got {tau!r}")
    if not 0 < tau < math.inf:
        raise ValueError(f"tau must be finite and above zero, got {tau!r}")


def suffix_max(xp, x):
    """Return the largest of each element and those after it along the last axis, by steps that double."""
    step = 1
    while step < x.shape[-1]:
        none = xp.full_like(x[..., :step], -math.inf)
        x = xp.maximum(x, xp.concat([x[..., step:], none], axis=-1))
        step = 2 * step
    return x


def blocks(xp, x, tau):
    """Return the first and the last place of the block of each place, numbers being in falling order.

    They are those of the isotonic regression of x / tau - (n, ..., 1), whose value at i is the least over j <= i of the
    largest over k >= i of the means from j to k (Robertson, Wright and Dykstra, Order Restricted Statistical Inference,
    1988, section 1.4). No block spans a gap of n / 2: such gaps are shortened, so that none is lost beside larger ones.
    """
    n = x.shape[-1]
    place = xp.arange(n, device=device(x))
    number = xp.astype(place, x.dtype)
    gaps = (x[..., :-1] - x[..., 1:]) / tau
    gaps = xp.where(gaps > n, xp.full_like(gaps, n), gaps) - 1
    levels = -xp.concat([xp.zeros_like(x[..., :1]), running_sum(xp, gaps)], axis=-1)
    sums = running_sum(xp, levels)
    before = xp.expand_dims(sums - levels, axis=-1)
    after, count = place[:, None] <= place, number - number[:, None] + 1
    means = (xp.expand_dims(sums, axis=-2) - before) / xp.where(after, count, xp.ones_like(count))
    means = xp.where(after, means, xp.full_like(means, -math.inf))
    largest = xp.where(after, suffix_max(xp, means), xp.full_like(means, math.inf))
    first = xp.argmin(largest, axis=-2)
    rows = xp.take_along_axis(means, xp.expand_dims(first, axis=-1), axis=-2)
    rows = xp.where(after, rows, xp.full_like(rows, -math.inf))
    return first, xp.argmax(rows, axis=-1)


def sorted_blocks(xp, x, tau):
    """Return the falling order of rows, the numbers in it, which others are of each number's block, its first and its
    last place, and how many there are."""
    order = xp.argsort(-x, axis=-1, stable=True)
    fallen = xp.take_along_axis(x, order, axis=-1)
    first, last = blocks(xp, fallen, tau)
    place = xp.arange(x.shape[-1], device=device(x))
    inside = (place >= xp.expand_dims(first, axis=-1)) & (place <= xp.expand_dims(last, axis=-1))
    first, last = xp.astype(first, x.dtype), xp.astype(last, x.dtype)
    return order, fallen, inside, first, last, last - first + 1


def above_mean(xp, x, inside, count, *, roomy):
    """Return by how much each number is above the mean of its block."""
    others = xp.expand_dims(x, axis=-1) - xp.expand_dims(x, axis=-2)
    return total(xp, xp.where(inside, others, xp.zeros_like(others)), roomy=roomy)[..., 0] / count


@operator(
    paper="blondel2020fast",
    cases=[
        case("rows", normal(4, 8, std=2.0)),
        case("loud tau", normal(2, 3, 7), tau=0.25),
        case("one block", normal(3, 6, std=0.01), tau=2.0),
        case("nearly ranks", normal(3, 9), tau=0.0078125),
        case("one row", normal(5, std=3.0)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(256, 64)),
    rows=lambda x, rng: ([x[:, :61]], {"tau": 0.25}),  # it takes the square of a row's length
)
def soft_rank(x, /, *, tau=1.0):
    r"""Rank numbers along the last axis, 1 for the least, with ties made of what lies nearer together than `tau`.

    .. math:: r = \arg\min_{y \in P} \tfrac{1}{2} \Bigl\| y - \frac{x}{\tau} \Bigr\|^2, \qquad
        P = \mathrm{conv} \{ \text{permutations of } 1, \ldots, n \}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The numbers, of shape (..., n).
    tau : float
        The strength of the regularisation, above zero, in units of x. Where neighbours lie farther apart than it the
        answer is their ranks; as it grows, all of them approach (n + 1) / 2.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. Ranks of a row sum to n (n + 1) / 2. A NaN or an infinity makes
        its row NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `tau` is no number.
    ValueError
        The last axis is empty, or `tau` is not finite and above zero.

    Notes
    -----
    Ranks from the largest on are those of ``-x``. Within a block of the isotonic regression ranks are numbers over
    tau, moved to the mean of the block's ranks. Time and memory grow with the square of n.

    References
    ----------
    Blondel et al., Fast Differentiable Sorting and Ranking, 2020, equation 4 and proposition 3 with the quadratic
    regularisation; rising ranks, as those of its code (both from memory, not read again).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.soft_rank(np.array([3.0, -1.0, 3.5, 9.0]))
    array([2.25, 1.  , 2.75, 4.  ])
    """
    xp, x = prepare(x)
    require_along(x, -1)
    require_tau(tau)
    (wide,) = widen(xp, x)
    order, fallen, inside, first, last, count = sorted_blocks(xp, wide, tau)
    r = above_mean(xp, fallen, inside, count, roomy=roomy(x, wide)) / tau + (x.shape[-1] - (first + last) / 2)
    r = xp.where(xp.all(xp.isfinite(wide), axis=-1, keepdims=True), r, xp.full_like(r, math.nan))
    return give_back(xp, xp.take_along_axis(r, xp.argsort(order, axis=-1, stable=True), axis=-1), x)


@gradient(soft_rank)
def soft_rank_vjp(cotangent, x, /, *, tau=1.0):
    r"""Return the cotangent of `x` for a cotangent of ``soft_rank(x)``: what it is above its mean in each block.

    .. math:: \bar x_i = \frac{1}{\tau} \Bigl( \bar r_i - \frac{1}{|B_i|} \sum_{j \in B_i} \bar r_j \Bigr)

    Parameters
    ----------
    cotangent : array
        The cotangent of the ranks, of the shape of `x`.
    x, tau
        As in :func:`soft_rank`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`soft_rank`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    Blondel et al., 2020, proposition 4 (from memory).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.soft_rank_vjp(np.array([2.0, 7.0, 0.0, 7.0]), np.array([3.0, -1.0, 3.5, 9.0]))
    array([ 1.,  0., -1.,  0.])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, -1)
    require_tau(tau)
    wide, g = widen(xp, x, cotangent)
    order, _, inside, _, _, count = sorted_blocks(xp, wide, tau)
    g = above_mean(xp, xp.take_along_axis(g, order, axis=-1), inside, count, roomy=roomy(x, wide)) / tau
    return give_back(xp, xp.take_along_axis(g, xp.argsort(order, axis=-1, stable=True), axis=-1), x)


# ---- laws ----


@law(soft_rank, normal(4, 8))
def ranks_have_their_sum(f, x):
    total = f(x).sum(axis=-1)
    return total, 0 * total + 36


@law(soft_rank, normal(4, 8))
def turned_round_they_count_from_the_other_end(f, x):
    return f(-x, tau=0.5), 9 - f(x, tau=0.5)


@law(soft_rank, normal(4, 8))
def tau_is_in_units_of_x(f, x):
    return f(4 * x, tau=2.0), f(x, tau=0.5)


@law(soft_rank, normal(4, 8))
def far_apart_they_are_ranks(f, x):
    return f(x, tau=1e-9), 1.0 + (x[..., :, None] > x[..., None, :]).sum(axis=-1)
