"""Principal axes of rows, coordinates along them, and whitening by axes that are known."""

from __future__ import annotations

import math

import numpy as np

from .._cases import case, normal, orthonormal, positive
from .._core.moments import centered
from .._core.norms import length
from .._core.products import inner
from .._core.triples import leading, require_matrices, require_rank
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, require_switch, roomy, widen
from .subspace import frame


def fitted(x, rng):
    """Return rows and what might have been fitted to them, small enough for float16."""
    n = x.shape[1]
    return [x, rng.normal(size=n), rng.normal(size=(2, n)) / n, rng.uniform(1, 2, 2)], {}


def require_axes(x, mean, basis, var, eps) -> None:
    """Refuse principal axes, a mean and variances that do not fit rows of x."""
    require_along(x, -1, eps)
    n = x.shape[-1]
    require_shape("mean", mean, (n,))
    if basis.ndim != 2 or basis.shape[1] != n or basis.shape[0] == 0:
        raise ValueError(f"basis must have shape (k, {n}), k above 0, got {tuple(basis.shape)}")
    require_shape("var", var, basis.shape[:1])


def unit(xp, x, *, roomy):
    """Return rows of unit length; one of zeros stays."""
    size = length(xp, x, roomy=roomy)
    return x / xp.where(size == 0, xp.ones_like(size), size)


def white(xp, x, mean, basis, var, eps, *, roomy):
    """Return the coordinates of rows along the axes, over the root of their variances."""
    return inner(xp, x - mean, basis, roomy=roomy) / xp.sqrt(var + eps)


def require_table(x, correction, rank) -> int:
    """Refuse what is no table with more rows than are taken off their number; return how many axes are wanted."""
    require_matrices("x", x)
    if not math.isfinite(correction) or x.shape[-2] <= correction:
        raise ValueError(f"x must have more than correction={correction!r} rows, got shape {tuple(x.shape)}")
    return require_rank(rank, min(x.shape[-2:]))


def off_the_mean(xp, x, *, roomy):
    """Return rows less their mean."""
    return xp.matrix_transpose(centered(xp, xp.matrix_transpose(x), roomy=roomy))


@operator(
    paper=("ashkboos2024slicegpt", "lin2024matryoshkakv"),
    cases=[
        case("rows", normal(6, 4), rank=2),
        case("all axes", normal(7, 3, mean=2.0)),
        case("population", normal(3, 5), rank=2, correction=0),
        case("stack", normal(2, 5, 3), rank=1),
        case("no tables", normal(0, 4, 3), rank=2),
    ],
    bench=case("rows", normal(512, 64), rank=1),
    rows=lambda x, rng: ([x[:, :24].reshape(-1, 6) / (1 + abs(x).max())], {"rank": 2}),  # 1e30 has no square in float32
)
def pca_basis(x, /, *, rank=None, correction=1):
    r"""Return the mean of rows, their principal axes and the variances along them.

    .. math:: X - 1 \mu^T = U \, \mathrm{diag}(s) \, V^T, \qquad \lambda_k = \frac{s_k^2}{m - c}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Tables of m rows, of shape (..., m, n).
    rank : int, optional
        How many axes, r, of 1 to min(m, n); all when left out.
    correction : float
        What is taken off the number of rows, :math:`c`: 1 for a sample, 0 for a population.

    Returns
    -------
    tuple of arrays
        ``(mean, basis, var)``, of shapes (..., n), (..., r, n) and (..., r), in the dtype, library and device of `x`,
        as :func:`pca_whiten` takes them: axes are rows, by falling variance. The first of the largest entries of an
        axis is positive. A NaN or an infinity makes axes and variances NaN, and is the mean of its column.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `rank` is no int.
    ValueError
        `x` is no table or an empty one, has no more rows than `correction`, or `rank` is out of its range.

    Notes
    -----
    The axes come from the rows themselves, not from their covariance, which would square their condition. Axes of
    equal variances may be turned among themselves, and those of none are any that are orthonormal to the rest. Without
    a mean the axes are the v of :func:`truncated_svd`.

    References
    ----------
    Ashkboos et al., SliceGPT, 2024; Lin et al., MatryoshkaKV, 2024 (neither read again: the textbook's form; confirmed
    against scikit-learn).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> mean, basis, var = refnorm.proj.pca_basis(np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 6.0]]), rank=1)
    >>> mean.tolist(), basis.round(12).tolist(), var.round(12).tolist()
    ([1.0, 4.0], [[0.0, 1.0]], [4.0])
    """
    xp, x = prepare(x)
    r = require_table(x, correction, rank)
    (wide,) = widen(xp, x)
    c = off_the_mean(xp, wide, roomy=roomy(x, wide))
    _, s, v = leading(xp, c, r)
    mean = wide[..., 0, :] - c[..., 0, :]
    mean = xp.where(xp.isfinite(mean), mean, xp.sum(wide, axis=-2))  # an infinity, or NaN
    var = s / (x.shape[-2] - correction) * s
    return tuple(give_back(xp, part, x) for part in (mean, xp.matrix_transpose(v), var))


@operator(
    paper=("nagar2024remote", "zhang2023tale"),
    cases=[
        case("rows", normal(6, 4), rank=2),
        case("all axes", normal(7, 3, mean=2.0)),
        case("stack", normal(2, 5, 3), rank=1),
        case("no tables", normal(0, 4, 3), rank=2),
    ],
    bench=case("rows", normal(512, 64), rank=1),
    rows=lambda x, rng: ([x[:, :24].reshape(-1, 6)], {"rank": 2}),
)
def pca_project(x, /, *, rank=None):
    r"""Return the coordinates of rows along their own principal axes, from their mean.

    .. math:: Y = (X - 1 \mu^T) V_r = U_r \, \mathrm{diag}(s_r)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Tables of m rows, of shape (..., m, n). Two sets that are to share their axes are stacked first.
    rank : int, optional
        How many axes, r, of 1 to min(m, n); all when left out.

    Returns
    -------
    array
        (..., m, r), in the dtype, library and device of `x`. Columns are uncorrelated, by falling length, their signs
        those of :func:`pca_basis`. A NaN or an infinity makes its whole table NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `rank` is no int.
    ValueError
        `x` is no table or an empty one, or `rank` is out of its range.

    Notes
    -----
    scikit-learn's ``PCA(rank).fit_transform(x)``. Other rows are projected on the same axes by :func:`pca_whiten` with
    variances of 1.

    References
    ----------
    Nagar et al., Remote Sensing Framework for Geological Mapping, 2024; Zhang et al., A Tale of Two Features, 2023
    (neither read again: the textbook's form; confirmed against scikit-learn).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.pca_project(np.array([[1.0, 2.0], [1.0, 8.0]]), rank=1).round(12).tolist()
    [[-3.0], [3.0]]
    """
    xp, x = prepare(x)
    r = require_table(x, 0, rank)
    (wide,) = widen(xp, x)
    u, s, _ = leading(xp, off_the_mean(xp, wide, roomy=roomy(x, wide)), r)
    return give_back(xp, u * s[..., None, :], x)


@operator(
    paper="razavian2014cnn",
    cases=[
        case("rows", normal(4, 6), normal(6), frame(3, 6), positive(3)),
        case("loud eps", normal(2, 3, 5, mean=2.0), normal(5), frame(2, 5), positive(2), eps=0.75),
        case("unit rows", normal(3, 4), normal(4, std=0.1), frame(4, 4), positive(4), normalize=True),
        case("one row", normal(3), normal(3), frame(1, 3), positive(1)),
        case("no rows", normal(0, 4), normal(4), frame(2, 4), positive(2)),
    ],
    bench=case("rows", normal(4096, 512), normal(512), frame(128, 512), positive(128)),
    rows=fitted,
)
def pca_whiten(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    r"""Whiten rows of `x`: their coordinates along principal axes, each of variance 1.

    .. math:: y_k = \frac{\langle v_k, x - \mu \rangle}{\sqrt{\lambda_k + \epsilon}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    mean : array
        The mean :math:`\mu` of the data that the axes were fitted to, of shape (n,).
    basis : array
        The principal axes :math:`v_k` as rows, of shape (k, n). That they are orthonormal is not checked.
    var : array
        The variances :math:`\lambda_k` along them, of shape (k,).
    eps : float
        What is added to variances, in squared units of x.
    normalize : bool
        Whether rows get unit length before and after, as retrieval does; mean, axes and variances are then those of
        rows of unit length.

    Returns
    -------
    array
        (..., k), in the dtype, library and device of `x`. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `normalize` is no bool.
    ValueError
        A shape does not fit, a size is 0, or `eps` is negative.

    Notes
    -----
    scikit-learn divides by n - 1 in its variances. Signs of axes are those handed in.

    References
    ----------
    Razavian et al., CNN Features off-the-shelf, 2014 (not read again: as catalogued; confirmed against scikit-learn).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.pca_whiten(np.array([3.0, 5.0]), np.array([1.0, 1.0]), np.array([[0.0, 1.0]]), np.array([4.0]))
    array([2.])
    """
    xp, x, mean, basis, var = prepare(x, mean, basis, var, need=4)
    require_axes(x, mean, basis, var, eps)
    require_switch("normalize", normalize)
    wide, mu, v, variances = widen(xp, x, mean, basis, var)
    spare = roomy(x, wide)
    y = white(xp, unit(xp, wide, roomy=spare) if normalize else wide, mu, v, variances, eps, roomy=spare)
    return give_back(xp, unit(xp, y, roomy=spare) if normalize else y, x)


@operator(
    paper="kessy2015optimal",
    cases=[
        case("rows", normal(4, 6), normal(6), frame(6, 6), positive(6)),
        case("loud eps", normal(2, 3, 5, mean=2.0), normal(5), frame(5, 5), positive(5), eps=0.75),
        case("few axes", normal(3, 7), normal(7), frame(2, 7), positive(2)),
        case("no rows", normal(0, 4), normal(4), frame(4, 4), positive(4)),
    ],
    bench=case("rows", normal(4096, 256), normal(256), frame(256, 256), positive(256)),
    rows=fitted,
)
def zca_whiten(x, mean, basis, var, /, *, eps=0.0):
    r"""Whiten rows of `x` and turn them back to the axes they came in.

    .. math:: y = \sum_k \frac{\langle v_k, x - \mu \rangle}{\sqrt{\lambda_k + \epsilon}} \, v_k

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., n).
    mean, basis, var
        The mean, principal axes and variances, as in :func:`pca_whiten`; without all n axes the rest is cut off.
    eps : float
        What is added to variances, in squared units of x.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`: of all white versions the nearest to x - mean. A NaN makes its
        whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, or the arrays are of two libraries.
    ValueError
        A shape does not fit, a size is 0, or `eps` is negative.

    Notes
    -----
    The signs of the axes cancel.

    References
    ----------
    Kessy, Lewin and Strimmer, Optimal Whitening and Decorrelation, 2015 (not read again: the textbook's form).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.zca_whiten(np.array([3.0, 5.0]), np.array([1.0, 1.0]), np.eye(2), np.array([1.0, 4.0]))
    array([2., 2.])
    """
    xp, x, mean, basis, var = prepare(x, mean, basis, var, need=4)
    require_axes(x, mean, basis, var, eps)
    wide, mu, v, variances = widen(xp, x, mean, basis, var)
    spare = roomy(x, wide)
    y = white(xp, wide, mu, v, variances, eps, roomy=spare)
    return give_back(xp, inner(xp, y, xp.matrix_transpose(v), roomy=spare), x)


# ---- laws ----


@law(pca_basis, normal(7, 4))
def axes_are_orthonormal(f, x):
    _, basis, _ = f(x, rank=3)
    return basis @ basis.T, np.eye(3, dtype=x.dtype)


@law(pca_basis, normal(7, 4))
def variances_add(f, x):
    return f(x)[2].sum(), ((x - x.mean(axis=0)) ** 2).sum() / 6


@law(pca_basis, normal(7, 4))
def rows_lie_in_the_span_of_all_axes(f, x):
    mean, basis, _ = f(x)
    return mean + (x - mean) @ basis.T @ basis, x


@law(pca_project, normal(7, 4))
def distances_stay(f, x):
    y = f(x)
    return y @ y.T, (x - x.mean(axis=0)) @ (x - x.mean(axis=0)).T


@law(pca_project, normal(7, 4))
def where_rows_lie_is_free(f, x):
    y, z = f(x + 2, rank=2), f(x, rank=2)
    return y @ y.T, z @ z.T


@law(pca_whiten, normal(4, 6), normal(6), frame(3, 6), positive(3))
def variances_are_in_squared_units(f, x, mu, v, var):
    return f(4 * x, 4 * mu, v, 16 * var, eps=8.0), f(x, mu, v, var, eps=0.5)


@law(pca_whiten, normal(4, 6), normal(6), frame(3, 6), positive(3))
def mean_moves_along(f, x, mu, v, var):
    return f(x + 2, mu + 2, v, var), f(x, mu, v, var)


@law(pca_whiten, normal(4, 6), normal(6), frame(3, 6), positive(3))
def unit_rows_are_units(f, x, mu, v, var):
    y = f(x, 0.1 * mu, v, var, normalize=True)
    return (y * y).sum(axis=-1), 1 + 0 * y[:, 0]


@law(zca_whiten, normal(4, 6), normal(6), frame(6, 6), positive(6))
def centre_moves_along(f, x, mu, v, var):
    return f(x + 2, mu + 2, -v, var), f(x, mu, v, var)


@law(zca_whiten, normal(4, 6), normal(6), orthonormal(6, 6))
def equal_variances_leave_the_axes(f, x, mu, v):
    return f(x, mu, v, 4.0 + 0 * mu), (x - mu) / 2
