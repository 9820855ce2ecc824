"""sum softmax(scores) x over ragged segments of rows, with scores linear in them."""

from __future__ import annotations

import numpy as np

from .._cases import case, integers, normal
from .._core.products import inner
from .._core.segments import gather, require_segments, segment_extremes, segment_sums
from .._registry import gradient, law, operator
from .._xp import device, give_back, like_weight, prepare, require_along, require_shape, roomy, widen


def require_members(xp, x, weight, ids, segments, fill) -> int:
    """Refuse what segment_attentive_pool cannot take; return the number of segments."""
    if x.ndim != 2:
        raise ValueError(f"x must have shape (members, features), got {tuple(x.shape)}")
    require_along(x, -1)
    one = weight.ndim == 2 and weight.shape[1] == 1
    require_shape("weight", weight, (x.shape[1], 1 if one else x.shape[1]))
    return require_segments(xp, x, ids, segments, fill)


def shares(xp, x, weight, ids, segments, *, roomy):
    """Return e^(score - the largest of the segment) of each member, and their sums over segments with the sizes."""
    s = inner(xp, x, xp.matrix_transpose(weight), roomy=roomy)
    largest, _, sizes = segment_extremes(xp, s, ids, segments)
    member = ((ids >= 0) & (ids < segments))[:, None]
    e = xp.exp(xp.where(member, s - gather(xp, largest, ids, segments), xp.zeros_like(s)))
    sums, _ = segment_sums(xp, e, ids, segments, roomy=roomy)
    there = (sizes > 0)[:, None]
    return e, xp.where(there, sums, xp.ones_like(sums)), there


@operator(
    paper="herzalla2025graph",
    cases=[
        case("a score for each member", normal(11, 4), normal(4, 1), integers(11, high=4), segments=4),
        case("a score for each feature", normal(9, 3), normal(3, 3), integers(9, high=3), segments=3),
        case("loud fill", normal(9, 2), normal(2, 1), integers(9, low=-2, high=7), segments=6, fill=-3.5),
        case("many to one", normal(40, 2), normal(2, 2, std=2.0), integers(40, high=2), segments=2),
        case("nobody", normal(0, 3), normal(3, 1), integers(0, high=2), segments=2),
    ],
    bench=case("nodes", normal(50_000, 64), normal(64, 1), integers(50_000, high=1000), segments=1000),
    rows=lambda x, rng: (
        [x.T, rng.normal(size=(len(x), 1)), rng.integers(0, 2, x.shape[1])],
        {"segments": 2},
    ),
)
def segment_attentive_pool(x, weight, ids, /, *, segments, fill=0.0):
    r"""Reduce the members of each segment to their mean under the softmax of scores linear in them.

    .. math:: y_s = \sum_{i \,:\, \mathrm{ids}_i = s} a_i x_i, \qquad
        a_i = \frac{e^{c_i}}{\sum_{j \,:\, \mathrm{ids}_j = s} e^{c_j}}, \qquad c_i = x_i W

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The members, of shape (n, d): nodes of all graphs, one after the other.
    weight : array
        W, of shape (d, 1): one score for each member; or (d, d): scores for each feature. A bias would cancel.
    ids : array of integers
        The segment of each member, of shape (n,), in any order. An id outside 0..segments - 1 belongs to none.
    segments : int
        The number of segments.
    fill : float
        What an empty segment holds, in units of x.

    Returns
    -------
    array
        (segments, d), in the dtype, library and device of `x`. A NaN makes its segment NaN; an infinity makes it NaN
        or infinite.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `ids` no integers, they are of two libraries, or `segments` is no
        integer.
    ValueError
        An array has another shape, `x` has no features, or `segments` is below 1.

    Notes
    -----
    PyTorch Geometric adds 1e-16 to the denominator.

    References
    ----------
    Herzalla et al., Graph Neural Networks for Jamming Source Localization, 2025: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, ids = np.array([[1.0, 8.0], [5.0, 0.0], [3.0, 2.0]]), np.array([0, 2, 0])
    >>> refnorm.pool.segment_attentive_pool(x, np.zeros((2, 1)), ids, segments=3)
    array([[2., 5.],
           [0., 0.],
           [5., 0.]])
    """
    xp, x, weight = prepare(x, weight, need=2)
    segments = require_members(xp, x, weight, ids, segments, fill)
    wide, w = widen(xp, x, weight)
    spare = roomy(x, wide)
    if x.shape[0] == 0:
        return give_back(xp, xp.full((segments, x.shape[1]), fill, dtype=wide.dtype, device=device(x)), x)
    e, sums, there = shares(xp, wide, w, ids, segments, roomy=spare)
    y, _ = segment_sums(xp, e * wide, ids, segments, roomy=spare)
    return give_back(xp, xp.where(there, y / sums, xp.full_like(y, fill)), x)


@gradient(segment_attentive_pool)
def segment_attentive_pool_vjp(cotangent, x, weight, ids, /, *, segments, fill=0.0):
    r"""Return the cotangents of `x` and `weight`, and None for ids.

    .. math:: \bar c_i = a_i (x_i - y_s) \, \bar y_s, \qquad \bar x_i = a_i \bar y_s + \bar c_i W^T, \qquad
        \bar W = \sum_i x_i \bar c_i^T, \qquad s = \mathrm{ids}_i

    where one score is shared, its cotangent is the sum over the features.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, weight, ids, segments, fill
        As in :func:`segment_attentive_pool`.

    Returns
    -------
    tuple
        ``(dx, dweight, None)``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`segment_attentive_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`segment_attentive_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, ids = np.array([[1.0], [5.0], [3.0]]), np.array([0, 1, 0])
    >>> refnorm.pool.segment_attentive_pool_vjp(np.array([[6.0], [7.0]]), x, np.zeros((1, 1)), ids, segments=2)[0]
    array([[3.],
           [7.],
           [3.]])
    """
    xp, cotangent, x, weight = prepare(cotangent, x, weight, need=3)
    segments = require_members(xp, x, weight, ids, segments, fill)
    require_shape("cotangent", cotangent, (segments, x.shape[1]))
    wide, w, g = widen(xp, x, weight, cotangent)
    spare = roomy(x, wide)
    if x.shape[0] == 0:
        return give_back(xp, wide, x), give_back(xp, xp.zeros_like(w), weight), None
    e, sums, _ = shares(xp, wide, w, ids, segments, roomy=spare)
    y, _ = segment_sums(xp, e * wide, ids, segments, roomy=spare)
    g, y = (gather(xp, one, ids, segments) for one in (g / sums, y / sums))  # 0 for who is in no segment
    dc = e * (wide - y) * g
    dc = xp.sum(dc, axis=1, keepdims=True) if w.shape[1] == 1 else dc
    dx = e * g + xp.matmul(dc, xp.matrix_transpose(w))
    return give_back(xp, dx, x), like_weight(xp, xp.matmul(xp.matrix_transpose(wide), dc), weight), None


# ---- laws ----


@law(segment_attentive_pool, normal(12, 3), normal(3, 3), integers(12, high=4))
def order_free(f, x, w, ids):
    return f(x[::-1], w, ids[::-1], segments=4), f(x, w, ids, segments=4)


@law(segment_attentive_pool, normal(12, 3), normal(3, 1), integers(12, high=4))
def one_score_is_the_same_for_each_feature(f, x, w, ids):
    return f(x, w, ids, segments=4), f(x, np.repeat(w, 3, axis=1), ids, segments=4)


@law(segment_attentive_pool, normal(12, 3), integers(12, high=4))
def without_scores_it_is_the_mean(f, x, ids):
    sizes = np.bincount(ids, minlength=4)[:, None]
    sums = np.zeros((4, 3))
    np.add.at(sums, ids, x)
    return sizes * f(x, np.zeros((3, 1)), ids, segments=4), sums
