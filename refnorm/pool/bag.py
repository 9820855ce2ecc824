"""Sum, mean or maximum of rows of a table, bag by bag."""

from __future__ import annotations

import operator as op

import numpy as np

from .._cases import Draw, case, integers, normal
from .._core.segments import segment_sums
from .._registry import gradient, law, operator
from .._xp import device, give_back, like_weight, prepare, require_along, require_indices, require_shape, roomy, widen
from .segment import pooled, pulled_back


def begins(bags, n):
    """Draw where each of several bags begins in a list of n: the first at 0, some of them empty."""
    return Draw((bags,), lambda rng, s: np.sort(np.append(0, rng.integers(0, n + 1, s[0] - 1))), "offsets")


def whole(*shape):
    """Draw a table that keeps all its rows when it is shortened: indices point into it."""
    return Draw(shape, lambda rng, s: rng.normal(size=shape), "table")


def require_bags(xp, x, ids, offsets, weight, reduce, padding_id) -> None:
    """Refuse what embedding_bag cannot take."""
    if x.ndim != 2:
        raise ValueError(f"x must have shape (rows, features), got {tuple(x.shape)}")
    require_along(x, (0, 1))
    for name, given in (("ids", ids), ("offsets", offsets)):
        require_indices(xp, name, given, getattr(given, "shape", ())[:1])
    require_shape("weight", weight, ids.shape)
    if reduce not in ("sum", "mean", "max"):
        raise ValueError(f"reduce must be 'sum', 'mean' or 'max', got {reduce!r}")
    if weight is not None and reduce != "sum":
        raise ValueError(f"weight goes with reduce='sum' only, got {reduce!r}")
    if padding_id is not None:
        try:
            op.index(padding_id)
        except TypeError:
            raise TypeError(f"padding_id must be an int or None, got {padding_id!r}") from None


def bag_of_each(xp, ids, offsets, padding_id):
    """Return ids in the library's own integers, and the bag of each: -1 before the first bag, and for padding."""
    places = xp.arange(ids.shape[0], device=device(ids))
    ids = xp.astype(ids, places.dtype)
    bags = xp.searchsorted(xp.astype(offsets, places.dtype), places, side="right") - 1
    return ids, bags if padding_id is None else xp.where(ids == padding_id, xp.full_like(bags, -1), bags)


def weighed_rows(xp, x, ids, weight):
    """Return the rows of a table that ids name, times their weights where there are any."""
    rows = xp.take(x, ids, axis=0)
    return rows if weight is None else rows * weight[:, None]


@operator(
    paper=("coleman2023unified", "li2022lazy"),
    cases=[
        case("mean", normal(7, 3), integers(12, high=7), begins(4, 12)),
        case("sum, weights", normal(7, 3), integers(12, high=7), begins(5, 12), normal(12), reduce="sum"),
        case("maximum", normal(6, 4), integers(11, high=6), begins(4, 11), reduce="max"),
        case("padding", normal(3, 2), integers(14, high=3), begins(4, 14), padding_id=1),
        case("padding, maximum", normal(3, 2), integers(14, high=3), begins(4, 14), reduce="max", padding_id=0),
        case("nothing", normal(3, 2), integers(0, high=3), Draw((2,), lambda rng, s: np.zeros(s, int)), reduce="sum"),
    ],
    bench=case("words", whole(10_000, 64), integers(50_000, high=10_000), begins(1000, 50_000)),
    rows=lambda x, rng: ([x.T, rng.integers(0, x.shape[1], x.shape[1]), np.array([0, x.shape[1] // 3])], {}),
)
def embedding_bag(x, ids, offsets, weight=None, /, *, reduce="mean", padding_id=None):
    r"""Reduce each bag of rows of a table to one: to their mean, sum or maximum.

    .. math:: y_b = \frac{1}{n_b} \sum_{o_b \le i < o_{b+1}} x_{\mathrm{ids}_i}

    for the mean; for the sum, :math:`w_i x_{\mathrm{ids}_i}` is summed; the maximum is taken feature by feature.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The table, of shape (rows, features).
    ids : array of integers
        The rows in all bags, one bag after the other, of shape (n,), from 0 to rows - 1. Values are not checked.
    offsets : array of integers
        Where each bag begins, of shape (bags,), not falling; the last one ends at n. What comes before the first is in
        no bag.
    weight : array, optional
        A weight w for each of `ids`, of shape (n,), with the sum only.
    reduce : {"mean", "sum", "max"}
        What becomes of a bag.
    padding_id : int, optional
        A row that is in no bag wherever it is named: it counts nowhere.

    Returns
    -------
    array
        (bags, features), in the dtype, library and device of `x`; 0 for an empty bag. A NaN makes its feature NaN in
        the bags of its row.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `ids` or `offsets` no integers, they are of two libraries, or
        `padding_id` is no int.
    ValueError
        An array has another shape, the table is empty, `reduce` is another word, or weights come without the sum.

    Notes
    -----
    Leave the last offset off where torch is called with ``include_last_offset=True``. The product of a sparse
    activation with a weight matrix is the sum of its rows under the values of active units.

    References
    ----------
    Coleman et al., Unified Embedding: Battle-Tested Feature Representations for Web-Scale ML Systems, 2023; Li et al.,
    The Lazy Neuron Phenomenon, 2022: values of active units as weights. As catalogued; confirmed against torch.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> table = np.array([[1.0], [10.0], [100.0]])
    >>> refnorm.pool.embedding_bag(table, np.array([0, 1, 1, 2]), np.array([0, 3]), reduce="sum")
    array([[ 21.],
           [100.]])
    """
    xp, x, weight = prepare(x, weight)
    require_bags(xp, x, ids, offsets, weight, reduce, padding_id)
    wide, w = widen(xp, x, weight)
    ids, bags = bag_of_each(xp, ids, offsets, padding_id)
    rows = weighed_rows(xp, wide, ids, w)
    return give_back(xp, pooled(xp, rows, bags, offsets.shape[0], reduce, 0.0, roomy=roomy(x, wide)), x)


@gradient(embedding_bag)
def embedding_bag_vjp(cotangent, x, ids, offsets, weight=None, /, *, reduce="mean", padding_id=None):
    r"""Return the cotangents of the table and of the weights, None for ids and offsets.

    .. math:: \bar x_r = \sum_{i \,:\, \mathrm{ids}_i = r} \bar y_{b_i} / n_{b_i}, \qquad
        \bar w_i = \langle x_{\mathrm{ids}_i}, \bar y_{b_i} \rangle

    for the mean; times :math:`w_i` in place of over n for the sum; for the maximum, where it is met first.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, ids, offsets, weight, reduce, padding_id
        As in :func:`embedding_bag`.

    Returns
    -------
    tuple
        ``(dx, None, None, dweight)``, the last None without weights.

    Raises
    ------
    TypeError, ValueError
        As in :func:`embedding_bag`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`embedding_bag`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> table, ids, offsets = np.array([[1.0], [9.0]]), np.array([0, 1, 1]), np.array([0, 2])
    >>> refnorm.pool.embedding_bag_vjp(np.array([[4.0], [5.0]]), table, ids, offsets)[0]
    array([[2.],
           [7.]])
    """
    xp, cotangent, x, weight = prepare(cotangent, x, weight, need=2)
    require_bags(xp, x, ids, offsets, weight, reduce, padding_id)
    require_shape("cotangent", cotangent, (offsets.shape[0], x.shape[1]))
    wide, g, w = widen(xp, x, cotangent, weight)
    if ids.shape[0] == 0:
        return give_back(xp, xp.zeros_like(wide), x), None, None, weight
    ids, bags = bag_of_each(xp, ids, offsets, padding_id)
    rows = weighed_rows(xp, wide, ids, w)
    drows = pulled_back(xp, rows, g, bags, offsets.shape[0], reduce)
    terms = drows if w is None else drows * w[:, None]
    dx, _ = segment_sums(xp, terms, ids, x.shape[0], roomy=roomy(x, wide))
    dw = None if w is None else like_weight(xp, xp.sum(drows * xp.take(wide, ids, axis=0), axis=1), weight)
    return give_back(xp, dx, x), None, None, dw


# ---- laws ----


@law(embedding_bag, normal(5, 3), integers(9, high=5), begins(4, 9))
def it_is_a_product_with_counts(f, x, ids, o):
    bag = np.searchsorted(o, np.arange(9), side="right") - 1
    counts = np.zeros((4, 5))
    np.add.at(counts, (bag, ids), 1)
    return f(x, ids, o, reduce="sum"), counts @ x


@law(embedding_bag, normal(5, 3), integers(9, high=5), begins(4, 9))
def sums_and_maxima_move_with_the_table(f, x, ids, o):
    return f(4 * x, ids, o, reduce="max") + f(4 * x, ids, o), 4 * (f(x, ids, o, reduce="max") + f(x, ids, o))


@law(embedding_bag, normal(5, 3), integers(9, high=5), begins(3, 9))
def padding_is_weighed_by_nothing(f, x, ids, o):
    return f(x, ids, o, reduce="sum", padding_id=2), f(x, ids, o, 1.0 * (ids != 2), reduce="sum")
