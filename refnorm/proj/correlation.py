"""Directions along which several views of the same samples agree."""

from __future__ import annotations

import math

import numpy as np

from .._cases import case, normal
from .._core.moments import centered
from .._core.triples import leading, require_matrices, require_rank, svd
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_shape, roomy, widen


def seen_by(x, rng, *columns):
    """Return a small view made of rows, and others beside it."""
    x = x[:, :18].reshape(-1, 2) / (1 + abs(x).max())
    return [x, *(rng.normal(size=(len(x), n)) for n in columns)]


def require_views(views, rank, most, eps) -> int:
    """Refuse what are no tables of the same rows, two rows at least; return how many directions are wanted."""
    for name, view in views.items():
        if view is None:
            continue
        require_matrices(name, view)
        if view.ndim != 2 or view.shape[0] < 2:
            raise ValueError(f"{name} must have shape (samples, n), two samples or more, got {tuple(view.shape)}")
        require_shape(name, view, (next(iter(views.values())).shape[0], view.shape[1]))
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps must be finite and not below zero, got {eps!r}")
    return require_rank(rank, most)


def whitened(xp, x, eps, *, roomy):
    """Return (Z, W) = (X_c W, W), W the inverse root of X_c^T X_c + eps on the span of the rows of X_c.

    By the singular values of X_c itself: its scatter would square their condition.
    """
    c = xp.matrix_transpose(centered(xp, xp.matrix_transpose(x), roomy=roomy))
    u, s, v = svd(xp, c)
    size = xp.hypot(s, xp.full_like(s, math.sqrt(eps)))
    inverse = xp.where(size == 0, size, 1 / xp.where(size == 0, xp.ones_like(size), size))
    vt = xp.matrix_transpose(v)
    return xp.matmul(u * (s * inverse), vt), xp.matmul(v * inverse, vt)


def identity(xp, x):
    """Return the identity of as many rows as x has columns; NaN where x is."""
    return xp.eye(x.shape[1], dtype=x.dtype, device=device(x)) + 0 * x[:1, :]


@operator(
    paper=("hadgi2025escaping", "hotelling1936relations"),
    cases=[
        case("two views", normal(9, 3), normal(9, 4), rank=2),
        case("all directions", normal(8, 2, mean=3.0), normal(8, 3)),
        case("loud eps", normal(7, 3), normal(7, 2), eps=2.0, rank=2),
        case("fewer samples than columns", normal(4, 6), normal(4, 5), eps=0.5, rank=1),
    ],
    bench=case("two views", normal(512, 16), normal(512, 16), rank=4),
    rows=lambda x, rng: (seen_by(x, rng, 3), {"eps": 0.5}),
)
def cca(x, other, /, *, rank=None, eps=1e-6):
    r"""Return the directions of two views that correlate most, and how much: canonical correlation analysis.

    .. math:: S_{xx}^{-1/2} S_{xy} S_{yy}^{-1/2} = U \, \mathrm{diag}(\rho) \, V^T, \qquad
        A = S_{xx}^{-1/2} U, \quad B = S_{yy}^{-1/2} V, \qquad S_{xx} = X_c^T X_c + \epsilon I

    Parameters
    ----------
    x, other : array of float16, bfloat16, float32 or float64
        Two views of the same samples, of shapes (samples, p) and (samples, q).
    rank : int, optional
        How many pairs of directions, of 1 to min(p, q); all when left out.
    eps : float
        What is added to the diagonals of the scatters, in squared units of the views. With 0 directions in which no
        sample differs are left out; above it they only shrink what they touch.

    Returns
    -------
    tuple of arrays
        ``(a, b, correlations)``, of shapes (p, r), (q, r) and (r,), the largest correlation first, in the dtype,
        library and device of `x`. The first of the largest entries of each right vector V is positive. A NaN or an
        infinity makes everything NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `rank` is no int.
    ValueError
        The views have not the same two samples or more, a size is 0, `rank` is out of its range, or `eps` negative.

    Notes
    -----
    Columns of X_c A have unit length where eps is 0: multiply by sqrt(samples - 1) for scores of unit variance. More
    columns than samples correlate perfectly, and say nothing, without eps.

    References
    ----------
    Hotelling, Relations Between Two Sets of Variates, 1936; Hadgi et al., Escaping Plato's Cave, 2025 (neither read
    again: as catalogued; confirmed against scikit-learn).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
    >>> a, b, correlations = refnorm.proj.cca(x, 2 * x[:, :1], eps=0.0)
    >>> correlations.round(12).tolist(), (abs(a) / abs(a[0])).round(12).tolist()
    ([1.0], [[1.0], [0.0]])
    """
    xp, x, other = prepare(x, other, need=2)
    most = min(x.shape[-1:] + other.shape[-1:], default=0)
    r = require_views({"x": x, "other": other}, rank, most, eps)
    (first, p), (second, q) = (whitened(xp, v, eps, roomy=roomy(x, v)) for v in widen(xp, x, other))
    u, correlations, v = leading(xp, xp.matmul(xp.matrix_transpose(first), second), r)
    return tuple(give_back(xp, part, x) for part in (xp.matmul(p, u), xp.matmul(q, v), correlations))


@operator(
    paper="fu2015transductive",
    cases=[
        case("two views", normal(8, 2, mean=3.0), normal(8, 3), rank=2),
        case("three views", normal(9, 3), normal(9, 4), normal(9, 2), rank=1, p=1.0),
        case("loud eps", normal(7, 3), normal(7, 2), normal(7, 2), eps=2.0, p=0.5, rank=3),
    ],
    bench=case("three views", normal(256, 12), normal(256, 12), normal(256, 12), rank=4),
    rows=lambda x, rng: (seen_by(x, rng, 3, 2), {"eps": 0.5, "rank": 2, "p": 1.0}),
)
def multiview_cca(a, b, c=None, /, *, rank=None, eps=1e-4, p=4.0):
    r"""Return maps of two or three views into one space, in which they agree most.

    .. math:: \bigl[ S_{ij} \bigr] w = \lambda \, \mathrm{blockdiag} (S_{ii}) \, w, \quad
        S_{ij} = X_i^T X_j + [i = j] \, \epsilon I, \quad \sum_i w_i^T S_{ii} w_i = 1, \qquad
        Y_i = W_i \, \mathrm{diag}(\lambda^p)

    Parameters
    ----------
    a, b, c : array of float16, bfloat16, float32 or float64
        Views of the same samples, (samples, n_i); they are centred here.
    rank : int, optional
        How many directions, of 1 to the number of all columns; all when left out.
    eps : float
        What is added to the diagonals, in squared units of the views.
    p : float
        The power of the eigenvalues that directions are multiplied by: 0 leaves them as they are.

    Returns
    -------
    tuple of arrays
        ``(eigenvalues, y_a, y_b[, y_c])``, of shapes (r,) and (n_i, r), the largest first, in the dtype, library and
        device of `a`: views less their means times these are embeddings of the same place. Eigenvalues lie in 0 to the
        number of views; of two views they are 1 + the canonical correlations, and 1 minus them. The first of the
        largest entries of each direction, in white coordinates, is positive. A NaN or an infinity makes everything NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        The views have not the same two samples or more, a size is 0, or an option is out of its range.

    Notes
    -----
    Of all directions with the constraint these leave the least sum of squared differences between views. More columns
    than samples agree perfectly, and say nothing, without eps.

    References
    ----------
    Fu et al., Transductive Multi-view Zero-Shot Learning, 2015 (not read again: as catalogued; the power of eigenvalues
    was not found in its text).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0], [-1.0], [0.0]])
    >>> values, y, z = refnorm.proj.multiview_cca(x, -x, eps=0.0, rank=1, p=0.0)
    >>> values.round(12).tolist(), y.round(12).tolist(), z.round(12).tolist()
    ([2.0], [[0.5]], [[-0.5]])
    """
    xp, a, b, c = prepare(a, b, c, need=2)
    views = {"a": a, "b": b, "c": c}
    r = require_views(views, rank, sum(v.shape[-1] for v in views.values() if v is not None and v.ndim), eps)
    if not math.isfinite(p):
        raise ValueError(f"p must be finite, got {p!r}")
    wide = [v for v in widen(xp, a, b, c) if v is not None]
    white, roots = zip(*(whitened(xp, v, eps, roomy=roomy(a, v)) for v in wide), strict=True)
    rows = [
        xp.concat([xp.matmul(xp.matrix_transpose(z), y) if z is not y else identity(xp, y) for y in white], axis=1)
        for z in white
    ]
    _, values, w = leading(xp, xp.concat(rows, axis=0), r)
    w, ends = w * values**p, [sum(z.shape[1] for z in white[:i]) for i in range(len(white) + 1)]
    maps = [xp.matmul(root, w[ends[i] : ends[i + 1], :]) for i, root in enumerate(roots)]
    return tuple(give_back(xp, part, a) for part in (values, *maps))


# ---- laws ----


@law(cca, normal(9, 3), normal(9, 4))
def units_and_places_of_views_are_free(f, x, y):
    return f(4 * x + 1, y, eps=0.0)[2], f(x, y, eps=0.0)[2]


@law(cca, normal(9, 3), normal(9, 3))
def scores_are_white(f, x, y):
    a, _, _ = f(x, y, eps=0.0)
    scores = (x - x.mean(axis=0)) @ a
    return scores.T @ scores, np.eye(3, dtype=x.dtype)


@law(cca, normal(9, 3), normal(9, 3))
def scores_correlate_as_said(f, x, y):
    a, b, correlations = f(x, y, eps=0.0, rank=2)
    return (((x - x.mean(axis=0)) @ a) * (y @ b)).sum(axis=0), correlations


@law(multiview_cca, normal(9, 3), normal(9, 4), normal(9, 2))
def eigenvalues_add_to_the_number_of_columns(f, a, b, c):
    return f(a, b, c)[0].sum(), np.asarray(9.0)


@law(multiview_cca, normal(9, 2), normal(9, 3), normal(9, 2))
def units_of_one_view_are_free(f, a, b, c):
    return f(4 * a + 1, b, c, eps=0.0)[0], f(a, b, c, eps=0.0)[0]


@law(multiview_cca, normal(9, 3), normal(9, 3), normal(9, 3))
def lengths_are_powers_of_eigenvalues(f, a, b, c):
    values, *maps = f(a, b, c, eps=0.0, p=1.0, rank=2)
    views = [(v - v.mean(axis=0)) @ w for v, w in zip((a, b, c), maps, strict=True)]
    return sum((y * y).sum(axis=0) for y in views), values**2
