"""The rotation that takes one set of vectors nearest to another."""

from __future__ import annotations

import numpy as np

from .._cases import case, normal
from .._core.triples import require_matrices, svd
from .._registry import law, operator
from .._xp import give_back, prepare, require_same_shape, require_switch, widen


def level(xp, x):
    """Return matrices by their largest size, so that no product of two overflows or vanishes; zeros stay."""
    size = xp.max(xp.abs(x), axis=(-2, -1), keepdims=True)
    return x / xp.where(size == 0, xp.ones_like(size), size)


@operator(
    paper=("schonemann1966generalized", "zhou2022bt2"),
    cases=[
        case("sets", normal(6, 3), normal(6, 3)),
        case("proper", normal(7, 4), normal(7, 4), proper=True),
        case("turned over", normal(5, 1), normal(5, 1), proper=True),
        case("stack", normal(2, 5, 2), normal(2, 5, 2)),
        case("tiny", normal(4, 2, std=1e-200), normal(4, 2, std=1e-200)),
        case("no sets", normal(0, 4, 3), normal(0, 4, 3)),
    ],
    bench=case("sets", normal(512, 32), normal(512, 32)),
    rows=lambda x, rng: ([x[:, :3], rng.normal(size=(len(x), 3))], {}),
)
def orthogonal_procrustes(x, target, /, *, proper=False):
    r"""Return the orthogonal matrix that takes rows of `x` nearest to those of `target`.

    .. math:: Q = \arg\min_{Q^T Q = I} \lVert X Q - T \rVert_F = U V^T, \qquad X^T T = U \, \mathrm{diag}(s) \, V^T

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Sets of vectors as rows, of shape (..., m, n).
    target : array
        What they should be turned to, row by row, of the shape of `x`.
    proper : bool
        Whether the matrix must be a rotation, of determinant 1 (Kabsch); the direction of the smallest singular value
        is turned over where it would not be.

    Returns
    -------
    array
        (..., n, n), in the dtype, library and device of `x`. A NaN or an infinity makes the whole matrix of its set
        NaN. Where :math:`X^T T` lacks a rank (with `proper`: two), or its last values tie, more than one is as near.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `proper` is no bool.
    ValueError
        `x` has not two axes, n or m is 0, or the shapes differ.

    Notes
    -----
    Sets are taken as they are: subtract their means for the best turn and shift together. The best scale beside the
    turn is <XQ, T> / <X, X>. SciPy's `orthogonal_procrustes` gives the same matrix, and the sum of s with it.

    References
    ----------
    Schonemann, A Generalized Solution of the Orthogonal Procrustes Problem, 1966; Kabsch, A Solution for the Best
    Rotation to Relate Two Sets of Vectors, 1976; Zhou et al., BT^2, 2022 (none read again: as catalogued; confirmed
    against SciPy).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, target = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 1.0], [2.0, 0.0]])
    >>> refnorm.proj.orthogonal_procrustes(x, target).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    xp, x, target = prepare(x, target, need=2)
    require_matrices("x", x)
    require_same_shape("target", target, x)
    require_switch("proper", proper)
    wide, aim = widen(xp, x, target)
    u, _, v = svd(xp, xp.matmul(xp.matrix_transpose(level(xp, wide)), level(xp, aim)))
    q = xp.matmul(u, xp.matrix_transpose(v))
    if proper:
        over = xp.linalg.det(q)[..., None, None] < 0
        last = xp.matmul(u[..., -1:], xp.matrix_transpose(v[..., -1:]))
        q = xp.where(over, q - 2 * last, q)
    return give_back(xp, q, x)


# ---- laws ----


@law(orthogonal_procrustes, normal(6, 3), normal(6, 3))
def columns_are_orthonormal(f, x, t):
    q = f(x, t)
    return q.T @ q, np.eye(3, dtype=x.dtype)


@law(orthogonal_procrustes, normal(6, 3), normal(6, 3))
def lengths_are_free(f, x, t):
    return f(4 * x, 0.5 * t), f(x, t)


@law(orthogonal_procrustes, normal(6, 3), normal(6, 3))
def back_is_transposed(f, x, t):
    return f(t, x, proper=True), f(x, t, proper=True).T


@law(orthogonal_procrustes, normal(6, 3), normal(6, 3))
def axes_of_the_target_turn_along(f, x, t):
    return f(x, t[:, ::-1]), f(x, t)[:, ::-1]
