"""Means and variances of parts, merged into those of the whole: streams, classes, devices, ghost batches."""

from __future__ import annotations

import numpy as np

from .._cases import Draw, case, integers, normal, positive
from .._core.channels import moved
from .._core.regions import chosen_sites
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_indices, require_same_shape, require_shape, roomy, widen
from .batch import within


def covariances(*shape):
    """Draw covariance matrices, of shape (..., C, C)."""

    def make(rng, s):
        factor = rng.normal(size=s)
        return factor @ np.swapaxes(factor, -1, -2) / s[-1]

    return Draw(shape, make, "covariances")


def require_parts(xp, mean, var, count) -> bool:
    """Refuse moments and counts that do not fit one another; return whether `var` holds covariance matrices."""
    if mean.ndim == 0 or mean.shape[0] == 0:
        raise ValueError(f"mean must have at least one part along axis 0, got shape {tuple(mean.shape)}")
    full = var.ndim == mean.ndim + 1 > 2
    if full:
        require_shape("var", var, (*mean.shape, mean.shape[-1]))
    else:
        require_same_shape("var", var, mean)
    require_indices(xp, "count", count, mean.shape[: max(1, min(getattr(count, "ndim", 1), mean.ndim - full))])
    return full


def parts_last(xp, *arrays):
    """Return views with axis 0, that of the parts, at the end."""
    return tuple(moved(xp, 0, a.ndim - 1, a)[0] for a in arrays)


def shares(xp, count, like):
    """Return each part's share of the whole, along the last axis, with axes of length 1 as `like` needs; 0 of none."""
    n = xp.astype(count, like.dtype)
    whole = xp.sum(n, axis=-1, keepdims=True)
    share = n / xp.where(whole > 0, whole, xp.ones_like(whole))
    return xp.reshape(share, (*share.shape[:-1], *(1 for _ in range(like.ndim - share.ndim)), share.shape[-1]))


def from_whole(xp, m, share, *, roomy):
    """Return the means less that of the whole; the distance is taken to the largest first, as `centered` takes it."""
    largest = xp.max(xp.where(share > 0, m, xp.full_like(m, -float("inf"))), axis=-1, keepdims=True)
    c = chosen_sites(xp, share > 0, m - largest)
    return c - total(xp, share * c, roomy=roomy)


@operator(
    paper=("chan1982updating", "xie2022sepico", "janson2022simple"),
    cases=[
        case("streams", normal(3, 4), positive(3, 4), integers(3, low=1, high=9)),
        case("classes", normal(3, 5, 4), positive(3, 5, 4), integers(3, 5, high=3)),
        case("covariances", normal(3, 4), covariances(3, 4, 4), integers(3, low=1, high=9)),
        case("covariances of classes", normal(2, 3, 4), covariances(2, 3, 4, 4), integers(2, 3, high=4)),
        case("a count for each", normal(4, 3), positive(4, 3), integers(4, 3, high=4)),
        case("numbers", normal(5), positive(5), integers(5, low=1, high=9)),
        case("offset", normal(3, 4, mean=1e4), positive(3, 4), integers(3, low=1, high=99)),
        case("one part", normal(1, 4), positive(1, 4), integers(1, low=1, high=9)),
        case("no classes", normal(2, 0, 4), positive(2, 0, 4), integers(2, 0, high=9)),
    ],
    bench=case("classes", normal(64, 1000, 256), positive(64, 1000, 256), integers(64, 1000, high=99)),
    rows=lambda x, rng: ([within(x).T, rng.gamma(2.0, size=x.T.shape), rng.integers(0, 9, x.shape[1])], {}),
)
def merge_moments(mean, var, count, /):
    r"""Merge the means and variances of several parts into those of all their elements together.

    .. math:: n = \sum_k n_k, \qquad \mu = \sum_k \frac{n_k}{n} \mu_k, \qquad
        \Sigma = \sum_k \frac{n_k}{n} \bigl( \Sigma_k + (\mu_k - \mu)(\mu_k - \mu)^T \bigr)

    or, of variances, :math:`\sigma^2 = \sum_k \frac{n_k}{n} (\sigma^2_k + (\mu_k - \mu)^2)`. The count of the whole is
    the sum of the counts: ``count.sum(axis=0)``.

    Parameters
    ----------
    mean : array of float16, bfloat16, float32 or float64
        The means :math:`\mu_k` of K parts: (K, ...). Axis 0 counts the parts: the state of a stream and its next batch,
        devices, ghost batches.
    var : array
        Their variances, of the shape of `mean`; or their covariances, of the shape (K, ..., C, C) for means of the
        shape (K, ..., C). The denominator is :math:`n_k` (biased).
    count : array of integers
        The numbers of elements :math:`n_k`, not below zero: one a part, of shape (K,), or one a part and class, of the
        first axes of `mean`.

    Returns
    -------
    tuple
        ``(mean, var)`` of the whole, without axis 0, in the dtype, library and device of `mean`; `var` has the
        denominator n (biased). A part of no elements has no part in it, whatever its moments, NaN even; where there
        are no elements at all both are 0. Else NaN propagates, and an infinite mean makes the variance NaN.

    Raises
    ------
    TypeError
        `mean` or `var` does not hold floating numbers or `count` no integers, or the arrays are of two libraries.
    ValueError
        There are no parts, or the shapes do not fit.

    Notes
    -----
    Any order and any grouping give the same, to rounding. A single sample is a part of count 1, mean x and variance 0:
    with it this is Welford's update, and for the mean alone the running mean of a class.

    Synchronized batch normalization is :func:`batch_norm` at the merged moments of the devices, each of which brings
    its own :func:`batch_moments`; it equals :func:`batch_norm_train` of all of their data. Merge in float64: moments
    of a float32 batch as they are rounded for the caller cost up to its last digit.

    References
    ----------
    Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1982 (not read
    again). Xie et al., SePiCo, 2022 (class by class, as catalogued from ProtoEstimator of its released code); Janson
    et al., A Simple Baseline that Questions the Use of Pretrained-Models in Continual Learning, 2022 (class means, as
    catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 80.0]])
    >>> parts = [refnorm.norm.batch_moments(part) for part in (x[:2], x[2:])]  # of two devices
    >>> mean, var, count = (np.stack(moments) for moments in zip(*parts))
    >>> refnorm.norm.merge_moments(mean, var, count)
    (array([ 3., 40.]), array([  2.66666667, 866.66666667]))
    >>> x.mean(axis=0), x.var(axis=0)
    (array([ 3., 40.]), array([  2.66666667, 866.66666667]))
    """
    xp, mean, var = prepare(mean, var, need=2)
    full = require_parts(xp, mean, var, count)
    m, v = parts_last(xp, *widen(xp, mean, var))
    spare, w = roomy(mean, m), shares(xp, *parts_last(xp, count), m)
    m = chosen_sites(xp, w > 0, m)
    mu, c = total(xp, w * m, roomy=spare), from_whole(xp, m, w, roomy=spare)
    if full:
        w, between = xp.expand_dims(w, axis=-2), xp.expand_dims(c, axis=-2) * xp.expand_dims(c, axis=-3)
    else:
        between = c * c
    merged = total(xp, w * (chosen_sites(xp, w > 0, v) + between), roomy=spare)
    return give_back(xp, mu[..., 0], mean), give_back(xp, merged[..., 0], mean)


@law(merge_moments, normal(3, 4), positive(3, 4), integers(3, low=1, high=9))
def any_grouping_gives_the_same(f, mean, var, count):
    first = f(mean[:2], var[:2], count[:2])
    both = [np.stack([of_two, of_one[2]]) for of_two, of_one in zip(first, (mean, var), strict=True)]
    return f(*both, np.stack([count[0] + count[1], count[2]]))[1], f(mean, var, count)[1]


@law(merge_moments, normal(5, 4))
def samples_are_parts_of_one(f, x):
    return f(x, 0 * x, np.ones(5, int))[1], x.var(axis=0)


@law(merge_moments, normal(3, 4), positive(3, 4), integers(3, low=1, high=9))
def a_part_of_nothing_has_no_part(f, mean, var, count):
    return f(mean, var, count * (np.arange(3) > 0))[1], f(mean[1:], var[1:], count[1:])[1]


@law(merge_moments, normal(3, 4), positive(3, 4), integers(3, low=1, high=9))
def raw_second_moments_are_weighted_means(f, mean, var, count):
    mu, merged = f(mean, var, count)
    share = count[:, None] / count.sum()
    return merged + mu * mu, (share * (var + mean * mean)).sum(axis=0)


@law(merge_moments, normal(3, 4), covariances(3, 4, 4), integers(3, low=1, high=9))
def variances_are_the_diagonal_of_covariances(f, mean, var, count):
    return f(mean, var, count)[1].diagonal(), f(mean, np.stack([v.diagonal() for v in var]), count)[1]
