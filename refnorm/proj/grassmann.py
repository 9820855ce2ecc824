"""Subspaces as points: logits that are lengths of projections, angles between two, and ways from one to another."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, normal
from .._core.moments import sum_leading
from .._core.norms import length
from .._core.products import inner
from .._core.sums import total
from .._core.triples import require_matrices, svd
from .._registry import gradient, law, operator
from .._xp import (
    device,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_same_shape,
    require_shape,
    require_switch,
    roomy,
    widen,
)
from .subspace import frame, frames


def require_classes(x, basis, bias, normalize, scale, eps) -> tuple:
    """Refuse what are no subspaces of rows of x; return the shape of the logits."""
    require_along(x, -1, eps)
    if basis.ndim != 3 or basis.shape[2] != x.shape[-1] or 0 in basis.shape:
        raise ValueError(f"basis must have shape (classes, m, {x.shape[-1]}) without a 0, got {tuple(basis.shape)}")
    require_shape("bias", bias, basis.shape[:1])
    require_switch("normalize", normalize)
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    return (*x.shape[:-1], basis.shape[0])


def sizes(xp, x, normalize, eps, *, roomy):
    """Return what rows are divided by: their length or eps, and 1 where they are taken as they are."""
    if not normalize:
        return xp.ones_like(x[..., :1])
    size = length(xp, x, roomy=roomy)
    return xp.where(size < eps, xp.full_like(size, eps), size)


def along(xp, x, basis, *, roomy):
    """Return the coordinates of rows in every subspace, (..., classes, m), and their lengths, (..., classes, 1)."""
    flat = xp.reshape(basis, (-1, basis.shape[2]))
    c = xp.reshape(inner(xp, x, flat, roomy=roomy), (*x.shape[:-1], *basis.shape[:2]))
    return c, length(xp, c, roomy=roomy)


@operator(
    paper="wang2023get",
    cases=[
        case("classes", normal(4, 6), frames(3, 2, 6)),
        case("bias", normal(2, 3, 5, mean=2.0), frames(4, 3, 5), normal(4), scale=2.5),
        case("as they are", normal(3, 7), frames(2, 1, 7), scale=0.5, normalize=False),
        case("loud eps", normal(3, 4), frames(2, 2, 4), eps=4.0),
        case("no rows", normal(0, 4), frames(3, 2, 4)),
    ],
    bench=case("classes", normal(512, 256), frames(100, 8, 256)),
    rows=lambda x, rng: ([x, rng.normal(size=(2, 2, x.shape[1]))], {}),
)
def grassmann_logits(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    r"""Return the lengths of the projections of rows of `x` on a subspace for each class.

    .. math:: y_k = \gamma \, \lVert S_k \hat x \rVert_2 + b_k, \qquad \hat x = x / \max(\lVert x \rVert_2, \epsilon)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., d).
    basis : array
        Orthonormal rows :math:`S_k` for each class, of shape (classes, m, d). That they are orthonormal is not
        checked.
    bias : array, optional
        The shift :math:`b_k` of each class; the released head has none.
    scale : float
        The factor :math:`\gamma`.
    normalize : bool
        Whether rows of x get unit length first.
    eps : float
        The least a row is divided by, in units of x.

    Returns
    -------
    array
        (..., classes), in the dtype, library and device of `x`. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        A shape does not fit, a size is 0, `scale` is not finite, or `eps` negative.

    Notes
    -----
    A subspace of one dimension gives the magnitude of a cosine, the whole space gives 1. Turning a basis within its
    subspace changes nothing. The gradient of a basis is made a tangent by :func:`subspace_remove`.

    References
    ----------
    Wang, Li and Zhang, Get the Best of Both Worlds, 2023 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> basis = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    >>> refnorm.proj.grassmann_logits(np.array([3.0, 0.0, 4.0]), basis, scale=10.0).tolist()
    [6.0, 8.0]
    """
    xp, x, basis, bias = prepare(x, basis, bias, need=2)
    require_classes(x, basis, bias, normalize, scale, eps)
    wide, s, b = widen(xp, x, basis, bias)
    spare = roomy(x, wide)
    y = along(xp, wide, s, roomy=spare)[1][..., 0] / sizes(xp, wide, normalize, eps, roomy=spare)
    return give_back(xp, scale * y if b is None else scale * y + b, x)


@gradient(grassmann_logits)
def grassmann_logits_vjp(cotangent, x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    r"""Return the cotangents of `x`, `basis` and `bias` for a cotangent of ``grassmann_logits(x, basis, bias)``.

    .. math::
        u_k = \frac{S_k \hat x}{\lVert S_k \hat x \rVert}, \quad g = \gamma \sum_k \bar y_k S_k^T u_k, \quad
        \bar x = \frac{g - \hat x \langle \hat x, g \rangle}{\lVert x \rVert}, \quad
        \bar S_k = \gamma \sum_{\text{rows}} \bar y_k u_k \hat x^T

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, basis, bias, scale, normalize, eps
        As in :func:`grassmann_logits`.

    Returns
    -------
    tuple
        ``(dx, dbasis, dbias)``; None where there is no bias. Where a projection is 0 its gradient is 0; a row shorter
        than eps is divided by a constant.

    Raises
    ------
    TypeError, ValueError
        As in :func:`grassmann_logits`; also where `cotangent` has not the shape of the output.

    References
    ----------
    Wang, Li and Zhang, Get the Best of Both Worlds, 2023 (not read again: confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, basis = np.array([0.0, 2.0]), np.array([[[0.6, 0.8]]])
    >>> dx, dbasis, _ = refnorm.proj.grassmann_logits_vjp(np.array([1.0]), x, basis, scale=1.0)
    >>> dx.round(12).tolist(), dbasis.tolist()
    ([0.3, 0.0], [[[0.0, 1.0]]])
    """
    xp, cotangent, x, basis, bias = prepare(cotangent, x, basis, bias, need=3)
    require_shape("cotangent", cotangent, require_classes(x, basis, bias, normalize, scale, eps))
    c, wide, s = widen(xp, cotangent, x, basis)
    spare = roomy(x, wide)
    size = sizes(xp, wide, normalize, eps, roomy=spare)
    at, far = along(xp, wide, s, roomy=spare)
    u = scale * c[..., None] * at / xp.where(far == 0, xp.ones_like(far), far)
    u = xp.reshape(u, (*x.shape[:-1], basis.shape[0] * basis.shape[1]))
    flat, unit = xp.reshape(s, (-1, x.shape[-1])), wide / size
    g = xp.matmul(u, flat)
    moves = size == length(xp, wide, roomy=spare) if normalize else size != size
    dx = (g - xp.where(moves, unit * total(xp, unit * g, roomy=spare), xp.zeros_like(g))) / size
    rows = xp.matrix_transpose(xp.reshape(u, (-1, flat.shape[0])))
    ds = xp.matmul(rows, xp.reshape(unit, (-1, x.shape[-1])))
    return give_back(xp, dx, x), like_weight(xp, ds, basis), like_weight(xp, sum_leading(xp, c), bias)


def nearby(k, n, far):
    """Draw k rows that span almost the first k axes."""
    return Draw((k, n), lambda rng, s: np.eye(*s) + far * rng.normal(size=s), "nearby")


def spanned(xp, x):
    """Return orthonormal columns that span the rows of x, the diagonal of R in x^T = Q R positive; NaN as svd does."""
    bad = xp.any(~xp.isfinite(x), axis=(-2, -1), keepdims=True)
    x = xp.where(bad, xp.zeros_like(x), x)
    size = xp.max(xp.abs(x), axis=(-2, -1), keepdims=True)
    q, r = xp.linalg.qr(xp.matrix_transpose(x / xp.where(size == 0, xp.ones_like(size), size)))
    places = xp.arange(x.shape[-2], device=device(x))
    diagonal = xp.sum(xp.where(places[:, None] == places, r, xp.zeros_like(r)), axis=-2, keepdims=True)
    return xp.where(bad, xp.full_like(q, math.nan), xp.where(diagonal < 0, -q, q))


def require_spans(x, other) -> None:
    """Refuse what are no rows of two subspaces of one space, each of no more rows than it has dimensions."""
    for name, rows in (("a", x), ("b", other)):
        require_matrices(name, rows)
        if rows.shape[-2] > rows.shape[-1]:
            raise ValueError(f"{name} must have no more rows than columns, got shape {tuple(rows.shape)}")
    require_shape("b", other, (*x.shape[:-2], other.shape[-2], x.shape[-1]))


@operator(
    paper=("wang2023get", "wang2024diffusion", "bjorck1973numerical"),
    cases=[
        case("two planes", frame(2, 5), frame(2, 5)),
        case("any rows", normal(3, 6, mean=1.0), normal(2, 6)),
        case("small angles", nearby(2, 5, 1e-5), nearby(2, 5, 1e-5)),
        case("stack", normal(2, 1, 4), normal(2, 3, 4)),
        case("no subspaces", normal(0, 2, 4), normal(0, 2, 4)),
    ],
    bench=case("planes", normal(16, 128), normal(16, 128)),
    rows=lambda x, rng: ([x[:2] / (1 + abs(x).max()), rng.normal(size=(2, x.shape[1]))], {}),
)
def principal_angles(a, b, /):
    r"""Return the angles between two subspaces, the largest first.

    .. math:: \theta_i = \operatorname{atan2} \bigl( \sigma_i (Q_B - Q_A Q_A^T Q_B), \; \sigma_{k+1-i} (Q_A^T Q_B)
        \bigr), \qquad \operatorname{span} Q_A = \operatorname{span} A

    Parameters
    ----------
    a, b : array of float16, bfloat16, float32 or float64
        Rows that span the subspaces, (..., p, n) and (..., q, n), p and q at most n. They need not be orthonormal, but
        linearly independent.

    Returns
    -------
    array
        (..., min(p, q)) angles from 0 to pi / 2, falling, in the dtype, library and device of `a`. A NaN or an infinity
        makes all angles of its pair NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        A shape does not fit, or a size is 0.

    Notes
    -----
    The textbook's :math:`\arccos \sigma (Q_A^T Q_B)` loses half the digits of small angles, since cosines near 1 stand
    close together; the sine keeps them, and the quotient of both is right everywhere. Distances follow: the root of the
    sum of squared angles is the geodesic one, and that of twice the squared sines is that of the projectors.

    References
    ----------
    Bjorck and Golub, Numerical Methods for Computing Angles Between Linear Subspaces, 1973; Wang et al., Get the Best
    of Both Worlds, 2023; Wang et al., Diffusion Models Learn Low-Dimensional Distributions, 2024 (none read again: as
    catalogued; confirmed against SciPy's subspace_angles).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> a, b = np.array([[1.0, 0.0, 0.0]]), np.array([[3.0, 3.0, 0.0], [0.0, 0.0, 1.0]])
    >>> (refnorm.proj.principal_angles(a, b) / np.pi).round(12).tolist()
    [0.25]
    """
    xp, a, b = prepare(a, b, need=2)
    require_spans(a, b)
    first, second = (spanned(xp, rows) for rows in widen(xp, a, b))
    if a.shape[-2] < b.shape[-2]:
        first, second = second, first
    inside = xp.matmul(xp.matrix_transpose(first), second)
    cosines = xp.flip(svd(xp, inside)[1], axis=-1)
    sines = svd(xp, second - xp.matmul(first, inside))[1]
    return give_back(xp, xp.atan2(sines, cosines), a)


def require_move(basis, direction, step) -> None:
    """Refuse what are no rows of subspaces, a direction of another shape, and a step that is no number."""
    require_matrices("basis", basis)
    if basis.shape[-2] > basis.shape[-1]:
        raise ValueError(f"basis must have no more rows than columns, got shape {tuple(basis.shape)}")
    require_same_shape("direction", direction, basis)
    if not math.isfinite(step):
        raise ValueError(f"step must be finite, got {step!r}")


@operator(
    paper="wang2023get",
    cases=[
        case("plane", frame(2, 5), normal(2, 5)),
        case("back, half way", frame(3, 6), normal(3, 6), step=-0.5),
        case("classes", frames(3, 1, 4), normal(3, 1, 4, std=2.0), step=0.75),
        case("none", normal(0, 2, 4), normal(0, 2, 4)),
    ],
    bench=case("classes", frames(100, 8, 256), normal(100, 8, 256, std=0.01)),
    rows=lambda x, rng: ([frame(*x[:2].shape)(rng), x[:2] / (1 + abs(x).max())], {"step": 0.5}),
)
def grassmann_exp(basis, direction, /, *, step=1.0):
    r"""Move subspaces along geodesics.

    .. math:: S' = U \bigl( \cos(t \Sigma) \, U^T S + \sin(t \Sigma) \, V^T \bigr), \qquad H = U \Sigma V^T

    Parameters
    ----------
    basis : array of float16, bfloat16, float32 or float64
        Orthonormal rows :math:`S` of each subspace, (..., m, d), m at most d. Not checked.
    direction : array
        The tangent :math:`H`, of the shape of `basis`: :math:`H S^T = 0`, as :func:`subspace_remove` makes it. Not
        checked.
    step : float
        How far to go, :math:`t`: the angles to where it came from are t times the singular values of H, folded into
        0 to pi / 2.

    Returns
    -------
    array
        Orthonormal rows in the shape, dtype, library and device of `basis`. A NaN or an infinity makes its whole matrix
        NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `step` is no number.
    ValueError
        The shapes differ, a size is 0, there are more rows than columns, or `step` is not finite.

    Notes
    -----
    Descent has a negative step. Rounding errors of many steps add up: the release makes rows orthonormal again at every
    fifth, as ``grassmann_retract(basis, 0 * basis)`` does. Without the factor U on the left the rows span the same
    subspace, but are no longer those that momentum belongs to.

    References
    ----------
    Wang et al., Get the Best of Both Worlds, 2023 (not read again: as catalogued from its code and pymanopt's).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> s, h = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, np.pi, 0.0]])
    >>> refnorm.proj.grassmann_exp(s, h, step=0.5).round(12).tolist()
    [[0.0, 1.0, 0.0]]
    """
    xp, basis, direction = prepare(basis, direction, need=2)
    require_move(basis, direction, step)
    s, h = widen(xp, basis, direction)
    u, size, v = svd(xp, h)
    angle = step * size[..., None]
    turned = xp.matmul(xp.matrix_transpose(u), s)
    y = xp.matmul(u, xp.cos(angle) * turned + xp.sin(angle) * xp.matrix_transpose(v))
    bad = xp.any(~xp.isfinite(s), axis=(-2, -1), keepdims=True)
    return give_back(xp, xp.where(bad, xp.full_like(y, math.nan), y), basis)


@operator(
    paper="wang2023get",
    cases=[
        case("plane", frame(2, 5), normal(2, 5)),
        case("back, half way", frame(3, 6), normal(3, 6), step=-0.5),
        case("classes", frames(3, 1, 4), normal(3, 1, 4, std=2.0), step=0.75),
        case("none", normal(0, 2, 4), normal(0, 2, 4)),
    ],
    bench=case("classes", frames(100, 8, 256), normal(100, 8, 256, std=0.01)),
    rows=lambda x, rng: ([frame(*x[:2].shape)(rng), x[:2] / (1 + abs(x).max())], {"step": 0.5}),
)
def grassmann_retract(basis, direction, /, *, step=1.0):
    r"""Move subspaces along a straight line, and make their rows orthonormal again.

    .. math:: (S + t H)^T = Q R, \quad \mathrm{diag} \, R > 0, \qquad S' = Q^T

    Parameters
    ----------
    basis : array of float16, bfloat16, float32 or float64
        Orthonormal rows :math:`S` of each subspace, (..., m, d), m at most d. Not checked.
    direction : array
        The tangent :math:`H`, of the shape of `basis`.
    step : float
        How far to go, :math:`t`.

    Returns
    -------
    array
        Orthonormal rows in the shape, dtype, library and device of `basis`. A NaN or an infinity makes its whole matrix
        NaN. Where S + tH lacks a rank, some rows are any.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `step` is no number.
    ValueError
        The shapes differ, a size is 0, there are more rows than columns, or `step` is not finite.

    Notes
    -----
    To first order in t it is :func:`grassmann_exp`. The polar factor of S + tH, which pymanopt takes, spans the same
    subspace by other rows: compare projectors.

    References
    ----------
    Wang et al., Get the Best of Both Worlds, 2023 (not read again: as catalogued; their release goes along geodesics).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> s, h = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.5, 0.0]])
    >>> refnorm.proj.grassmann_retract(s, h, step=0.5).round(12).tolist()
    [[0.8, 0.6, 0.0]]
    """
    xp, basis, direction = prepare(basis, direction, need=2)
    require_move(basis, direction, step)
    s, h = widen(xp, basis, direction)
    return give_back(xp, xp.matrix_transpose(spanned(xp, s + step * h)), basis)


# ---- laws ----


@law(grassmann_logits, normal(4, 6), frames(3, 2, 6))
def a_turned_basis_is_the_same(f, x, s):
    turned = np.stack([0.6 * s[:, 0] + 0.8 * s[:, 1], 0.8 * s[:, 0] - 0.6 * s[:, 1]], axis=1)
    return f(x, turned), f(x, s)


@law(grassmann_logits, normal(4, 6), frames(3, 2, 6))
def length_of_rows_is_free(f, x, s):
    return f(4 * x, s), f(x, s)


@law(grassmann_logits, normal(4, 6), frames(1, 6, 6))
def whole_space_gives_one(f, x, s):
    return f(x, s, scale=2.0), 2.0 + 0 * x[:, :1]


@law(principal_angles, normal(2, 5), normal(3, 5))
def order_of_the_two_is_free(f, a, b):
    return f(a, b), f(b, a)


@law(principal_angles, frame(2, 5), frame(2, 5))
def cosines_add_to_the_projectors(f, a, b):
    return (np.cos(f(a, b)) ** 2).sum(), ((a @ b.T) ** 2).sum()


@law(principal_angles, normal(2, 5), normal(2, 5))
def rows_may_be_mixed(f, a, b):
    return f(np.stack([a[0] + a[1], a[0] - a[1]]), b), f(a, b)


def tangent(s, h):
    return h - h @ s.T @ s


@law(grassmann_exp, frame(2, 5), normal(2, 5))
def rows_stay_orthonormal(f, s, h):
    y = f(s, tangent(s, h), step=0.75)
    return y @ y.T, np.eye(2, dtype=s.dtype)


@law(grassmann_exp, frame(1, 5), normal(1, 5))
def cosines_are_those_of_the_step(f, s, h):
    h = tangent(s, h)
    return f(s, h, step=0.5) @ s.T, np.cos(0.5 * np.sqrt((h * h).sum(keepdims=True)))


@law(grassmann_exp, frame(2, 5), normal(2, 5))
def steps_are_in_units_of_the_direction(f, s, h):
    return f(s, 0.5 * h, step=-0.5), f(s, -0.25 * h)


@law(grassmann_retract, frame(2, 5), normal(2, 5))
def rows_are_orthonormal(f, s, h):
    y = f(s, h, step=-0.75)
    return y @ y.T, np.eye(2, dtype=s.dtype)


@law(grassmann_retract, frame(2, 5), normal(2, 5))
def first_row_is_the_first_moved(f, s, h):
    y = (s + 0.5 * h)[0]
    return f(s, h, step=0.5)[0], y / np.sqrt((y * y).sum())
