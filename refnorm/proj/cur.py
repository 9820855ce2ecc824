"""A matrix from some of its rows and columns."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, normal
from .._core.triples import leading, require_rank
from .._registry import law, operator
from .._xp import give_back, prepare, require_indices, widen


def places(k, n):
    """Draw k different indices below n."""
    return Draw((k,), lambda rng, s: rng.permutation(max(n, s[0]))[: s[0]], "places")


def low(m, n, r):
    """Draw an (m, n) matrix of rank r."""
    return Draw((m, n), lambda rng, s: rng.normal(size=(s[0], r)) @ rng.normal(size=(r, s[1])), "low rank")


def require_picked(xp, name, ids) -> None:
    """Refuse what are no indices, one at least."""
    require_indices(xp, name, ids, ids.shape if getattr(ids, "ndim", 0) == 1 else ("k",))
    if 0 in ids.shape:
        raise ValueError(f"{name} must not be empty")


def pseudo_inverse(xp, x, rank):
    """Return V diag(1 / s) U^T of the leading triples of a matrix, all for None.

    Values of 0 have no inverse, nor have those that rounding leaves in their place, which are as good as random.
    """
    u, s, v = leading(xp, x, rank)
    none = s <= max(x.shape) * xp.finfo(s.dtype).eps * s[:1]
    inverse = xp.where(none, xp.zeros_like(s), 1 / xp.where(none, xp.ones_like(s), s))
    return xp.matmul(v * inverse[..., None, :], xp.matrix_transpose(u))


@operator(
    paper="yadav2022efficient",
    cases=[
        case("crossing", normal(5, 6), places(3, 5), places(3, 6)),
        case("more rows", normal(6, 5), places(4, 6), places(2, 5)),
        case("best", normal(5, 6), places(2, 5), places(3, 6), kind="best"),
        case("rank", normal(6, 7), places(3, 6), places(4, 7), rank=2),
    ],
    bench=case("crossing", normal(256, 256), places(2, 2), places(16, 256)),
    rows=lambda x, rng: (
        [x[:, :32].reshape(-1, 8)[:6] / abs(x[:, :32]).max(), np.array([0, 2]), np.array([1, 3, 0])],
        {"rank": 1},
    ),
)
def cur_decomposition(x, ids, other_ids, /, *, kind="crossing", rank=None):
    r"""Return columns, a small matrix and rows of a matrix, whose product is near it.

    .. math:: X \approx C U R, \qquad C = X_{:,J}, \quad R = X_{I,:}, \qquad
        U = \begin{cases} (X_{I,J})^+ & \text{crossing} \\ C^+ X R^+ & \text{best} \end{cases}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The matrix, of shape (m, n).
    ids, other_ids : array of integers
        The rows :math:`I`, of shape (p,), and the columns :math:`J`, of shape (q,). Not checked.
    kind : str
        "crossing" needs only the rows and columns themselves, "best" all of x: no other U is as near.
    rank : int, optional
        How many singular values of what is inverted are, of 1 to min(p, q); all when left out but for
        those that are 0 to rounding. Where rows or columns depend on one another, say how many do not.

    Returns
    -------
    tuple of arrays
        ``(c, u, r)``, of shapes (m, q), (q, p) and (p, n), in the dtype, library and device of `x`. A NaN or an
        infinity in the crossing makes u NaN, for the best one anywhere in x.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, indices no integers, the arrays are of two libraries, or `rank` is no int.
    ValueError
        A shape does not fit, a size is 0, `kind` is another word, or `rank` is out of its range.

    Notes
    -----
    C U R is x itself where the crossing of rows and columns has the rank of x. Values count as 0 up to the rounding of
    the longer side; NumPy's pinv cuts off at 1e-15 of the largest, within what noise may reach.

    References
    ----------
    Yadav et al., Efficient Nearest Neighbor Search for Cross-Encoder Models using Matrix Factorization, 2022 (not read
    again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 2.0], [2.0, 4.0]])
    >>> c, u, r = refnorm.proj.cur_decomposition(x, np.array([1]), np.array([1]))
    >>> (c @ u @ r).tolist()
    [[1.0, 2.0], [2.0, 4.0]]
    """
    xp, x = prepare(x)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (m, n) without a 0, got {tuple(x.shape)}")
    require_picked(xp, "ids", ids)
    require_picked(xp, "other_ids", other_ids)
    if kind not in ("crossing", "best"):
        raise ValueError(f"kind must be crossing or best, got {kind!r}")
    require_rank(rank, min(ids.shape[0], other_ids.shape[0], *x.shape))
    (wide,) = widen(xp, x)
    c, r = xp.take(wide, other_ids, axis=1), xp.take(wide, ids, axis=0)
    used = xp.take(r, other_ids, axis=1) if kind == "crossing" else wide
    size = xp.max(xp.abs(used))
    size = xp.where(size == 0, xp.ones_like(size), size)  # an inverse of tiny numbers would overflow on the way
    if kind == "crossing":
        u = pseudo_inverse(xp, used / size, rank)
    else:
        u = xp.matmul(pseudo_inverse(xp, c / size, rank), wide / size)
        u = xp.matmul(u, pseudo_inverse(xp, r / size, rank))
    return tuple(give_back(xp, part, x) for part in (c, u / size, r))


def require_scores(x, bank, ids) -> None:
    """Refuse what are no scores of anchor items, and no rows of scores of all items."""
    if bank.ndim != 2 or 0 in bank.shape:
        raise ValueError(f"bank must have shape (queries, items) without a 0, got {tuple(bank.shape)}")
    if x.ndim == 0 or x.shape[-1:] != ids.shape:
        raise ValueError(f"x must have shape (..., {ids.shape[0]}), one score for each of ids, got {tuple(x.shape)}")


@operator(
    paper="yadav2022efficient",
    cases=[
        case("queries", normal(4, 3), normal(3, 7), places(3, 7)),
        case("more anchor queries", normal(2, 2, 3), normal(5, 6), places(3, 6)),
        case("rank", normal(2, 4), normal(3, 6), places(4, 6), rank=2),
        case("no queries", normal(0, 2), normal(3, 4), places(2, 4)),
    ],
    bench=case("queries", normal(128, 16), normal(32, 1024), places(16, 1024)),
    rows=lambda x, rng: ([x[:, :3] / (1 + abs(x).max()), rng.normal(size=(4, 5)), np.array([2, 0, 3])], {}),
)
def cur_scores(x, bank, ids, /, *, rank=None):
    r"""Guess the scores of all items from those of a few.

    .. math:: y = x \, (R_{:,J})^+ R

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Scores of queries with the anchor items, of shape (..., k).
    bank : array
        Scores :math:`R` of the anchor queries with all items, of shape (queries, items).
    ids : array of integers
        The anchor items :math:`J`, of shape (k,). Not checked.
    rank : int, optional
        How many singular values of :math:`R_{:,J}` are inverted, of 1 to min(queries, k); all when left out.

    Returns
    -------
    array
        (..., items), in the dtype, library and device of `x`. A NaN or an infinity makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `ids` no integers, the arrays are of two libraries, or `rank` is no
        int.
    ValueError
        A shape does not fit, a size is 0, or `rank` is out of its range.

    Notes
    -----
    Scores of the anchor items come back as they are where there are as many anchor queries as them, all independent.
    The matrix on the right is a latent vector for each item, and may be kept.

    References
    ----------
    Yadav et al., Efficient Nearest Neighbor Search for Cross-Encoder Models using Matrix Factorization, 2022 (not read
    again: as catalogued from its code, where it was confirmed).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> bank = np.array([[2.0, 4.0, 6.0]])
    >>> refnorm.proj.cur_scores(np.array([[5.0]]), bank, np.array([0])).tolist()
    [[5.0, 10.0, 15.0]]
    """
    xp, x, bank = prepare(x, bank, need=2)
    require_picked(xp, "ids", ids)
    require_scores(x, bank, ids)
    require_rank(rank, min(bank.shape[0], ids.shape[0]))
    wide, scores = widen(xp, x, bank)
    latent = xp.matmul(pseudo_inverse(xp, xp.take(scores, ids, axis=1), rank), scores)
    y = xp.matmul(wide, latent)
    return give_back(xp, xp.where(xp.any(~xp.isfinite(wide), axis=-1, keepdims=True), xp.full_like(y, math.nan), y), x)


# ---- laws ----


@law(cur_decomposition, low(5, 6, 2), places(3, 5), places(4, 6))
def a_matrix_of_the_rank_comes_back(f, x, i, j):
    c, u, r = f(x, i, j, rank=2)
    return c @ u @ r, x


@law(cur_decomposition, normal(5, 6), places(2, 5), places(3, 6))
def best_is_a_projection_from_both_sides(f, x, i, j):
    c, u, r = f(x, i, j, kind="best")
    rest = x - c @ u @ r
    return c.T @ rest @ r.T + 1, np.ones((3, 2))


@law(cur_decomposition, normal(5, 6), places(2, 5), places(2, 6))
def middle_is_in_inverse_units(f, x, i, j):
    return 4 * f(4 * x, i, j)[1], f(x, i, j)[1]


@law(cur_scores, normal(4, 3), normal(5, 7), places(3, 7))
def anchor_items_keep_their_scores(f, x, bank, j):
    return f(x, bank, j)[:, j], x


@law(cur_scores, normal(4, 3), normal(3, 7), places(3, 7))
def units_of_anchor_queries_are_free(f, x, bank, j):
    return f(x, 4 * bank, j), f(x, bank, j)
