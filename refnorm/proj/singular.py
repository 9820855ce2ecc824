"""A linear map written as U diag(s) V^T, and trained there: all values, and directions that are drawn."""

from __future__ import annotations

import operator as op

from .._cases import case, normal, orthonormal, positive, uniform
from .._core.moments import sum_leading
from .._core.products import inner
from .._core.sums import total
from .._registry import gradient, law, operator
from .._xp import (
    give_back,
    like_weight,
    prepare,
    require_along,
    require_same_shape,
    require_shape,
    roomy,
    widen,
)  # fmt: skip


def require_triple(x, u, s, v, rest, bias) -> tuple:
    """Refuse what are no factors of a map of rows of x; return the shape of the answer."""
    require_along(x, -1)
    if s.ndim != 1 or s.shape[0] == 0:
        raise ValueError(f"s must have shape (r,), r above 0, got {tuple(s.shape)}")
    if u.ndim != 2 or u.shape[1] != s.shape[0] or u.shape[0] == 0:
        raise ValueError(f"u must have shape (m, {s.shape[0]}), got {tuple(u.shape)}")
    require_shape("v", v, (x.shape[-1], s.shape[0]))
    require_shape("rest", rest, (u.shape[0], x.shape[-1]))
    require_shape("bias", bias, u.shape[:1])
    return (*x.shape[:-1], u.shape[0])


@operator(
    paper=("sun2024svfit", "zhao2024sparse"),
    cases=[
        case("factors", normal(4, 6), orthonormal(5, 3), positive(3), orthonormal(6, 3)),
        case(
            "what is left",
            normal(2, 3, 5),
            orthonormal(4, 2),
            positive(2),
            orthonormal(5, 2),
            normal(4, 5),
            normal(4),
        ),
        case("bias", normal(3, 7, mean=20.0), normal(2, 2), normal(2), normal(7, 2), None, normal(2)),
        case("one row", normal(4), normal(3, 1), normal(1), normal(4, 1), normal(3, 4)),
        case("no rows", normal(0, 4), normal(3, 2), normal(2), normal(4, 2)),
    ],
    bench=case("rows", normal(512, 1024), normal(1024, 64), positive(64), normal(1024, 64), normal(1024, 1024)),
    rows=lambda x, rng: (
        [x, rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=(x.shape[1], 2)) / x.shape[1]],
        {},
    ),
)
def svd_linear(x, u, s, v, rest=None, bias=None, /):
    r"""Map rows of `x` by a weight given by its singular triples, and by what they leave of it.

    .. math:: y = \bigl( (x V) \odot s \bigr) U^T + x W_e^T + c

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    u, v : array
        The singular vectors as columns, :math:`U` of shape (m, r) and :math:`V` of shape (n, r). That they are
        orthonormal is not checked.
    s : array
        The singular values, of shape (r,).
    rest : array, optional
        What the r triples leave of the weight, :math:`W_e`, of shape (m, n), frozen; 0 when left out.
    bias : array, optional
        The shift :math:`c`, of shape (m,).

    Returns
    -------
    array
        (..., m), in the dtype, library and device of `x`. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        A shape does not fit, or a size is 0.

    Notes
    -----
    SVFit trains s alone and keeps the rest. Sparse spectral training moves all three, sets s below zero to zero,
    gives moved columns unit length, and decomposes anew once a round.

    References
    ----------
    Sun et al., SVFit, 2024; Zhao et al., Sparse Spectral Training, 2024 (neither read again: as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> u, v = np.array([[1.0], [0.0]]), np.array([[0.6], [0.8]])
    >>> refnorm.proj.svd_linear(np.array([3.0, 4.0]), u, np.array([2.0]), v, np.eye(2)).round(12).tolist()
    [13.0, 4.0]
    """
    xp, x, u, s, v, rest, bias = prepare(x, u, s, v, rest, bias, need=4)
    require_triple(x, u, s, v, rest, bias)
    wide, left, values, right, w, c = widen(xp, x, u, s, v, rest, bias)
    spare = roomy(x, wide)
    y = inner(xp, values * inner(xp, wide, xp.matrix_transpose(right), roomy=spare), left, roomy=spare)
    if w is not None:
        y = y + inner(xp, wide, w, roomy=spare)
    return give_back(xp, y if c is None else y + c, x)


@gradient(svd_linear)
def svd_linear_vjp(cotangent, x, u, s, v, rest=None, bias=None, /):
    r"""Return the cotangents of the inputs for a cotangent of ``svd_linear(x, u, s, v, rest, bias)``.

    .. math::
        G = \bar y^T x, \quad \bar s_i = u_i^T G v_i, \quad \bar u_i = s_i G v_i, \quad \bar v_i = s_i G^T u_i, \quad
        \bar x = \bar y \, (U \mathrm{diag}(s) V^T + W_e), \quad \bar W_e = G

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, u, s, v, rest, bias
        As in :func:`svd_linear`.

    Returns
    -------
    tuple
        ``(dx, du, ds, dv, drest, dbias)``; None where an input is left out.

    Raises
    ------
    TypeError, ValueError
        As in :func:`svd_linear`; also where `cotangent` has not the shape of the output.

    Notes
    -----
    The enhanced gradients of sparse spectral training are G v_i and G^T u_i: these divided by s_i.

    References
    ----------
    Zhao et al., Sparse Spectral Training, 2024 (not read again: the gradients are confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> u, v = np.array([[1.0], [0.0]]), np.array([[0.5], [1.0]])
    >>> refnorm.proj.svd_linear_vjp(np.array([1.0, 2.0]), np.array([2.0, 3.0]), u, np.array([3.0]), v)[2]
    array([4.])
    """
    xp, cotangent, x, u, s, v, rest, bias = prepare(cotangent, x, u, s, v, rest, bias, need=5)
    require_shape("cotangent", cotangent, require_triple(x, u, s, v, rest, bias))
    g, wide, left, values, right, w = widen(xp, cotangent, x, u, s, v, rest)
    rows, g = xp.reshape(wide, (-1, x.shape[-1])), xp.reshape(g, (-1, u.shape[0]))
    low, back = xp.matmul(rows, right), xp.matmul(g, left)
    dx = xp.matmul(values * back, xp.matrix_transpose(right))
    if w is not None:
        dx = dx + xp.matmul(g, w)
    du = xp.matmul(xp.matrix_transpose(g), values * low)
    dv = xp.matmul(xp.matrix_transpose(rows), values * back)
    whole = None if w is None else xp.matmul(xp.matrix_transpose(g), rows)
    parts = (du, sum_leading(xp, low * back), dv, whole, sum_leading(xp, g))
    given = zip(parts, (u, s, v, rest, bias), strict=True)
    return give_back(xp, xp.reshape(dx, x.shape), x), *(like_weight(xp, d, p) for d, p in given)


@operator(
    paper="zhao2024sparse",
    cases=[
        case("values", positive(9), uniform(9), k=4),
        case("by size alone", positive(3, 7), uniform(3, 7), k=3, alpha=0.0),
        case("mostly uniform", positive(2, 3, 5), uniform(2, 3, 5), k=2, alpha=0.875),
        case("all", positive(4, 6), uniform(4, 6), k=6),
        case("no rows", uniform(0, 4), uniform(0, 4), k=1),
    ],
    bench=case("values", positive(64, 1024), uniform(64, 1024), k=64),
    rows=lambda x, rng: ([abs(x), rng.uniform(size=x.shape)], {"k": 3}),
)
def sample_singular_directions(x, u, /, *, k, alpha=0.5):
    r"""Draw the singular directions that are trained next: without replacement, large values more often.

    .. math:: p_i = \frac{\alpha}{n} + (1 - \alpha) \frac{x_i}{\sum_j x_j}, \qquad
        (i_1, \dots, i_k) = \text{the places of the } k \text{ smallest of } \frac{-\log u_i}{p_i}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The singular values, 0 or more, of shape (..., n); not checked.
    u : array
        Uniform numbers between 0 and 1, of the shape of `x`.
    k : int
        How many are drawn, from 1 to n.
    alpha : float
        The share :math:`\alpha` of the uniform distribution, 0 to 1; with 0 only values count.

    Returns
    -------
    tuple
        ``(p, places)``: the chances of a single draw, of the shape, dtype, library and device of `x`, and integers of
        shape (..., k), in the order of a draw one by one. A NaN or an infinity, or values that are all 0, make chances
        NaN; what has such a chance is drawn last.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        The shapes differ, `k` is not from 1 to n, or `alpha` is not in 0..1.

    Notes
    -----
    An exponential clock of rate p rings for each direction, and the first k are taken: the same as draws one after the
    other of what is left (Plackett and Luce).

    References
    ----------
    Zhao et al., Sparse Spectral Training, 2024 (not read again: half uniform as catalogued from its later version, of
    which the first speaks of magnitudes alone).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> u = np.exp(-np.array([1.0, 1.0, 3.0]))  # clocks of 1, 1 and 3 over the chance
    >>> p, places = refnorm.proj.sample_singular_directions(np.array([1.0, 2.0, 5.0]), u, k=2, alpha=0.0)
    >>> p, places
    (array([0.125, 0.25 , 0.625]), array([1, 2]))
    """
    xp, x, u = prepare(x, u, need=2)
    require_along(x, -1)
    require_same_shape("u", u, x)
    n = x.shape[-1]
    if not 1 <= op.index(k) <= n:
        raise ValueError(f"k must be from 1 to {n}, got {k!r}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in 0..1, got {alpha!r}")
    wide, draws = widen(xp, x, u)
    p = alpha / n + (1 - alpha) * (wide / total(xp, wide, roomy=roomy(x, wide)))
    places = xp.argsort(-xp.log(draws) / p, axis=-1, stable=True)[..., : op.index(k)]
    return give_back(xp, p, x), places


# ---- laws ----


@law(sample_singular_directions, positive(3, 7), uniform(3, 7))
def scale_of_values_is_free(f, x, u):
    return f(4 * x, u, k=7)[0], f(x, u, k=7)[0]


@law(sample_singular_directions, positive(3, 7), uniform(3, 7))
def all_are_drawn_at_last(f, x, u):
    p, places = f(x, u, k=7)
    return places.sum(axis=-1) + p.sum(axis=-1), 22.0 + 0 * p[:, 0]


@law(sample_singular_directions, positive(3, 7), uniform(3, 7))
def uniform_draws_know_no_values(f, x, u):
    p, places = f(x, u, k=3, alpha=1.0)
    return 7 * p[:, :3] + places, 1 + (-u).argsort(axis=-1)[:, :3]


@law(svd_linear, normal(4, 6), orthonormal(5, 3), positive(3), orthonormal(6, 3))
def is_the_map_of_the_product(f, x, u, s, v):
    return f(x, u, s, v), x @ ((u * s) @ v.T).T


@law(svd_linear, normal(4, 6), orthonormal(5, 3), positive(3), orthonormal(6, 3), normal(5, 6))
def values_are_linear_beside_the_rest(f, x, u, s, v, w):
    return f(x, u, 3 * s, v, w) - f(x, u, s, v, w), 2 * f(x, u, s, v)


@law(svd_linear, normal(4, 6), orthonormal(5, 3), positive(3), orthonormal(6, 3), normal(5, 6), normal(5))
def bias_is_added(f, x, u, s, v, w, c):
    return f(x, u, s, v, w, c), f(x, u, s, v, w) + c
