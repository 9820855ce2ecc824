"""Random and polynomial features, whose inner products are kernels."""

from __future__ import annotations

import math
import operator as op

from .._cases import case, normal
from .._core.frames import orthonormal_rows
from .._core.norms import length
from .._core.products import inner
from .._core.sums import total
from .._registry import gradient, law, operator
from .._xp import give_back, like_weight, prepare, require_along, require_shape, roomy, widen


def require_directions(x, directions) -> tuple:
    """Refuse what is no (m, d) for rows of d elements; return the shape of the features."""
    require_along(x, -1)
    if directions.ndim != 2 or directions.shape[1] != x.shape[-1] or directions.shape[0] == 0:
        raise ValueError(f"directions must have shape (m, {x.shape[-1]}), got {tuple(directions.shape)}")
    return (*x.shape[:-1], directions.shape[0])


def positive(xp, x, g, *, roomy):
    """Return exp(<g, x> - |x|^2 / 2) / sqrt(m)."""
    z = inner(xp, x, g, roomy=roomy) - total(xp, x * x, roomy=roomy) / 2
    return xp.exp(z) / math.sqrt(g.shape[0])


@operator(
    paper="sehanobish2023scalable",
    cases=[
        case("rows", normal(4, 8, std=0.5), normal(5, 8)),
        case("blocks", normal(2, 3, 5), normal(7, 5)),
        case("offset", normal(3, 6, mean=1.5), normal(2, 6)),
        case("one", normal(4), normal(1, 4)),
        case("no rows", normal(0, 4), normal(3, 4)),
    ],
    bench=case("rows", normal(4096, 64, std=0.3), normal(256, 64)),
    rows=lambda x, rng: ([x / x.shape[1] ** 0.5, rng.normal(size=(3, x.shape[1]))], {}),
)
def positive_random_features(x, directions, /):
    r"""Return positive random features of rows of `x`, whose inner products are exponentials of those of rows.

    .. math:: \phi_j(x) = \frac{1}{\sqrt m} \exp \Bigl( \langle g_j, x \rangle - \tfrac12 \lVert x \rVert^2 \Bigr),
        \qquad E \, \phi(x)^T \phi(y) = e^{\langle x, y \rangle}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., d).
    directions : array
        Normal random rows :math:`g_j`, of shape (m, d); orthogonal ones from :func:`orthogonal_gaussian_matrix`.

    Returns
    -------
    array
        (..., m), in the dtype, library and device of `x`: long rows give 0. A NaN makes its whole row NaN; an infinity
        gives 0 or NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `directions` has not the shape (m, d), or m or d is 0.

    Notes
    -----
    Performers take the largest exponent off first, which leaves the ratios alone right.

    References
    ----------
    Sehanobish et al., Scalable Neural Network Kernels, 2023 (not read again: as catalogued from its code, with A and
    a of 1).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.positive_random_features(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[1.0, 5.0]]))
    array([[1.],
           [1.]])
    """
    xp, x, directions = prepare(x, directions, need=2)
    require_directions(x, directions)
    wide, g = widen(xp, x, directions)
    return give_back(xp, positive(xp, wide, g, roomy=roomy(x, wide)), x)


@gradient(positive_random_features)
def positive_random_features_vjp(cotangent, x, directions, /):
    r"""Return the cotangents of `x` and `directions` for a cotangent of ``positive_random_features(x, directions)``.

    .. math:: \bar x = \sum_j \bar y_j \phi_j (g_j - x), \qquad \bar g_j = \sum_{\text{rows}} \bar y_j \phi_j \, x

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape.
    x, directions
        As in :func:`positive_random_features`.

    Returns
    -------
    tuple of array
        ``(dx, ddirections)``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`positive_random_features`; also where `cotangent` has not the shape of the output.

    References
    ----------
    Derived from the formula; confirmed against torch.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, g = np.array([2.0, 0.0]), np.array([[1.0, 5.0]])
    >>> refnorm.proj.positive_random_features_vjp(np.array([3.0]), x, g)
    (array([-3., 15.]), array([[6., 0.]]))
    """
    xp, cotangent, x, directions = prepare(cotangent, x, directions, need=3)
    require_shape("cotangent", cotangent, require_directions(x, directions))
    c, wide, g = widen(xp, cotangent, x, directions)
    weight = c * positive(xp, wide, g, roomy=roomy(x, wide))
    dx = xp.matmul(weight, g) - xp.sum(weight, axis=-1, keepdims=True) * wide
    turned = xp.matrix_transpose(xp.reshape(weight, (-1, g.shape[0])))
    return give_back(xp, dx, x), like_weight(xp, xp.matmul(turned, xp.reshape(wide, (-1, g.shape[1]))), directions)


@operator(
    paper="sehanobish2023scalable",
    cases=[
        case("rows", normal(4, 8), normal(5, 8)),
        case("a floor", normal(2, 3, 5), normal(7, 5), floor=0.75),
        case("leaky", normal(3, 6, mean=1.5), normal(4, 6), floor=-1.25),
        case("no rows", normal(0, 4), normal(3, 4)),
    ],
    bench=case("rows", normal(4096, 64), normal(256, 64)),
    rows=lambda x, rng: ([x, rng.normal(size=(3, x.shape[1])) / x.shape[1]], {}),
)
def relu_random_features(x, directions, /, *, floor=0.0):
    r"""Return rectified random features of rows of `x`, whose inner products are an arc-cosine kernel.

    .. math:: \phi_j(x) = \frac{1}{\sqrt m} \max(\langle g_j, x \rangle, c), \qquad
        E \, \phi(x)^T \phi(y) = \frac{\lVert x \rVert \lVert y \rVert}{2 \pi}
        \bigl( \sin \theta + (\pi - \theta) \cos \theta \bigr) \text{ for } c = 0

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., d).
    directions : array
        Normal random rows :math:`g_j`, of shape (m, d).
    floor : float
        The least :math:`c` of what is rooted in rows; 0 is relu.

    Returns
    -------
    array
        (..., m), in the dtype, library and device of `x`. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries, or `floor` is no number.
    ValueError
        `directions` has not the shape (m, d), m or d is 0, or `floor` is not finite.

    Notes
    -----
    The kernel is half the arc-cosine kernel of order 1 by Cho and Saul; there is no factor of root 2.

    References
    ----------
    Sehanobish et al., Scalable Neural Network Kernels, 2023 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.relu_random_features(np.array([1.0, 2.0]), np.array([[2.0, 0.0]] * 2 + [[0.0, -1.0]] * 2))
    array([1., 1., 0., 0.])
    """
    xp, x, directions = prepare(x, directions, need=2)
    require_directions(x, directions)
    if not math.isfinite(floor):
        raise ValueError(f"floor must be finite, got {floor!r}")
    wide, g = widen(xp, x, directions)
    z = inner(xp, wide, g, roomy=roomy(x, wide))
    return give_back(xp, xp.where(z < floor, xp.full_like(z, floor), z) / math.sqrt(g.shape[0]), x)


@operator(
    paper="hu2024computational",
    cases=[
        case("squares", normal(4, 3), degree=2),
        case("cubes", normal(2, 3, 2), degree=3),
        case("first powers", normal(3, 5, mean=2.0), degree=1),
        case("constant", normal(6), degree=0),
        case("no rows", normal(0, 4), degree=2),
    ],
    bench=case("rows", normal(4096, 16), degree=2),
    rows=lambda x, rng: ([x[:, :3] / abs(x[:, :3]).max()], {"degree": 3}),
)
def taylor_softmax_features(x, /, *, degree):
    r"""Return all products of elements of rows of `x`, whose inner products are the Taylor series of exp.

    .. math:: \phi(x) = \Bigl[ \frac{\mathrm{vec}(x^{\otimes j})}{\sqrt{j!}} \Bigr]_{j = 0}^{D}, \qquad
        \phi(x)^T \phi(y) = \sum_{j = 0}^{D} \frac{\langle x, y \rangle^j}{j!}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., d).
    degree : int
        The highest power :math:`D`, 0 or more. An even one keeps the series above zero whatever rows meet.

    Returns
    -------
    array
        (..., 1 + d + d^2 + ... + d^D), in the dtype, library and device of `x`; of a power the last index runs
        fastest.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `degree` is no integer.
    ValueError
        `x` has no element along its last axis, or `degree` is below 0.

    References
    ----------
    Hu et al., Computational Limits of Low-Rank Adaptation, 2024 (not read again: as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.taylor_softmax_features(np.array([1.0, 2.0]), degree=1)
    array([1., 1., 2.])
    """
    xp, x = prepare(x)
    require_along(x, -1)
    if op.index(degree) < 0:
        raise ValueError(f"degree must be 0 or more, got {degree!r}")
    (wide,) = widen(xp, x)
    power = xp.ones_like(wide[..., :1])
    parts = [power]
    for j in range(1, degree + 1):
        power = xp.reshape(power[..., None] * wide[..., None, :], (*x.shape[:-1], x.shape[-1] ** j))
        parts.append(power / math.sqrt(math.factorial(j)))
    return give_back(xp, xp.concat(parts, axis=-1), x)


@operator(
    paper="sehanobish2023scalable",
    cases=[
        case("a block and a part", normal(6, 4), normal(2, 4, 4)),
        case("part of a block", normal(3, 5), normal(1, 5, 5)),
        case("two blocks", normal(4, 2), normal(2, 2, 2)),
        case("no rows", normal(0, 3), normal(1, 3, 3)),
    ],
    bench=case("blocks", normal(256, 64), normal(4, 64, 64)),
    rows=lambda x, rng: ([x[:, :4], rng.normal(size=(-(-len(x) // 4), 4, 4))], {}),
)
def orthogonal_gaussian_matrix(x, directions, /):
    r"""Give random rows directions at right angles to one another, block by block.

    .. math:: y_i = \lVert x_i \rVert_2 \, q_i, \qquad B_b = Q_b R_b, \; \mathrm{diag} \, R_b > 0, \qquad
        q_1, q_2, \dots \text{ the columns of } Q_1, Q_2, \dots

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Rows whose lengths are kept: normal random numbers, of shape (m, d). Rows of length sqrt(d) all alike give the
        regularized variant.
    directions : array
        Normal random blocks :math:`B_b`, of shape (b, d, d), b d at least m; what is beyond m rows is cut off.

    Returns
    -------
    array
        (m, d), in the dtype, library and device of `x`.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `x` has not two axes, d is 0, `directions` has not the shape (b, d, d), or the blocks are too few.

    Notes
    -----
    With the diagonal of R above zero Q is uniform among rotations, and features are unbiased. The released code, as
    Performers do, takes Q as LAPACK gives it, whose first entry is never above zero: a biased estimate.

    References
    ----------
    Sehanobish et al., Scalable Neural Network Kernels, 2023 (not read again: as catalogued, with the signs set right).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.orthogonal_gaussian_matrix(np.array([[3.0, 4.0]]), np.array([[[0.0, 1.0], [-2.0, 7.0]]]))
    array([[ 0., -5.]])
    """
    xp, x, directions = prepare(x, directions, need=2)
    require_along(x, -1)
    n = x.shape[-1]
    if x.ndim != 2:
        raise ValueError(f"x must have shape (m, d), got {tuple(x.shape)}")
    require_shape("directions", directions, (*directions.shape[:1], n, n))
    if directions.shape[0] * n < x.shape[0]:
        raise ValueError(f"directions must hold {x.shape[0]} rows or more, got {tuple(directions.shape)}")
    wide, blocks = widen(xp, x, directions)
    spare = roomy(x, wide)
    q = xp.reshape(orthonormal_rows(xp, xp.matrix_transpose(blocks), 0.0, roomy=spare), (-1, n))
    return give_back(xp, length(xp, wide, roomy=spare) * q[: x.shape[0], :], x)


# ---- laws ----


@law(positive_random_features, normal(4, 5), normal(7, 5))
def opposite_directions_cancel(f, x, g):
    return 7 * f(x, g) * f(x, -g), 7 * f(x, 0 * g) ** 2


@law(positive_random_features, normal(4, 5), normal(7, 5))
def nothing_gives_equal_features(f, x, g):
    return f(0 * x, g), 7**-0.5 + 0 * f(x, g)


@law(relu_random_features, normal(4, 5), normal(7, 5))
def two_halves_make_a_projection(f, x, g):
    return f(x, g) - f(-x, g), x @ g.T / 7**0.5


@law(relu_random_features, normal(4, 5), normal(7, 5))
def scales_with_rows_and_floor(f, x, g):
    return f(4 * x, g, floor=2.0), 4 * f(x, g, floor=0.5)


@law(taylor_softmax_features, normal(4, 3), normal(4, 3))
def inner_products_are_the_series(f, x, y):
    z = (x * y).sum(axis=-1)
    return (f(x, degree=3) * f(y, degree=3)).sum(axis=-1), 1 + z + z * z / 2 + z * z * z / 6


@law(taylor_softmax_features, normal(4, 3))
def squares_scale_as_squares(f, x):
    return f(4 * x, degree=2)[:, 4:], 16 * f(x, degree=2)[:, 4:]


@law(orthogonal_gaussian_matrix, normal(4, 4), normal(1, 4, 4))
def rows_are_at_right_angles(f, x, b):
    square = (x * x).sum(axis=-1)
    y = f(x, b)
    return y @ y.T, square * (square == square[:, None])


@law(orthogonal_gaussian_matrix, normal(4, 4), normal(1, 4, 4))
def scale_of_blocks_is_free(f, x, b):
    return f(4 * x, 8 * b), 4 * f(x, b)
