"""Divergences of normal distributions."""

from __future__ import annotations

import numpy as np

from .._cases import Draw, case
from .._core.sums import total
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_same_shape, roomy, widen
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
