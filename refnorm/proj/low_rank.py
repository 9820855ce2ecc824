"""The nearest matrix of a rank: leading singular triples."""

from __future__ import annotations

import math

import numpy as np

from .._cases import case, normal
from .._core.triples import leading, require_matrices, require_rank
from .._registry import law, operator
from .._xp import give_back, prepare, require_same_shape, widen


@operator(
    paper=("eckart1936approximation", "guo2023pela", "sun2024svfit"),
    cases=[
        case("all", normal(4, 3)),
        case("wide", normal(4, 6), rank=2),
        case("tall", normal(6, 3), rank=3),
        case("stack", normal(2, 3, 5), rank=1),
        case("no matrices", normal(0, 3, 4), rank=2),
    ],
    bench=case("wide", normal(128, 256), rank=2),
    rows=lambda x, rng: ([x[:6] / (1 + abs(x).max())], {}),  # values of many large rows have no place in float16
)
def truncated_svd(x, /, *, rank=None):
    r"""Return the leading singular triples of matrices: the nearest matrix of their rank, in factors.

    .. math:: X \approx U \, \mathrm{diag}(s) \, V^T, \qquad U^T U = V^T V = I, \qquad s_1 \ge s_2 \ge \dots \ge 0

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Matrices, of shape (..., m, n).
    rank : int, optional
        How many triples, r, of 1 to min(m, n); all when left out. It is never found by a tolerance.

    Returns
    -------
    tuple of arrays
        ``(u, s, v)``, of shapes (..., m, r), (..., r) and (..., n, r), in the dtype, library and device of `x`, as
        :func:`svd_linear` takes them. The first of the largest entries of each column of v is positive. A NaN or an
        infinity makes its whole matrix NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `rank` is no int.
    ValueError
        `x` is no matrix or an empty one, or `rank` is out of its range.

    Notes
    -----
    What is left, x - u diag(s) v^T, has the squared length of the singular values that are cut off, and no matrix of
    rank r leaves less. Both factors of a factorised layer are u sqrt(s) and v sqrt(s), of as many numbers as x at
    rank m n / (m + n). Columns of equal singular values may be turned among themselves, and those of values that
    vanish are any that are orthonormal to the rest.

    References
    ----------
    Eckart and Young, The Approximation of One Matrix by Another of Lower Rank, 1936; Guo et al., PELA, 2023; Sun et
    al., SVFit, 2024 (none read again: as catalogued; confirmed against SciPy and torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> u, s, v = refnorm.proj.truncated_svd(np.array([[0.0, -3.0], [2.0, 0.0]]), rank=1)
    >>> u.tolist(), s.tolist(), v.tolist()
    ([[-1.0], [0.0]], [3.0], [[0.0], [1.0]])
    """
    xp, x = prepare(x)
    require_matrices("x", x)
    r = require_rank(rank, min(x.shape[-2:]))
    (wide,) = widen(xp, x)
    return tuple(give_back(xp, part, x) for part in leading(xp, wide, r))


@operator(
    paper="lee2022supervised",
    cases=[
        case("wide", normal(4, 6), normal(4, 6), rank=2, step=0.5),
        case("tall", normal(6, 3), normal(6, 3), rank=1),
        case("stack", normal(2, 3, 5), normal(2, 3, 5), rank=2, step=2.0),
        case("full rank", normal(4, 3), normal(4, 3)),
        case("no matrices", normal(0, 3, 4), normal(0, 3, 4), rank=2),
    ],
    bench=case("wide", normal(128, 256), normal(128, 256), rank=2),
    rows=lambda x, rng: ([x[:6], rng.normal(size=x[:6].shape)], {"rank": 1, "step": 0.5}),
)
def low_rank_gradient_step(x, direction, /, *, step=1.0, rank=None):
    r"""Step against a gradient, and back to the nearest matrix of a rank.

    .. math:: Y = P_r(X - \eta G), \qquad P_r(U \, \mathrm{diag}(s) \, V^T) = \sum_{i \le r} s_i u_i v_i^T

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Matrices, of shape (..., m, n).
    direction : array
        The gradient :math:`G`, of the shape of `x`.
    step : float
        The length of the step, :math:`\eta`, in units of x over those of the gradient.
    rank : int, optional
        The rank r of the answer, of 1 to min(m, n); all when left out, and then nothing is cut off.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes its whole matrix NaN. Where two
        singular values tie at the cut, either answer is as near.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `rank` is no int.
    ValueError
        `x` is no matrix or an empty one, a shape does not fit, `rank` is out of its range, or `step` is not finite.

    References
    ----------
    Lee, Lyu and Yao, Supervised Dictionary Learning with Auxiliary Covariates, 2022 (not read again: as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, g = np.array([[0.0, 3.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> refnorm.proj.low_rank_gradient_step(x, g, rank=1, step=0.5).tolist()
    [[0.0, 2.5], [0.0, 0.0]]
    """
    xp, x, direction = prepare(x, direction, need=2)
    require_matrices("x", x)
    require_same_shape("direction", direction, x)
    if not math.isfinite(step):
        raise ValueError(f"step must be finite, got {step!r}")
    r = require_rank(rank, min(x.shape[-2:]))
    wide, g = widen(xp, x, direction)
    u, s, v = leading(xp, wide - step * g, r)
    return give_back(xp, xp.matmul(u * s[..., None, :], xp.matrix_transpose(v)), x)


# ---- laws ----


def product(u, s, v):
    return (u * s) @ v.T


@law(truncated_svd, normal(4, 6))
def all_triples_give_the_matrix(f, x):
    return product(*f(x)), x


@law(truncated_svd, normal(6, 4))
def columns_are_orthonormal(f, x):
    u, s, v = f(x, rank=3)
    return np.stack([u.T @ u, v.T @ v]), np.stack([np.eye(3)] * 2).astype(x.dtype) + 0 * s


@law(truncated_svd, normal(5, 4))
def values_cut_off_are_what_is_left(f, x):
    (u, s, v), (_, every, _) = f(x, rank=2), f(x)
    return ((x - product(u, s, v)) ** 2).sum(), (every[2:] ** 2).sum()


@law(low_rank_gradient_step, normal(4, 6), normal(4, 6))
def steps_are_in_units_of_x(f, x, g):
    return f(4 * x, g, rank=2, step=2.0), 4 * f(x, g, rank=2, step=0.5)


@law(low_rank_gradient_step, normal(4, 3), normal(4, 3))
def nothing_is_cut_off_at_full_rank(f, x, g):
    return f(x, g, step=0.5), x - 0.5 * g


@law(low_rank_gradient_step, normal(4, 6), normal(4, 6))
def cut_once_is_cut(f, x, g):
    y = f(x, g, rank=2)
    return f(y, 0 * g, rank=2), y
