"""Low-rank factors whose ranks are ordered by importance: their map, their objective, their penalty, their cut."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, normal, simplex
from .._core.norms import length
from .._core.products import inner
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, require_switch, roomy, widen


def require_factors(u, v, inputs=None, names=("u", "v")) -> None:
    """Refuse what are no two matrices of as many columns, one at least."""
    if u.ndim != 2 or 0 in u.shape:
        raise ValueError(f"{names[0]} must have shape (m, ranks) without a 0, got {tuple(u.shape)}")
    if v.ndim != 2 or v.shape[1] != u.shape[1] or v.shape[0] == 0 or inputs not in (None, v.shape[0]):
        n = "n" if inputs is None else inputs
        raise ValueError(f"{names[1]} must have shape ({n}, {u.shape[1]}), got {tuple(v.shape)}")


def summed(xp, x, *, roomy):
    """Return the sum of all elements, of shape (1,)."""
    return total(xp, xp.reshape(x, (-1,)), roomy=roomy)


@operator(
    paper="horvath2023maestro",
    cases=[
        case("all ranks", normal(4, 8), normal(5, 3), normal(8, 3)),
        case("two of them", normal(2, 3, 7), normal(4, 5), normal(7, 5), normal(4), rank=2),
        case("one", normal(5, mean=3.0), normal(2, 4), normal(5, 4), rank=1),
        case("no rows", normal(0, 4), normal(3, 2), normal(4, 2)),
    ],
    bench=case("rows", normal(512, 1024), normal(1024, 64), normal(1024, 64), rank=32),
    rows=lambda x, rng: ([x, rng.normal(size=(3, 2)), rng.normal(size=(x.shape[1], 2)) / x.shape[1]], {"rank": 1}),
)
def ordered_low_rank_linear(x, u, v, bias=None, /, *, rank=None):
    r"""Map rows of `x` by the first `rank` columns of two factors.

    .. math:: y = (x V_{:r}) U_{:r}^T + c

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    u, v : array
        The factors :math:`U`, of shape (m, ranks), and :math:`V`, of shape (n, ranks), the most important columns
        first.
    bias : array, optional
        The shift :math:`c`, of shape (m,).
    rank : int, optional
        How many columns :math:`r` are used; all when left out. A share p of R ranks is ceil(p R) in the released code.

    Returns
    -------
    array
        (..., m), in the dtype, library and device of `x`. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `rank` is no integer.
    ValueError
        A shape does not fit, a size is 0, or `rank` is not 1 to the number of columns.

    References
    ----------
    Horváth et al., Maestro, 2023 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, u, v = np.array([1.0, 2.0]), np.array([[3.0, 100.0]]), np.array([[0.0, 1.0], [2.0, 1.0]])
    >>> refnorm.proj.ordered_low_rank_linear(x, u, v, rank=1)
    array([12.])
    """
    xp, x, u, v, bias = prepare(x, u, v, bias, need=3)
    require_along(x, -1)
    require_factors(u, v, x.shape[-1])
    require_shape("bias", bias, u.shape[:1])
    ranks = u.shape[1]
    rank = ranks if rank is None else op.index(rank)
    if not 1 <= rank <= ranks:
        raise ValueError(f"rank must be 1 to {ranks}, got {rank}")
    wide, up, down, shift = widen(xp, x, u, v, bias)
    spare = roomy(x, wide)
    low = inner(xp, wide, xp.matrix_transpose(down[:, :rank]), roomy=spare)
    y = inner(xp, low, up[:, :rank], roomy=spare)
    return give_back(xp, y if shift is None else y + shift, x)


@operator(
    paper="horvath2023maestro",
    cases=[
        case("rows", normal(4, 8), normal(4, 5), normal(5, 3), normal(8, 3), simplex(3)),
        case("one row", normal(6), normal(2), normal(2, 2), normal(6, 2), simplex(2)),
        case("blocks", normal(2, 3, 4), normal(2, 3, 3), normal(3, 4), normal(4, 4), normal(4)),
    ],
    bench=case("rows", normal(512, 256), normal(512, 256), normal(256, 16), normal(256, 16), simplex(16)),
    rows=lambda x, rng: (
        [
            x / (1 + abs(x).max()),
            *(rng.normal(size=s) for s in [(len(x), 2), (2, 2), (x.shape[1], 2)]),
            rng.uniform(size=2),
        ],
        {},
    ),
)
def ordered_dropout_objective(x, target, u, v, weights, /):
    r"""Return the mean squared distance to a target of the maps of every rank, weighed.

    .. math:: L = \sum_{r = 1}^{R} p_r \, \frac1N \sum_n \lVert t_n - U_{:r} V_{:r}^T x_n \rVert_2^2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    target : array
        The targets :math:`t`, of shape (..., m).
    u, v : array
        The factors :math:`U`, of shape (m, ranks), and :math:`V`, of shape (n, ranks).
    weights : array
        The weight :math:`p_r` of each rank, of shape (ranks,): the chance that the ranks beyond it are dropped.

    Returns
    -------
    array
        One number, in the dtype, library and device of `x`. Factors from the singular value decomposition of the
        targets' linear map make it least.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        A shape does not fit, or a size is 0.

    References
    ----------
    Horváth et al., Maestro, 2023 (not read again: as catalogued; the released code draws ranks).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, t, factor = np.array([2.0]), np.array([3.0]), np.array([[1.0, 1.0]])
    >>> refnorm.proj.ordered_dropout_objective(x, t, factor, factor, np.array([0.5, 0.25]))
    array(0.75)
    """
    xp, x, target, u, v, weights = prepare(x, target, u, v, weights, need=5)
    require_along(xp.reshape(x, (1, -1)), -1)
    require_factors(u, v, x.shape[-1])
    require_shape("target", target, (*x.shape[:-1], u.shape[0]))
    require_shape("weights", weights, u.shape[1:])
    wide, t, up, down, p = widen(xp, x, target, u, v, weights)
    spare, n = roomy(x, wide), math.prod(x.shape[:-1])
    low = inner(xp, wide, xp.matrix_transpose(down), roomy=spare)
    losses = []
    for r in range(1, u.shape[1] + 1):
        off = t - inner(xp, low[..., :r], up[:, :r], roomy=spare)
        losses.append(summed(xp, off * off, roomy=spare) / n)
    return give_back(xp, xp.reshape(summed(xp, p * xp.concat(losses), roomy=spare), ()), x)


def sizes(xp, factor, nested, *, roomy):
    """Return the lengths of the columns, of shape (ranks,): of all from each on together where they are nested."""
    if not nested:
        return length(xp, xp.matrix_transpose(factor), roomy=roomy)[:, 0]
    ranks = range(factor.shape[1])
    return xp.stack([length(xp, xp.reshape(factor[:, b:], (1, -1)), roomy=roomy)[0, 0] for b in ranks])


@operator(
    paper="horvath2023maestro",
    cases=[
        case("factors", normal(5, 3), normal(4, 3)),
        case("scale", normal(3, 4), normal(6, 4), scale=0.25),
        case("each rank", normal(4, 3), normal(2, 3), scale=3.0, nested=False),
        case("one rank", normal(4, 1), normal(2, 1)),
    ],
    bench=case("factors", normal(1024, 32), normal(1024, 32)),
    rows=lambda x, rng: ([x[:, :5], rng.normal(size=(4, min(5, x.shape[1])))], {"scale": 1 / 64}),
)
def hierarchical_group_lasso(u, v, /, *, scale=1.0, nested=True):
    r"""Return a penalty that takes the last ranks of two factors away first.

    .. math:: L = \lambda \sum_{b = 1}^{R} \bigl( \lVert U_{:,b:} \rVert_F + \lVert V_{:,b:} \rVert_F \bigr)

    Parameters
    ----------
    u, v : array of float16, bfloat16, float32 or float64
        The factors :math:`U`, of shape (m, ranks), and :math:`V`, of shape (n, ranks).
    scale : float
        The factor :math:`\lambda`.
    nested : bool
        Whether a group is all columns from one on; False takes each column alone, as the released code does when
        nothing is said.

    Returns
    -------
    array
        One number, in the dtype, library and device of `u`. The first group is the whole factors. Where a group is 0
        its gradient is 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        A shape does not fit, a size is 0, or `scale` is not finite.

    References
    ----------
    Horváth et al., Maestro, 2023 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.hierarchical_group_lasso(np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]]))
    array(13.)
    """
    xp, u, v = prepare(u, v, need=2)
    require_factors(u, v)
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    require_switch("nested", nested)
    factors = widen(xp, u, v)
    spare = roomy(u, factors[0])
    groups = [sizes(xp, f, nested, roomy=spare) for f in factors]
    return give_back(xp, xp.reshape(scale * summed(xp, xp.concat(groups), roomy=spare), ()), u)


@operator(
    paper="horvath2023maestro",
    cases=[
        case("some", normal(5, 4), normal(4, 4), threshold=6.0),
        case("loud", normal(3, 6), normal(6, 6), threshold=9.0),
        case("all kept", normal(4, 3), normal(2, 3)),
        case("each rank", normal(4, 5), normal(3, 5), threshold=2.0, nested=False),
        case("none kept", normal(4, 2), normal(2, 2), threshold=1e4),
    ],
    bench=case("factors", normal(1024, 32), normal(1024, 32)),
    rows=lambda x, rng: ([x[:, :5], rng.normal(size=(4, min(5, x.shape[1])))], {}),
)
def progressive_rank_shrink(u, v, /, *, threshold=1e-7, nested=True):
    r"""Set to zero the ranks of two factors whose tails are short.

    .. math:: U'_{:b} = U_{:b}, \; V'_{:b} = V_{:b} \text{ where }
        \lVert U_{:,b:} \rVert_F \, \lVert V_{:,b:} \rVert_F \ge \tau, \text{ else } 0

    Parameters
    ----------
    u, v : array of float16, bfloat16, float32 or float64
        The factors :math:`U`, of shape (m, ranks), and :math:`V`, of shape (n, ranks).
    threshold : float
        The least product :math:`\tau` of the lengths of two tails, not below zero.
    nested : bool
        Whether a tail is all columns from one on, so that what is kept is a prefix; False looks at each column alone,
        as the released code does when nothing is said.

    Returns
    -------
    tuple of array
        (U', V'), in the shapes of `u` and `v` and the dtype, library and device of `u`: which columns are left is
        known when values are, so none is cut off here. A rank whose tail has a NaN is kept.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        A shape does not fit, a size is 0, or `threshold` is negative or not finite.

    References
    ----------
    Horváth et al., Maestro, 2023 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.progressive_rank_shrink(np.array([[3.0, 0.5]]), np.array([[4.0, 1.0]]), threshold=1.0)
    (array([[3., 0.]]), array([[4., 0.]]))
    """
    xp, u, v = prepare(u, v, need=2)
    require_factors(u, v)
    require_along(u, -1, threshold)
    require_switch("nested", nested)
    factors = widen(xp, u, v)
    spare = roomy(u, factors[0])
    first, second = (sizes(xp, f, nested, roomy=spare) for f in factors)
    short = first * second < threshold
    return tuple(give_back(xp, xp.where(short, xp.zeros_like(f), f), u) for f in factors)


# ---- laws ----


@law(ordered_low_rank_linear, normal(4, 7), normal(5, 3), normal(7, 3))
def is_the_map_of_the_product(f, x, u, v):
    return f(x, u, v), x @ (u @ v.T).T


@law(ordered_low_rank_linear, normal(4, 7), normal(5, 3), normal(7, 3))
def ranks_add(f, x, u, v):
    return f(x, u, v, rank=2) + f(x, u[:, 2:], v[:, 2:]), f(x, u, v)


@law(ordered_dropout_objective, normal(4, 7), normal(4, 5), normal(5, 3), normal(7, 3))
def the_last_rank_alone_is_least_squares(f, x, t, u, v):
    return f(x, t, u, v, np.array([0.0, 0.0, 1.0])), ((t - x @ v @ u.T) ** 2).sum() / 4


@law(ordered_dropout_objective, normal(4, 7), normal(4, 5), normal(5, 3), normal(7, 3), simplex(3))
def weights_are_linear(f, x, t, u, v, p):
    return f(x, t, u, v, 4 * p), 4 * f(x, t, u, v, p)


@law(hierarchical_group_lasso, normal(5, 3), normal(4, 3))
def is_in_units_of_the_factors(f, u, v):
    return f(4 * u, 4 * v), f(u, v, scale=4.0)


@law(hierarchical_group_lasso, normal(5, 3), normal(4, 3))
def factors_add(f, u, v):
    return f(u, v), f(u, 0 * v) + f(0 * u, v)


@law(progressive_rank_shrink, normal(5, 3), normal(4, 3))
def scale_moves_between_factors(f, u, v):
    return f(4 * u, v, threshold=20.0)[1], f(u, 4 * v, threshold=20.0)[1] / 4


@law(progressive_rank_shrink, normal(5, 3), normal(4, 3))
def what_is_gone_stays_gone(f, u, v):
    return f(*f(u, v, threshold=4.0), threshold=4.0)[0], f(u, v, threshold=4.0)[0]
