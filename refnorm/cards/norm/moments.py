"""How moments are merged wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.moments import merge_moments

conventions(merge_moments, "sepico", "class by class, biased variances (ProtoEstimator of the released code)")
conventions(merge_moments, "sklearn", "_incremental_mean_and_var, two parts at a time: biased variances")


def outer(c):
    return c[..., :, None] * c[..., None, :]


def squared(c, var):
    """Return c squared as variances, or as covariances where `var` has those."""
    return c * c if var.ndim == c.ndim else outer(c)


def weighted(share, x):
    """Return the weighted sum of parts; a part without weight has no part in it."""
    share = share.reshape(share.shape + (1,) * (x.ndim - share.ndim))
    return np.sum(share * np.where(share > 0, x, x.dtype.type(0)), axis=0)


def shares(count, dtype):
    whole = count.sum(axis=0)
    return (count / np.where(whole > 0, whole, 1)).astype(dtype)


def two_passes(mean, var, count):
    share = shares(count, mean.dtype)
    mu = weighted(share, mean)
    return mu, weighted(share, var + squared(mean - mu, var))


@mistake(merge_moments, "every part weighs the same", kind="weight")
def _(mean, var, count):
    return two_passes(mean, var, np.ones_like(count))


@mistake(merge_moments, "variance between the parts left out", kind="statistic")
def _(mean, var, count):
    share = shares(count, mean.dtype)
    return weighted(share, mean), weighted(share, var)


@mistake(merge_moments, "means weighted, variances not", kind="weight")
def _(mean, var, count):
    return two_passes(mean, var, count)[0], two_passes(mean, var, np.ones_like(count))[1]


@mistake(merge_moments, "variances pooled with n - 1", kind="denominator")
def _(mean, var, count):
    mu, merged = two_passes(mean, var, count)
    n = count.sum(axis=0)
    unbiased = (n / np.maximum(n - 1, 1)).astype(mean.dtype)
    return mu, merged * unbiased.reshape(unbiased.shape + (1,) * (merged.ndim - unbiased.ndim))


@mistake(merge_moments, "a part of no elements counted as one", kind="count")
def _(mean, var, count):
    return two_passes(mean, var, np.maximum(count, 1))


@mistake(merge_moments, "raw second moments in float32", kind="cancellation")
def _(mean, var, count):
    narrow, share = mean.astype(np.float32), shares(count, np.float32)
    mu = weighted(share, narrow)
    return mu, weighted(share, var.astype(np.float32) + squared(narrow, var)) - squared(mu, var[0])


@mistake(merge_moments, "between the parts only along the diagonal", kind="axis")
def _(mean, var, count):
    mu, merged = two_passes(mean, var, count)
    if var.ndim == mean.ndim:
        return mu, merged
    share = shares(count, mean.dtype)
    return mu, weighted(share, var) + np.eye(mean.shape[-1]) * weighted(share, (mean - mu) ** 2)[..., None]


# ---- other people's right ones ----


@honest(merge_moments, "NumPy, two passes")
def _(mean, var, count, /):
    return two_passes(mean, var, count)
