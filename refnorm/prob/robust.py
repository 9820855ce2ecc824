"""Normal distributions of classes, fitted to what lies among its neighbours."""

from __future__ import annotations

import numpy as np

from .._cases import Draw, case, integers
from .._core.segments import gather, require_segments, segment_sums
from .._registry import law, operator
from .._xp import device, give_back, prepare, roomy, widen


def crowd(*shape):
    """Draw points, every fifth of them far off."""

    def make(rng, s):
        x = rng.normal(size=s)
        x[::5] *= 6
        return x

    return Draw(shape, make, "crowd")


def of_rows(x, rng):
    """Return the columns of rows as points within one of zero, in two classes."""
    x = x[:, :24].T / np.max(np.abs(x))
    return [x, rng.permutation(len(x)) % 2], {"segments": 2, "k": 3}


def require_neighbours(x, k, threshold, correction) -> None:
    """Refuse what are no points, no number of neighbours, and no numbers."""
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must hold points with coordinates, shape (N, D), not empty, got {tuple(x.shape)}")
    if isinstance(k, bool) or not isinstance(k, int):
        raise TypeError(f"k must be an int, got {k!r}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    for name, value in (("threshold", threshold), ("correction", correction)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a real number, got {value!r}")
        if not value >= 0:
            raise ValueError(f"{name} must not be below zero, got {value!r}")


def distances(xp, x):
    """Return how far points (N, D) are from each other, in a unit in which no square overflows."""
    largest = xp.max(xp.abs(x))
    x = x / xp.where(largest > 0, largest, xp.ones_like(largest))
    apart = x[:, None, :] - x
    return xp.sqrt(xp.sum(apart * apart, axis=-1))


def outlier_factors(xp, d, same, k):
    """Return the local outlier factors of points: how far their neighbours are, over how far the neighbours' are.

    Neighbours are the k nearest of the same class, the earlier ones of equal distances. They are at least as far as
    their own last neighbour: so are all points of a cluster of equal density.
    """
    rank = xp.argsort(xp.argsort(xp.where(same, d, xp.full_like(d, float("inf"))), stable=True), stable=True)
    n = xp.sum(xp.astype(same, d.dtype), axis=-1, keepdims=True)
    n = xp.where(n > k, xp.full_like(n, k), n)
    near, zero, one = xp.astype(rank, d.dtype) < n, xp.zeros_like(d), xp.ones_like(d)
    last = xp.max(xp.where(near, d, zero), axis=-1)
    n = xp.where(n > 0, n, xp.ones_like(n))
    reach = xp.sum(xp.where(near, xp.where(d < last, zero + last, d), zero), axis=-1, keepdims=True) / n
    theirs = zero + reach[:, 0]
    ratio = reach / xp.where(theirs > 0, theirs, one)
    ratio = xp.where(theirs > 0, ratio, xp.where(reach > 0, xp.full_like(d, float("inf")), one))  # on one another
    return xp.sum(xp.where(near, ratio, zero), axis=-1) / n[:, 0]


@operator(
    paper="zhang2023noisy",
    cases=[
        case("two classes", crowd(14, 2), integers(14, high=2), segments=2, k=3),
        case("loud threshold", crowd(12, 3), integers(12, high=2), segments=2, k=4, threshold=1.125),
        case("population", crowd(9, 1), integers(9, high=1), segments=1, k=5, correction=0),
        case("members of none", crowd(16, 2), integers(16, low=-1, high=2), segments=2, k=2),
    ],
    bench=case("two classes", crowd(512, 16), integers(512, high=4), segments=4),
    rows=of_rows,
)
def robust_class_gaussian(x, ids, /, *, segments, k=20, threshold=1.5, correction=1):
    r"""Fit a normal distribution to each class, to those of its points that are no outliers.

    .. math:: \mu_c = \frac{1}{n_c} \sum_{i \in I_c} x_i, \qquad
        \Sigma_c = \frac{1}{n_c - r} \sum_{i \in I_c} (x_i - \mu_c) (x_i - \mu_c)^\top, \qquad
        I_c = \{ i \text{ of class } c : \mathrm{LOF}_k(i) \le t \}

    with r = `correction` and the local outlier factor among the points of the class,

    .. math:: \mathrm{LOF}_k(i) = \frac{1}{k} \sum_{j \in N(i)} \frac{R_i}{R_j}, \qquad
        R_i = \frac{1}{k} \sum_{j \in N(i)} \max \bigl( |x_i - x_j|, \max_{l \in N(j)} |x_j - x_l| \bigr)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The points, of shape (N, D).
    ids : array of integers
        The class of each, of shape (N,); what is not in 0 .. C - 1 belongs to none.
    segments : int
        The number of classes, C.
    k : int
        The number of neighbours; all others, where a class has fewer.
    threshold : float
        The largest factor t of a point that counts. About 1 is what a point among its like has.
    correction : float
        What is taken off the number of points for the covariance.

    Returns
    -------
    tuple
        ``(mean, var, mask)``: (C, D) and (C, D, D) in the dtype, library and device of `x`, and booleans (N,), which
        points count. A point that is not finite does not. The mean of no points, and a covariance of no
        more than `correction` of them, is NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers or `ids` no integers, or an option is no number.
    ValueError
        `x` is no table of points, `ids` has not their number, or an option is out of range.

    Notes
    -----
    It takes N^2 D numbers of memory. Which points count is decided in the type that is computed in, and may turn at
    factors that are at the threshold to rounding. scikit-learn's LocalOutlierFactor with contamination="auto" has the
    same 1.5 and 20, and adds 1e-10 to distances.

    References
    ----------
    Zhang et al., When Noisy Labels Meet Long Tail Dilemmas: A Representation Calibration Method, 2023, section 3.2 (as
    catalogued from a reading of it, which does not say how many neighbours or which divisor); the factor is that of
    Breunig et al., LOF: Identifying Density-Based Local Outliers, 2000, tested against scikit-learn.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, ids = np.array([[0.0], [1.0], [2.0], [3.0], [40.0]]), np.array([0, 0, 0, 0, 0])
    >>> mean, var, mask = refnorm.prob.robust_class_gaussian(x, ids, segments=1, k=2, correction=0)
    >>> mean.tolist(), var.tolist(), mask.tolist()
    ([[1.5]], [[[1.25]]], [True, True, True, True, False])
    """
    xp, x = prepare(x)
    segments = require_segments(xp, x, ids, segments)
    require_neighbours(x, k, threshold, correction)
    (wide,) = widen(xp, x)
    place = xp.arange(x.shape[0], device=device(x))
    fine = xp.all(xp.isfinite(wide), axis=-1) & (ids >= 0) & (ids < segments)
    same = (ids[:, None] == ids) & fine[:, None] & fine & (place[:, None] != place)
    d = distances(xp, xp.where(fine[:, None], wide, xp.zeros_like(wide)))
    mask = fine & (outlier_factors(xp, d, same, k) <= threshold)
    kept = xp.where(mask[:, None], wide, xp.zeros_like(wide)), xp.where(mask, ids, xp.full_like(ids, -1))
    mean, var = fitted(xp, *kept, segments, correction, roomy=roomy(x, wide))
    return give_back(xp, mean, x), give_back(xp, var, x), mask


def fitted(xp, x, ids, segments, correction, *, roomy):
    """Return the means and covariances of classes; what the mean is rounded by is taken off the products again."""
    sums, counts = segment_sums(xp, x, ids, segments, roomy=roomy)
    n = xp.astype(counts, x.dtype)[:, None]
    n = xp.where(n > 0, n, xp.full_like(n, float("nan")))
    divisor = xp.where(n > correction, n - correction, xp.full_like(n, float("nan")))
    mean = sums / n
    c = x - gather(xp, mean, ids, segments)
    rest, _ = segment_sums(xp, c, ids, segments, roomy=roomy)
    products = xp.reshape(c[:, :, None] * c[:, None, :], (x.shape[0], x.shape[1] ** 2))
    squares, _ = segment_sums(xp, products, ids, segments, roomy=roomy)
    squares = xp.reshape(squares, (segments, x.shape[1], x.shape[1])) - rest[:, :, None] * (rest / n)[:, None, :]
    return mean + rest / n, squares / divisor[:, :, None]


# ---- laws ----


@law(robust_class_gaussian, crowd(9, 2), integers(9, high=2))
def covariances_do_not_move(f, x, ids):
    return f(x + 1, ids, segments=2, k=3, correction=0)[1], f(x, ids, segments=2, k=3, correction=0)[1]


@law(robust_class_gaussian, crowd(9, 2), integers(9, high=2))
def twice_the_points_are_four_times_the_covariance(f, x, ids):
    return f(2 * x, ids, segments=2, k=3, correction=0)[1], 4 * f(x, ids, segments=2, k=3, correction=0)[1]
