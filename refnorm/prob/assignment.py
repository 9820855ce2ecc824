"""Soft clusters by Student's t, and the sharpened distribution they are trained towards."""

from __future__ import annotations

import math

from .._cases import case, normal, simplex
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, roomy, widen


def require_centers(x, center, nu) -> None:
    """Refuse centres that do not fit the points, and degrees of freedom that are not above zero."""
    require_along(x, -1)
    if center.ndim != 2 or center.shape[0] == 0 or center.shape[1] != x.shape[-1]:
        raise ValueError(f"center must have shape (K, {x.shape[-1]}), K at least 1, got {tuple(center.shape)}")
    try:
        good = 0 < nu < math.inf
    except TypeError:
        raise TypeError(f"nu must be a real number, got {type(nu).__name__}") from None
    if not good:
        raise ValueError(f"nu must be finite and above zero, got {nu!r}")


def to_centers(x, rng):
    """Return rows and four centres of their size."""
    return [x, x[rng.integers(0, len(x), 4)] * rng.uniform(0.5, 1.5, size=(4, x.shape[1]))], {"nu": 2.0}


@operator(
    paper="kulatilleke2022efficient",
    cases=[
        case("points", normal(5, 4), normal(3, 4)),
        case("loud nu", normal(4, 7, std=3.0), normal(5, 7), nu=1.5),
        case("more axes", normal(2, 3, 2), normal(4, 2, mean=3.0), nu=0.5),
        case("offset", normal(3, 6, mean=1e4), normal(2, 6, mean=1e4)),
        case("no points", normal(0, 4), normal(3, 4)),
    ],
    bench=case("points", normal(1024, 64), normal(16, 64)),
    rows=to_centers,
)
def student_t_assignment(x, center, /, *, nu=1.0):
    r"""Assign points to centres in shares that fall off with the distance as Student's t distribution does.

    .. math:: q_{ik} = \frac{(1 + \lVert x_i - c_k \rVert^2 / \nu)^{-(\nu + 1) / 2}}
        {\sum_l (1 + \lVert x_i - c_l \rVert^2 / \nu)^{-(\nu + 1) / 2}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The points, of shape (..., D).
    center : array
        The centres c, of shape (K, D), K at least 1.
    nu : float
        The degrees of freedom, above zero.

    Returns
    -------
    array
        The shares, (..., K), in the dtype, library and device of `x`. A NaN or an infinity in a point, or in any
        centre, makes the shares of the point NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `nu` is no number.
    ValueError
        `center` has not the shape (K, D), `x` has no coordinates, or `nu` is not finite and above zero.

    Notes
    -----
    With ever more degrees of freedom it becomes the softmax of minus half the squared distance. Distances are sums of
    squared differences, not differences of squares: points far from zero lose nothing.

    References
    ----------
    Kulatilleke et al., Efficient block contrastive learning via parameter-free meta-node approximation, 2022 (as
    catalogued from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.student_t_assignment(np.array([[0.0, 1.0]]), np.array([[0.0, 0.0], [3.0, 2.0 ** 0.5 + 1.0]]))
    array([[0.85714286, 0.14285714]])
    """
    xp, x, center = prepare(x, center, need=2)
    require_centers(x, center, nu)
    wide, c = widen(xp, x, center)
    d = xp.expand_dims(wide, axis=-2) - c
    scale = xp.max(xp.max(xp.abs(d), axis=-1, keepdims=True), axis=-2, keepdims=True)
    # scaled only where squares would overflow: of the sums only ratios count
    scale = xp.where(scale < xp.finfo(d.dtype).max ** 0.25, xp.ones_like(scale), scale)
    w = (1 / scale / scale + total(xp, (d / scale) ** 2, roomy=roomy(x, wide)) / nu)[..., 0]
    q = (w / xp.min(w, axis=-1, keepdims=True)) ** (-(nu + 1) / 2)
    return give_back(xp, q / total(xp, q, roomy=roomy(x, wide)), x)


@operator(
    paper="kulatilleke2022efficient",
    cases=[
        case("shares", simplex(5, 4)),
        case("many", simplex(21, 3)),
        case("no distributions", normal(4, 6, mean=9.0)),
        case("two rows", simplex(2, 5)),
        case("none", simplex(0, 3)),
    ],
    bench=case("shares", simplex(4096, 64)),
    rows=lambda x, rng: ([abs(x)], {}),
)
def dec_target_distribution(x, /):
    r"""Sharpen soft assignments: square the shares, and divide by the size of the cluster.

    .. math:: p_{ik} = \frac{q_{ik}^2 / f_k}{\sum_l q_{il}^2 / f_l}, \qquad f_k = \sum_i q_{ik}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The shares q of N points in K clusters, not below zero, of shape (N, K).

    Returns
    -------
    array
        The shape, dtype, library and device of `x`: rows that sum to one. A cluster that nobody has a share in gets
        none. A row of zeros is NaN; a NaN makes all NaN that have a share in its cluster, and +inf does too.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `x` is no matrix, or has no clusters.

    Notes
    -----
    The loss of deep embedded clustering is ``kl_divergence(p, q)``, its mean over the points.

    References
    ----------
    Kulatilleke et al., Efficient block contrastive learning via parameter-free meta-node approximation, 2022 (as
    catalogued from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.dec_target_distribution(np.array([[0.5, 0.5], [0.25, 0.75]])).round(3)
    array([[0.625, 0.375],
           [0.156, 0.844]])
    """
    xp, x = prepare(x)
    if x.ndim != 2:
        raise ValueError(f"x must have shape (N, K), got {tuple(x.shape)}")
    require_along(x, -1)
    (q,) = widen(xp, x)
    if x.shape[0] == 0:
        return x
    spare = roomy(x, q)
    f = xp.matrix_transpose(total(xp, xp.matrix_transpose(q), roomy=spare))
    top = xp.max(q, axis=-1, keepdims=True)  # so that squares of small shares do not vanish
    p = (q / xp.where(top == 0, xp.ones_like(top), top)) * (q / xp.where(f == 0, xp.ones_like(f), f))
    return give_back(xp, p / total(xp, p, roomy=spare), x)


# ---- laws ----


@law(student_t_assignment, normal(5, 4), normal(3, 4))
def sums_to_one(f, x, center):
    y = f(x, center, nu=3.0)
    return y.sum(axis=-1), y.sum(axis=-1) * 0 + 1


@law(student_t_assignment, normal(5, 4), normal(3, 4))
def one_shift_for_both(f, x, center):
    return f(x + x[:1], center + x[:1]), f(x, center)


@law(student_t_assignment, normal(5, 4), normal(3, 4))
def four_times_as_far_with_sixteen_times_nu(f, x, center):
    """Ratios are then raised to another power: (16 nu + 1) / 2 over (nu + 1) / 2."""
    y = f(x, center, nu=1.0) ** (17 / 2)
    return f(4 * x, 4 * center, nu=16.0), y / y.sum(axis=-1, keepdims=True)


@law(dec_target_distribution, simplex(5, 4))
def rows_sum_to_one(f, x):
    y = f(x)
    return y.sum(axis=-1), y.sum(axis=-1) * 0 + 1


@law(dec_target_distribution, simplex(5, 4))
def whole_shares_stay(f, x):
    y = 1.0 * (x == x.max(axis=1, keepdims=True))
    return f(y.astype(x.dtype)), y


@law(dec_target_distribution, simplex(5, 4))
def any_unit_will_do(f, x):
    return f(4 * x), f(x)
