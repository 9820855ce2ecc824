"""Normal distributions: their divergence, samples, regions, and what a linear model of factors predicts."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, normal
from .._core.products import inner
from .._core.sums import total
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_same_shape, require_shape, roomy, widen
from .divergence import excess, log_ratio


def covariances(*shape):
    """Draw matrices A A^T / n + I / 4."""

    def make(rng, s):
        a = rng.normal(size=s)
        return a @ np.swapaxes(a, -1, -2) / s[-1] + 0.25 * np.eye(s[-1])

    return Draw(shape, make, "covariances")


def of_rows(x, rng):
    """Return covariances of two numbers, made of six rows, and others of their size."""
    a, b = (sum(abs(x[i::2])) / (2 * len(x)) for i in (0, 1 % len(x)))
    c = 0.5 * np.sqrt(a) * np.sqrt(b)
    u, v, w = rng.uniform(0.75, 1.5, size=(3, len(a)))
    scaled = (a, b, c), (u * a, v * b, w * c)
    return [np.stack([np.stack([p, r], -1), np.stack([r, q], -1)], -1) for p, q, r in scaled], {}


def require_matrices(x, other) -> None:
    """Refuse what are no two sets of square matrices of one shape."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or x.shape[-1] == 0:
        raise ValueError(f"x must hold square matrices, not empty, shape (..., D, D), got {tuple(x.shape)}")
    require_same_shape("other", other, x)


def pivoted(xp, a, eps):
    """Return the columns of U and d, where a + eps I = U diag(d) U^T and U is 0 above its diagonal of ones."""
    n, columns, pivots = a.shape[-1], [], []
    below = xp.asarray(list(range(n)), device=device(a))
    for j in range(n):
        pivot = a[..., j : j + 1, j] + eps
        column = xp.where(below > j, a[..., :, j] / pivot, xp.astype(below == j, a.dtype))
        a = a - a[..., :, j, None] * xp.where(below > j, column, xp.zeros_like(column))[..., None, :]
        columns.append(column)
        pivots.append(pivot)
    return columns, xp.concat(pivots, axis=-1)


def solved(xp, columns, b):
    """Return U^-1 B for the columns of U, a row at a time."""
    rows = []
    for j, column in enumerate(columns):
        rows.append(b[..., j : j + 1, :])
        b = b - column[..., None] * rows[-1]
    return xp.concat(rows, axis=-2)


@operator(
    paper="yang2021theory",
    cases=[
        case("matrices", covariances(4, 3, 3), covariances(4, 3, 3)),
        case("loud eps", covariances(2, 3, 5, 5), covariances(2, 3, 5, 5), eps=0.5),
        case("one number", covariances(6, 1, 1), covariances(6, 1, 1)),
        case("seven numbers", covariances(2, 7, 7), covariances(2, 7, 7), eps=0.1),
        case("none", covariances(0, 2, 2), covariances(0, 2, 2)),
    ],
    bench=case("matrices", covariances(256, 16, 16), covariances(256, 16, 16)),
    rows=of_rows,
)
def gaussian_kl(x, other, /, *, eps=0.0):
    r"""Return the Kullback-Leibler divergence of two normal distributions of one mean, in nats, by their covariances.

    .. math:: d = \frac{1}{2} \Bigl( \operatorname{tr}(S_2^{-1} S_1) - D + \log\det S_2 - \log\det S_1 \Bigr)

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        The covariances :math:`S_1` and :math:`S_2`, of one shape (..., D, D). What is above the diagonal is not looked
        at.
    eps : float
        Added to the diagonals of both.

    Returns
    -------
    array
        The shape `x` has without its last two axes, its dtype, library and device. Never below 0. Where `x` is singular
        the answer is infinite or NaN, where one of the two is not positive definite otherwise, NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `eps` is no number.
    ValueError
        `x` holds no square matrices or empty ones, the shapes differ, or `eps` is negative.

    Notes
    -----
    With :math:`S_k = U_k D_k U_k^\top`, the diagonals of U being ones, and :math:`W = U_2^{-1} U_1`, twice the
    divergence is the sum of :math:`W_{ij}^2 D_{1j} / D_{2i}` below the diagonal and of :math:`r - 1 - \log r`, for the
    ratio r of pivots, on it. No term is below 0: nothing cancels between them.

    References
    ----------
    Yang et al., A theory of representation learning gives a deep generalisation of kernel methods, 2021 (not read: the
    standard definition, confirmed against ``torch.distributions``).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.gaussian_kl(np.array([[[4.0, 1.0], [1.0, 1.0]]]), np.eye(2)[None]).round(4)
    array([0.9507])
    """
    xp, x, other = prepare(x, other, need=2)
    require_matrices(x, other)
    require_along(x, -1, eps)
    s1, s2 = widen(xp, x, other)
    (u1, d1), (u2, d2) = (pivoted(xp, s, eps) for s in (s1, s2))
    bad = (d1 < 0) | (d2 < 0)
    d1 = xp.where(bad, xp.full_like(d1, float("nan")), d1)
    w = solved(xp, u2, xp.stack(u1, axis=-1))
    on = excess(xp, xp.ones_like(d1), d1 / d2, log_ratio(xp, d2, d1))
    squares = w * w * d1[..., None, :] / d2[..., :, None]
    off = xp.tril(squares, k=-1)
    both = xp.concat([on, xp.reshape(off, (*on.shape[:-1], on.shape[-1] ** 2))], axis=-1)
    return give_back(xp, total(xp, both, roomy=roomy(x, s1))[..., 0] / 2, x)


@operator(
    paper="zhang2023noisy",
    cases=[
        case("rows", normal(5, 3), normal(3), covariances(3, 3)),
        case("one number", normal(7, 1), normal(1, mean=5.0), covariances(1, 1)),
        case("more axes", normal(2, 3, 4), normal(4), covariances(4, 4)),
        case("none", normal(0, 2), normal(2), covariances(2, 2)),
    ],
    bench=case("rows", normal(65536, 16), normal(16), covariances(16, 16)),
    rows=lambda x, rng: ([x.T / np.max(abs(x)), rng.normal(size=len(x)), covariances(len(x), len(x))(rng)], {}),
)
def gaussian_sample(x, mean, var, /):
    r"""Turn standard normal numbers into samples of a normal distribution.

    .. math:: y = \mu + L x, \qquad L L^\top = \Sigma

    for the lower triangular L with a diagonal above zero.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Standard normal numbers, of shape (..., D).
    mean : array
        The mean :math:`\mu`, of shape (D,).
    var : array
        The covariance :math:`\Sigma`, of shape (D, D). What is above the diagonal is not looked at.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. NaN where the covariance is not positive definite. A
        NaN makes its row NaN, and so does an infinity where it meets a 0.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        The shapes do not fit, or D is 0.

    References
    ----------
    Zhang et al., When Noisy Labels Meet Long Tail Dilemmas: A Representation Calibration Method, 2023 (as catalogued;
    the standard definition, that of ``torch.distributions``).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, mean = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0])
    >>> refnorm.prob.gaussian_sample(x, mean, np.array([[4.0, 2.0], [2.0, 2.0]]))
    array([[3., 2.],
           [1., 2.]])
    """
    xp, x, mean, var = prepare(x, mean, var, need=3)
    require_along(x, -1)
    require_shape("mean", mean, tuple(x.shape[-1:]))
    require_shape("var", var, (x.shape[-1], x.shape[-1]))
    z, m, s = widen(xp, x, mean, var)
    columns, pivots = pivoted(xp, s, 0.0)
    root = xp.stack(columns, axis=-1) * xp.sqrt(pivots)
    shift = xp.expand_dims(xp.zeros_like(z) + m, axis=-1)
    parts = xp.concat([xp.expand_dims(z, axis=-2) * root, shift], axis=-1)
    return give_back(xp, total(xp, parts, roomy=roomy(x, z))[..., 0], x)


@operator(
    paper="lu2023ibcl",
    cases=[
        case("samples", normal(40)),
        case("loud alpha", normal(3, 21), alpha=0.5),
        case("all", normal(2, 7), alpha=0.0),
        case("no rows", normal(0, 4)),
    ],
    bench=case("samples", normal(64, 65536)),
    rows=lambda x, rng: ([x], {"alpha": 0.25}),
)
def highest_density_region(x, /, *, alpha=0.05):
    r"""Return which samples are in the smallest region that holds all but a share of them, and the density at its edge.

    .. math:: c = l_{(\lfloor \alpha n \rfloor + 1)}, \qquad m_i = [l_i \ge c]

    for the densities in order, :math:`l_{(1)}` the least.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The logarithms l of the density of a distribution at n samples of it, of shape (..., n).
    alpha : float
        The share that is left out, from 0 to below 1.

    Returns
    -------
    tuple
        ``(mask, c)``: booleans of the shape of `x`, and the least log density inside, (...,), in the dtype, library and
        device of `x`. Any point of a log density of at least c is in the region. A NaN is outside, and counts as the
        largest.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `alpha` is no number.
    ValueError
        There are no samples, or `alpha` is not from 0 to below 1.

    Notes
    -----
    For a normal distribution of one number it is the interval between the quantiles alpha / 2 and 1 - alpha / 2, and
    for several an ellipsoid. The released code takes a box of quantiles with beta = 1 - alpha, as catalogued: intervals
    of mass alpha each.

    References
    ----------
    Lu et al., IBCL: Zero-shot Model Generation for Task Trade-offs in Continual Learning, 2023 (the text not read: as
    catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.highest_density_region(np.array([-1.0, -8.0, -2.0, -4.0]), alpha=0.5)
    (array([ True, False,  True, False]), array(-2.))
    """
    xp, x = prepare(x)
    require_along(x, -1)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise TypeError(f"alpha must be a real number, got {alpha!r}")
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha must be from 0 to below 1, got {alpha!r}")
    n = math.floor(alpha * x.shape[-1])
    (wide,) = widen(xp, x)
    edge = xp.sort(wide, axis=-1)[..., n : n + 1]
    return wide >= edge, give_back(xp, xp.reshape(edge, x.shape[:-1]), x)


def inverse(xp, rows, *, roomy):
    """Return (I + R R^T)^-1 for the rows of R."""
    columns, pivots = pivoted(xp, inner(xp, rows, rows, roomy=roomy), 1.0)
    m = solved(xp, columns, xp.eye(rows.shape[0], dtype=rows.dtype, device=device(rows)))
    return xp.matmul(xp.matrix_transpose(m) / pivots, m)


@operator(
    paper="ge2023provable",
    cases=[
        case("rows", normal(5, 4), normal(4, 2)),
        case("one factor", normal(3, 6), normal(6, 1, std=3.0)),
        case("more factors than numbers", normal(2, 3, 2), normal(2, 4)),
        case("none", normal(0, 3), normal(3, 2)),
    ],
    bench=case("rows", normal(65536, 64), normal(64, 8)),
    rows=lambda x, rng: ([x.T, rng.normal(size=(len(x), 2))], {}),
)
def factor_model_predictor(x, weight, /):
    r"""Predict the factors that a linear model with unit noise has made the data of: their mean given the data.

    .. math:: \hat z = (I + B^\top B)^{-1} B^\top x \qquad\text{for } x = B z + \epsilon

    with standard normal z and :math:`\epsilon`.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., D), about zero.
    weight : array
        The loadings B, of shape (D, K).

    Returns
    -------
    array
        The factors, (..., K), in the dtype, library and device of `x`. A NaN or an infinity makes its row NaN, in
        `weight` all.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        `weight` has not the shape (D, K), or D or K is 0.

    Notes
    -----
    It is :math:`B^\top (B B^\top + I)^{-1} x`, and scikit-learn's FactorAnalysis.transform at a noise of 1.

    References
    ----------
    Ge et al., On the Provable Advantage of Unsupervised Pretraining, 2023 (not read: as catalogued; confirmed against
    scikit-learn).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.factor_model_predictor(np.array([[3.0, 1.0]]), np.array([[1.0], [1.0]])).round(4)
    array([[1.3333]])
    """
    xp, x, weight = prepare(x, weight, need=2)
    require_along(x, -1)
    if weight.ndim != 2 or weight.shape[0] != x.shape[-1] or weight.shape[1] == 0:
        raise ValueError(f"weight must have shape ({x.shape[-1]}, K), K at least 1, got {tuple(weight.shape)}")
    wide, b = widen(xp, x, weight)
    spare, turned = roomy(x, wide), xp.matrix_transpose(b)
    if weight.shape[0] < weight.shape[1]:  # the smaller of two matrices, of which this has no small eigenvalues
        z = inner(xp, inner(xp, wide, inverse(xp, b, roomy=spare), roomy=spare), turned, roomy=spare)
    else:
        z = inner(xp, inner(xp, wide, turned, roomy=spare), inverse(xp, turned, roomy=spare), roomy=spare)
    return give_back(xp, z, x)


@law(gaussian_kl, covariances(4, 3, 3), covariances(4, 3, 3))
def one_scale_changes_nothing(f, x, other):
    return f(4 * x, 4 * other), f(x, other)


@law(gaussian_kl, covariances(4, 3, 3))
def from_itself_scaled(f, x):
    """Half of 4 - 1 - log 4 for each of three numbers."""
    return f(4 * x, x), 0 * x[:, 0, 0] + 1.5 * (3 - 1.3862943611198906)


@law(gaussian_kl, covariances(4, 3, 3), covariances(4, 3, 3))
def eps_is_on_both_diagonals(f, x, other):
    one = 0 * x + [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]]
    return f(x, other, eps=0.5), f((x + one).astype(x.dtype), (other + one).astype(x.dtype))


@law(gaussian_kl, covariances(4, 3, 3), covariances(4, 3, 3))
def a_sum_of_numbers_and_another_tell_no_more(f, x, other):
    """Any invertible map of the numbers changes both covariances and not the divergence."""
    mix = np.asarray([[1.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0]], x.dtype)
    return f(mix @ x @ mix.T, mix @ other @ mix.T), f(x, other)


@law(gaussian_sample, normal(5, 3), normal(3), covariances(3, 3))
def the_mean_is_added(f, x, mean, var):
    return f(x, mean, var), f(x, 0 * mean, var) + mean


@law(gaussian_sample, normal(5, 3), normal(3), covariances(3, 3))
def squares_of_roots_are_the_covariance(f, x, mean, var):
    root = f(((x[:3] * 0) + [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).astype(x.dtype), 0 * mean, var)
    return root.T @ root, var


@law(highest_density_region, normal(3, 20))
def order_of_the_samples_is_free(f, x):
    return 1.0 * f(x[:, ::-1], alpha=0.25)[0][:, ::-1], 1.0 * f(x, alpha=0.25)[0]


@law(highest_density_region, normal(3, 20))
def a_quarter_is_left_out(f, x):
    inside = f(x, alpha=0.25)[0].sum(axis=-1) * 1.0
    return inside, inside * 0 + 15


@law(factor_model_predictor, normal(5, 4), normal(4, 2))
def solves_the_normal_equations(f, x, weight):
    z = f(x, weight)
    return z + (z @ weight.T) @ weight, x @ weight


@law(factor_model_predictor, normal(5, 4), normal(4, 2))
def data_add(f, x, weight):
    return f(x + x[::-1], weight), f(x, weight) + f(x[::-1], weight)
