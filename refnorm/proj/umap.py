"""The fuzzy graph of neighbours: both directions of an edge made one, and the loss of an embedding."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, normal, uniform
from .._core.sums import total
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_shape, roomy, widen


def graph(n):
    """Draw memberships from 0 to 1, as many rows as columns."""
    return Draw((n, n), lambda rng, s: rng.uniform(size=(s[1], s[1])), "memberships")


def pairs(n):
    """Draw memberships from 0 to 1, as many columns as rows."""
    return Draw((n, n), lambda rng, s: rng.uniform(size=(s[0], s[0])), "memberships")


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


def require_points(x, weights, a, b, eps) -> None:
    """Refuse what are no points with a membership for each pair, and no curve."""
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (n, d) without a 0, got {tuple(x.shape)}")
    require_shape("weights", weights, (x.shape[0], x.shape[0]))
    for name, given, most in (("a", a, math.inf), ("b", b, math.inf), ("eps", eps, 1)):
        if not 0 < given < most:
            raise ValueError(f"{name} must be above 0 and below {most}, got {given!r}")


def x_log_x(xp, x):
    """Return x log x, 0 at 0."""
    return x * xp.log(xp.where(x == 0, xp.ones_like(x), x))


@operator(
    paper="mcinnes2018umap",
    cases=[
        case("points", normal(5, 2), uniform(5, 5)),
        case("other curve", normal(4, 3), uniform(4, 4), a=0.5, b=1.25),
        case("loud eps", normal(6, 2, std=3.0), uniform(6, 6), eps=0.25),
        case("near and far", normal(4, 1, std=30.0), uniform(4, 4), a=3.0, eps=0.0625),
        case("one point", normal(1, 2), uniform(1, 1)),
    ],
    bench=case("points", normal(256, 2), pairs(256)),
    rows=lambda x, rng: ([x, rng.uniform(size=(len(x), len(x)))], {"eps": 0.01}),
)
def umap_cross_entropy(x, weights, /, *, a=1.577, b=0.895, eps=1e-4):
    r"""Return how far memberships in an embedding are from those of its graph: a cross entropy of all edges.

    .. math::
        L = \sum_{i \ne j} w \log \frac{w}{\max(q, \epsilon)} + (1 - w) \log \frac{1 - w}{\max(1 - q, \epsilon)},
        \qquad q_{ij} = \frac{1}{1 + a \lVert x_i - x_j \rVert^{2b}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The embedding, of shape (n, d).
    weights : array
        The memberships :math:`w` of edges, 0 to 1, of shape (n, n), such as :func:`fuzzy_union` gives; the diagonal
        counts for nothing. Others than 0 to 1 make the loss NaN.
    a, b : float
        The curve, above 0: 1.577 and 0.895 for a least distance of 0.1 and a spread of 1.
    eps : float
        The least of a membership and of what is left of it, in the logarithms: above 0 and below 1.

    Returns
    -------
    array
        One number, in the dtype, library and device of `x`: 0 where q is w and eps is out of the way. A NaN makes it
        NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        A shape does not fit, a size is 0, `a` or `b` is not above 0 and finite, or `eps` is not between 0 and 1.

    Notes
    -----
    Both directions of an edge count. umap-learn never computes this loss: it follows sampled gradients of it.

    References
    ----------
    McInnes, Healy and Melville, UMAP, 2018 (not read again: as catalogued; the default curve is confirmed against a
    least squares fit).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, weights = np.array([[0.0], [1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> float(refnorm.proj.umap_cross_entropy(x, weights, a=1.0).round(6))  # both are a half there
    1.386294
    """
    xp, x, weights = prepare(x, weights, need=2)
    require_points(x, weights, a, b, eps)
    wide, w = widen(xp, x, weights)
    n, spare = x.shape[0], roomy(x, wide)
    t = a * total(xp, (wide[:, None, :] - wide[None, :, :]) ** 2, roomy=spare)[..., 0] ** b
    t = xp.where(xp.eye(n, dtype=xp.bool, device=device(x)), xp.ones_like(t), t)
    near, far = xp.log1p(t), xp.log1p(1 / xp.where(t == 0, xp.full_like(t, xp.finfo(t.dtype).smallest_normal), t))
    most = xp.full_like(t, -math.log(eps))
    near, far = (xp.where(v > most, most, v) for v in (near, far))  # -log q and -log(1 - q), to the last digits
    each = (x_log_x(xp, w) + w * near) + (x_log_x(xp, 1 - w) + (1 - w) * far)
    each = xp.where(xp.eye(n, dtype=xp.bool, device=device(x)), xp.zeros_like(each), each)
    return give_back(xp, xp.reshape(total(xp, xp.reshape(each, (-1,)), roomy=spare), ()), x)


# ---- laws ----


@law(fuzzy_union, uniform(5, 5))
def is_symmetric(f, p):
    return f(p, alpha=0.25), f(p.T, alpha=0.25).T


@law(fuzzy_union, uniform(5, 5))
def union_and_intersection_are_the_sum(f, p):
    return f(p) + f(p, alpha=0.0), p + p.T


@law(fuzzy_union, uniform(5, 5))
def union_is_the_complement_of_what_neither_is(f, p):
    return 1 - f(p), (1 - p) * (1 - p.T)


@law(umap_cross_entropy, normal(5, 2), uniform(5, 5))
def points_may_be_moved_together(f, x, w):
    return f(-x + 0.5, w, eps=0.25), f(x, w, eps=0.25)


@law(umap_cross_entropy, normal(4, 2))
def memberships_of_the_embedding_cost_nothing(f, x):
    square = ((x[:, None] - x[None]) ** 2).sum(axis=-1)
    return 1 + f(x, 1 / (1 + square), a=1.0, b=1.0), np.ones(())
