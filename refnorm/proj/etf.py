"""Fixed classifiers: simplex frames, and how far from one a set of vectors is."""

from __future__ import annotations

import math
from operator import index

import numpy as np

from .._cases import Draw, booleans, case, normal, orthonormal
from .._core.moments import centered
from .._core.norms import length
from .._core.products import inner
from .._core.sums import total
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, roomy, widen


def require_vectors(x, least) -> None:
    """Refuse what is no matrix of `least` columns of one element or more."""
    if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] < least:
        raise ValueError(f"x must have shape (n, k) with n above 0 and k at least {least}, got {tuple(x.shape)}")


def as_columns(x):
    """Return two rows or more as columns; of one row it and its mirror image."""
    return (x if len(x) > 1 else np.concatenate([x, x[:, ::-1]])).T.copy()


@operator(
    paper=("xiao2024fedloge", "dang2023neural", "shen2023equiangular"),
    cases=[
        case("square", orthonormal(5, 5)),
        case("tall", orthonormal(8, 3)),
        case("two", orthonormal(4, 2)),
        case("no frame", normal(7, 4, mean=3.0)),
    ],
    bench=case("tall", orthonormal(1024, 256)),
    rows=lambda x, rng: ([as_columns(x)], {}),
)
def simplex_etf(x, /):
    r"""Turn orthonormal columns into a simplex equiangular tight frame.

    .. math:: M = \sqrt{\frac{K}{K - 1}} \, U \Bigl( I_K - \tfrac1K 1 1^T \Bigr)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The orthonormal columns :math:`U`, of shape (n, K), K at least 2. That they are orthonormal is not checked.

    Returns
    -------
    array
        (n, K), in the dtype, library and device of `x`: columns of unit length, the cosine of any two -1 / (K - 1),
        and of sum 0. A NaN or an infinity makes its whole row NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `x` has not two axes, or K is below 2, or n is 0.

    References
    ----------
    Xiao et al., FedLoGe, 2024; Dang et al., Neural Collapse in Deep Linear Networks, 2023; Shen, Sun and Wei,
    Equiangular Basis Vectors, 2023 (none read again: as catalogued from the code of the first).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.simplex_etf(np.eye(2)).round(4)
    array([[ 0.7071, -0.7071],
           [-0.7071,  0.7071]])
    """
    xp, x = prepare(x)
    require_vectors(x, 2)
    (wide,) = widen(xp, x)
    k, spare = x.shape[1], roomy(x, wide)
    c = centered(xp, wide, roomy=spare)
    return give_back(xp, math.sqrt(k / (k - 1)) * c, x)


def cosines(xp, columns, *, roomy):
    """Return the cosines of all columns with all, 0 where a column is; where it is one with itself; and lengths."""
    rows = xp.matrix_transpose(columns)
    size = length(xp, rows, roomy=roomy)
    unit = rows / xp.where(size == 0, xp.ones_like(size), size)
    gram = inner(xp, unit, unit, roomy=roomy)
    places = xp.arange(gram.shape[0], device=device(gram))
    return gram, xp.expand_dims(places, axis=0) == xp.expand_dims(places, axis=1), size


@operator(
    paper="shen2023equiangular",
    cases=[
        case("columns", normal(4, 7)),
        case("few", normal(9, 2)),
        case("offset", normal(5, 6, mean=3.0)),
        case("large", normal(3, 5, std=1e4)),
    ],
    bench=case("columns", normal(256, 512)),
    rows=lambda x, rng: ([as_columns(x)], {}),
)
def mutual_coherence(x, /):
    r"""Return the largest magnitude of the cosine of two columns of `x`.

    .. math:: \mu = \max_{i \ne j} \frac{|\langle x_i, x_j \rangle|}{\lVert x_i \rVert \lVert x_j \rVert}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The vectors as columns, of shape (n, K), K at least 2.

    Returns
    -------
    array
        One number from 0 to 1, in the dtype, library and device of `x`; for K unit vectors in n < K dimensions at
        least sqrt((K - n) / (n (K - 1))), the bound of Welch. A column of zeros is at right angles to all. A NaN or
        an infinity makes it NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `x` has not two axes, or K is below 2, or n is 0.

    References
    ----------
    Shen, Sun and Wei, Equiangular Basis Vectors, 2023 (not read again: as catalogued from the check in its script).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.mutual_coherence(np.array([[1.0, 3.0], [0.0, -4.0]]))
    array(0.6)
    """
    xp, x = prepare(x)
    require_vectors(x, 2)
    (wide,) = widen(xp, x)
    gram, itself, _ = cosines(xp, wide, roomy=roomy(x, wide))
    largest = xp.max(xp.where(itself, 0 * gram, xp.abs(gram)), axis=(0, 1), keepdims=True)
    return give_back(xp, xp.reshape(largest, ()), x)


def corner(d) -> tuple:
    """Return the coordinates of a unit corner of a simplex: where it points, elsewhere, and those of the last corner.

    The formula's, without the differences in it: they are (r + d) / (r + 1), -1 / (r + 1) and -1 over the root of d,
    r the root of d + 1.
    """
    r, side = math.sqrt(d + 1), math.sqrt(d)
    return (r + d) / (r + 1) / side, -1 / (r + 1) / side, -1 / side


@operator(
    paper="biondi2024stationary",
    cases=[
        case("one centre", normal(4)),
        case("centres", normal(2, 3, 5, mean=3.0), scale=2.5),
        case("a line", normal(3, 1), scale=0.25),
        case("no centres", normal(0, 3)),
    ],
    bench=case("one centre", normal(512)),
    rows=lambda x, rng: ([x[:, :9]], {"scale": 0.25}),
)
def simplex_vertices(x, /, *, scale=1.0):
    r"""Return the d + 1 corners of a regular simplex about each row of `x`.

    .. math:: y_i = x + s \, \frac{w_i - \bar w}{\lVert w_i - \bar w \rVert}, \qquad w_i = e_i \; (i < d), \quad
        w_d = \frac{1 - \sqrt{d + 1}}{d} \, 1

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The centres, of shape (..., d): zeros for a fixed classifier of d + 1 classes, whose weight the corners are.
    scale : float
        The distance :math:`s` of the corners from their centre.

    Returns
    -------
    array
        (..., d + 1, d), in the dtype, library and device of `x`. The cosine of any two corners, seen from the centre,
        is -1 / d.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `scale` is no number.
    ValueError
        `x` has no element along its last axis, or `scale` is not finite.

    Notes
    -----
    The released code adds 1e-8 to the lengths, so that its corners are at 1 - 1e-8. It is the frame of
    :func:`simplex_etf` in one dimension less.

    References
    ----------
    Biondi et al., Stationary Representations, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.simplex_vertices(np.zeros(2)).round(3)
    array([[ 0.966, -0.259],
           [-0.259,  0.966],
           [-0.707, -0.707]])
    """
    xp, x = prepare(x)
    require_along(x, -1)
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    (wide,) = widen(xp, x)
    d = x.shape[-1]
    place = xp.arange(d, device=device(wide))
    far, near, last = corner(d)
    corners = xp.where(place[:, None] == place, xp.full_like(wide[..., None], far), xp.full_like(wide[..., None], near))
    corners = xp.concat([corners, xp.full_like(wide[..., None, :], last)], axis=-2)
    return give_back(xp, wide[..., None, :] + scale * corners, x)


@operator(
    paper="shen2023equiangular",
    cases=[
        case("steps", normal(5, 3), threshold=0.3, step=0.05, count=4),
        case("few rows", normal(3, 6), threshold=0.1, step=0.125, count=2),
        case("stops", normal(2, 5, mean=1.5), threshold=0.3, step=0.05, count=9),
        case("one step", normal(4, 2, mean=1.0), threshold=0.5, count=1),
    ],
    bench=case("steps", normal(256, 128), threshold=0.1, count=4),
    rows=lambda x, rng: ([x[:, :6]], {"threshold": 0.5, "step": 0.03, "count": 2}),
)
def equiangular_basis(x, /, *, threshold, step=1e-3, count=8):
    r"""Turn rows away from one another until no two have a cosine beyond a threshold.

    .. math:: u_i = x_i / \lVert x_i \rVert_2, \qquad
        x_i \leftarrow u_i - 2 \eta \sum_{j \ne i, \, |\langle u_i, u_j \rangle| > \theta}
        \mathrm{sign} \langle u_i, u_j \rangle \, u_j

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The rows to begin with, of shape (N, n): a class each.
    threshold : float
        The largest magnitude of a cosine :math:`\theta` that is left alone, from 0 and below 1.
    step : float
        The length :math:`\eta` of a step.
    count : int
        How many steps are taken at most, 1 or more. Where no cosine is beyond the threshold by more than 1e-4, rows of
        unit length come back instead.

    Returns
    -------
    array
        (N, n), in the dtype, library and device of `x`: not of unit length where the last step moved them, as
        released. A row of zeros stays. A NaN or an infinity makes everything NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is of the wrong type.
    ValueError
        `x` has not two axes or is empty, `threshold` is not in 0..1, `step` is negative, or `count` is below 1.

    Notes
    -----
    Plain gradient descent on the sum over both orders of max(|cosine| - threshold, 0), lengths taken as constants. As
    many rows as n and fewer can reach 0; more keep the bound of Welch, see :func:`mutual_coherence`.

    References
    ----------
    Shen, Sun and Wei, Equiangular Basis Vectors, 2023 (not read again: as catalogued from its script).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> refnorm.proj.equiangular_basis(x, threshold=0.5, step=0.25, count=1).round(12)
    array([[ 0.7, -0.4],
           [ 0.1,  0.8]])
    """
    xp, x = prepare(x)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (N, n) without a 0, got {tuple(x.shape)}")
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must be in 0..1 and below 1, got {threshold!r}")
    require_along(x, -1, step)
    if index(count) < 1:
        raise ValueError(f"count must be 1 or more, got {count!r}")
    (rows,) = widen(xp, x)
    spare, done = roomy(x, rows), None
    for _ in range(count):
        gram, itself, size = cosines(xp, xp.matrix_transpose(rows), roomy=spare)
        unit = rows / xp.where(size == 0, xp.ones_like(size), size)
        far = xp.where(itself, 0 * gram, xp.abs(gram))
        pull = xp.where(far > threshold, xp.sign(gram), xp.zeros_like(gram))
        stop = xp.max(far, axis=(0, 1), keepdims=True) <= threshold + 1e-4
        moved = unit - 2 * step * inner(xp, pull, xp.matrix_transpose(unit), roomy=spare)
        moved = xp.where(stop, unit, moved)
        rows = moved if done is None else xp.where(done, rows, moved)
        done = stop if done is None else done | stop
    return give_back(xp, rows, x)


@operator(
    paper="xiao2024fedloge",
    cases=[
        case("columns", normal(6, 4)),
        case("loud norm", normal(5, 3), norm=1.5),
        case("loud clip", normal(3, 6), clip=0.25),
        case("sparse", Draw((8, 5), lambda rng, s: rng.normal(size=s) * booleans(*s, chance=0.4)(rng), "sparse")),
    ],
    bench=case("columns", normal(512, 256)),
    rows=lambda x, rng: (
        [as_columns(x * rng.uniform(size=x.shape[1])) / abs(x).mean() / x.shape[1] ** 0.5],
        {"norm": 1.5},
    ),
)
def sparse_etf_energy(x, /, *, norm=0.1, clip=0.99999):
    r"""Return how far the columns of `x` are from a simplex frame of this norm.

    .. math:: E = \sum_k (\lVert x_k \rVert - \nu)^2 - \frac1K \sum_k \arccos \bigl(
        \mathrm{clip} ( \max_{j \ne k} \cos(x_k, x_j) ) \bigr)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The class vectors as columns, of shape (n, K), K at least 2: masked already, where they are to be sparse.
    norm : float
        The length :math:`\nu` that columns shall have.
    clip : float
        Cosines are kept from minus this to this, above 0 and at most 1.

    Returns
    -------
    array
        One number, in the dtype, library and device of `x`. A simplex frame of this norm has -arccos(-1 / (K - 1)).
        A column of zeros is at right angles to all. A NaN or an infinity makes it NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is no number.
    ValueError
        `x` has not two axes, K is below 2, n is 0, `norm` is not finite, or `clip` is not in 0..1.

    Notes
    -----
    The released code takes the mask as x != 0 and multiplies the gradient by it; its comments speak of unit norm while
    the norm is 0.1. Cosines to itself are set to -1 before the maximum.

    References
    ----------
    Xiao et al., FedLoGe, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> round(float(refnorm.proj.sparse_etf_energy(np.array([[0.1, 0.0], [0.0, 0.1]]))), 6)
    -1.570796
    """
    xp, x = prepare(x)
    require_vectors(x, 2)
    if not math.isfinite(norm):
        raise ValueError(f"norm must be finite, got {norm!r}")
    if not 0 < clip <= 1:
        raise ValueError(f"clip must be in 0..1 and above 0, got {clip!r}")
    (wide,) = widen(xp, x)
    spare = roomy(x, wide)
    gram, itself, size = cosines(xp, wide, roomy=spare)
    nearest = xp.max(xp.where(itself, 0 * gram - 1, gram), axis=-1, keepdims=True)
    low, high = xp.full_like(nearest, -clip), xp.full_like(nearest, clip)
    angle = xp.acos(xp.minimum(xp.maximum(nearest, low), high))
    each = (size - norm) ** 2 - angle / x.shape[1]
    return give_back(xp, xp.reshape(total(xp, xp.reshape(each, (-1,)), roomy=spare), ()), x)


# ---- laws ----


@law(simplex_etf, orthonormal(6, 4))
def gram_is_that_of_a_simplex(f, x):
    y = f(x)
    return 3 * y.T @ y, 4 * (x.T @ x) - 1


@law(simplex_etf, orthonormal(6, 4))
def columns_sum_to_zero(f, x):
    return f(x).sum(axis=1) + x[:, 0], x[:, 0]


@law(simplex_etf, orthonormal(6, 4))
def turns_with_its_basis(f, x):
    return f(x[::-1]), f(x)[::-1]


@law(simplex_vertices, normal(4, 5))
def centre_is_the_mean(f, x):
    return f(x, scale=2.0).mean(axis=-2), x


@law(simplex_vertices, normal(4, 5))
def corners_are_as_far_apart(f, x):
    y = f(x, scale=0.5)
    square = ((y[:, :, None] - y[:, None]) ** 2).sum(axis=-1)
    return square, 0.6 * (1 - np.eye(6)) + 0 * square


@law(equiangular_basis, normal(5, 3))
def lengths_of_rows_are_free(f, x):
    return f(4 * x, threshold=0.25, step=0.125), f(x, threshold=0.25, step=0.125)


@law(equiangular_basis, normal(5, 3))
def signs_of_rows_turn_along(f, x):
    signs = np.array([1.0, -1.0, 1.0, 1.0, -1.0])[:, None]
    return f(signs * x, threshold=0.25, step=0.125), signs * f(x, threshold=0.25, step=0.125)


@law(mutual_coherence, normal(4, 7))
def lengths_are_free(f, x):
    return f(x * x[:1]), f(x)


@law(mutual_coherence, normal(4, 7))
def order_of_columns_is_free(f, x):
    return f(x[:, ::-1]), f(x)


@law(sparse_etf_energy, normal(4, 7))
def order_of_classes_is_free(f, x):
    return f(x[:, ::-1], norm=0.5), f(x, norm=0.5)


@law(sparse_etf_energy, normal(4, 7))
def norm_moves_the_first_term_alone(f, x):
    lengths = (x**2).sum(axis=0) ** 0.5
    return f(x, norm=0.5) - f(x, norm=0.0), (0.25 - lengths).sum()
