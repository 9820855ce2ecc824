"""Shrinkage of elements or of singular values: the proximal map of a norm."""

from __future__ import annotations

from .._cases import case, normal
from .._core.triples import require_matrices, svd
from .._registry import law, operator
from .._xp import give_back, prepare, widen


def require_threshold(threshold) -> None:
    """Refuse a threshold that is no number, negative or NaN."""
    try:
        good = threshold >= 0
    except TypeError:
        raise TypeError(f"threshold must be a real number, got {type(threshold).__name__}") from None
    if not good:
        raise ValueError(f"threshold must not be below zero, got {threshold!r}")


@operator(
    paper=("fang2023prior", "nutini2017block"),
    cases=[
        case("default", normal(4, 8)),
        case("threshold", normal(3, 37, std=2.0), threshold=1.25),
        case("nothing taken", normal(5), threshold=0.0),
        case("offset", normal(3, 5, mean=1e4), threshold=0.1),
        case("no rows", normal(0, 4)),
    ],
    bench=case("table", normal(4096, 1024)),
)
def soft_threshold(x, /, *, threshold=0.5):
    r"""Shrink each element of `x` towards zero by `threshold`.

    .. math:: y_i = \mathrm{sign}(x_i) \max(|x_i| - t, 0)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    threshold : float
        What is taken off every magnitude, :math:`t`, not below zero, in units of x.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. What is within `threshold` of zero becomes 0, -0 among it. NaN
        stays NaN and an infinity stays one.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `threshold` is no number.
    ValueError
        `threshold` is negative or NaN.

    Notes
    -----
    The proximal map of t times the l1 norm, and torch's softshrink. At a magnitude of exactly `threshold` the
    derivative is 0. A proximal coordinate step takes t / L_i after a gradient step of length 1 / L_i.

    References
    ----------
    Fang, Buchanan and Sulam, What's in a Prior?, 2023; Nutini, Laradji and Schmidt, Let's Make Block Coordinate
    Descent Converge Faster, 2017 (neither read again: the formula is confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.soft_threshold(np.array([2.0, -0.75, 0.25]))
    array([ 1.5 , -0.25,  0.  ])
    """
    xp, x = prepare(x)
    require_threshold(threshold)
    (wide,) = widen(xp, x)
    y = xp.where(xp.abs(wide) <= threshold, xp.zeros_like(wide), wide - threshold * xp.sign(wide))
    return give_back(xp, y, x)


@operator(
    paper=("cai2010singular", "tarzanagh2023transformers"),
    cases=[
        case("matrix", normal(4, 6)),
        case("tall", normal(6, 3, std=2.0), threshold=2.5),
        case("stack", normal(2, 3, 5), threshold=1.25),
        case("nothing taken", normal(3, 4), threshold=0.0),
        case("no matrices", normal(0, 3, 4)),
    ],
    bench=case("matrix", normal(256, 128)),
    rows=lambda x, rng: ([x[:6]], {}),
)
def singular_value_threshold(x, /, *, threshold=0.5):
    r"""Shrink the singular values of matrices towards zero by `threshold`.

    .. math:: Y = U \, \mathrm{diag}(\max(s_i - t, 0)) \, V^T, \qquad X = U \, \mathrm{diag}(s) \, V^T

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Matrices, of shape (..., m, n).
    threshold : float
        What is taken off every singular value, :math:`t`, not below zero, in units of x.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; of lower rank by as many singular values as lie within
        `threshold`. A NaN or an infinity makes its whole matrix NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `threshold` is no number.
    ValueError
        `x` is no matrix or an empty one, or `threshold` is negative or NaN.

    Notes
    -----
    The proximal map of t times the nuclear norm. Its answer is unique, and moves no further than x does (in the
    Frobenius norm), so that it has the digits of the largest singular value, small elements fewer of their own.

    References
    ----------
    Cai, Candes and Shen, A Singular Value Thresholding Algorithm for Matrix Completion, 2010, equation 2.2 (not read
    again: as catalogued); Tarzanagh et al., Transformers as Support Vector Machines, 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.singular_value_threshold(np.array([[0.0, 3.0], [0.25, 0.0]])).tolist()
    [[0.0, 2.5], [0.0, 0.0]]
    """
    xp, x = prepare(x)
    require_matrices("x", x)
    require_threshold(threshold)
    (wide,) = widen(xp, x)
    u, s, v = svd(xp, wide)
    kept = xp.where(s <= threshold, xp.zeros_like(s), s - threshold)
    return give_back(xp, xp.matmul(u * kept[..., None, :], xp.matrix_transpose(v)), x)


# ---- laws ----


@law(soft_threshold, normal(4, 9))
def is_odd(f, x):
    return f(-x, threshold=0.25), -f(x, threshold=0.25)


@law(soft_threshold, normal(4, 9))
def thresholds_add(f, x):
    return f(f(x, threshold=0.25), threshold=0.5), f(x, threshold=0.75)


@law(soft_threshold, normal(4, 9))
def threshold_is_in_units_of_x(f, x):
    return f(4 * x, threshold=1.0), 4 * f(x, threshold=0.25)


@law(singular_value_threshold, normal(4, 6))
def what_is_taken_adds(f, x):
    return f(f(x, threshold=0.25), threshold=0.5), f(x, threshold=0.75)


@law(singular_value_threshold, normal(4, 6))
def transposed_is_transposed(f, x):
    return f(x.T, threshold=0.75), f(x, threshold=0.75).T


@law(singular_value_threshold, normal(4, 6))
def values_are_in_units_of_x(f, x):
    return f(4 * x, threshold=1.0), 4 * f(x, threshold=0.25)
