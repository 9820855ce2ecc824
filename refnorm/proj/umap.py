"""The fuzzy graph of neighbours: both directions of an edge made one."""

from __future__ import annotations

import math

from .._cases import Draw, case, uniform
from .._registry import law, operator
from .._xp import give_back, prepare, widen


def graph(n):
    """Draw memberships from 0 to 1, as many rows as columns."""
    return Draw((n, n), lambda rng, s: rng.uniform(size=(s[1], s[1])), "memberships")


@operator(
    paper="mcinnes2018umap",
    cases=[
        case("union", uniform(5, 5)),
        case("loud mix", uniform(6, 6), alpha=0.25),
        case("intersection", uniform(4, 4), alpha=0.0),
        case("one", uniform(1, 1), alpha=0.75),
        case("graphs", uniform(2, 3, 3), alpha=0.5),
        case("no nodes", uniform(0, 0)),
    ],
    bench=case("union", graph(1024)),
    rows=lambda x, rng: ([abs(x[:, : len(x)]) / abs(x).max()], {"alpha": 0.25}),
)
def fuzzy_union(x, /, *, alpha=1.0):
    r"""Make memberships of edges symmetric: how much either direction belongs, or both.

    .. math:: y = \alpha \, (P + P^T - P \odot P^T) + (1 - \alpha) \, P \odot P^T
        = \alpha \, (P + P^T) + (1 - 2 \alpha) \, P \odot P^T

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The memberships :math:`P` of directed edges, from 0 to 1, dense, of shape (..., n, n).
    alpha : float
        The share :math:`\alpha` of the union; the rest is of the intersection. umap-learn calls it set_op_mix_ratio.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`, symmetric. A NaN is one in both directions.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `alpha` is no number.
    ValueError
        `x` is not square, or `alpha` is not in 0..1.

    References
    ----------
    McInnes, Healy and Melville, UMAP, 2018 (not read again: as catalogued from umap-learn).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.fuzzy_union(np.array([[0.0, 0.5], [0.25, 0.0]]))
    array([[0.   , 0.625],
           [0.625, 0.   ]])
    """
    xp, x = prepare(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"x must have shape (..., n, n), got {tuple(x.shape)}")
    if not 0 <= alpha <= 1 or math.isnan(alpha):
        raise ValueError(f"alpha must be in 0..1, got {alpha!r}")
    (p,) = widen(xp, x)
    back = xp.matrix_transpose(p)
    # what is of both is taken once, so that at a half of either nothing cancels
    return give_back(xp, alpha * (p + back) + (1 - 2 * alpha) * (p * back), x)


@law(fuzzy_union, uniform(5, 5))
def is_symmetric(f, p):
    return f(p, alpha=0.25), f(p.T, alpha=0.25).T


@law(fuzzy_union, uniform(5, 5))
def union_and_intersection_are_the_sum(f, p):
    return f(p) + f(p, alpha=0.0), p + p.T


@law(fuzzy_union, uniform(5, 5))
def union_is_the_complement_of_what_neither_is(f, p):
    return 1 - f(p), (1 - p) * (1 - p.T)
