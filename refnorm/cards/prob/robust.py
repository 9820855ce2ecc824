"""How robust fits of classes are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.robust import robust_class_gaussian

conventions(robust_class_gaussian, "scikit-learn", "LocalOutlierFactor(contamination='auto'), and np.cov", k=20)


def factors(x, k, *, reachable=True, inverse=False):
    """Return the local outlier factors of points, one by one."""
    n = len(x)
    if n < 2:
        return np.ones(n, x.dtype)
    k = min(k, n - 1)
    x = x / max(np.max(np.abs(x)), np.finfo(x.dtype).smallest_subnormal)
    d = np.sqrt(np.sum((x[:, None] - x) ** 2, axis=-1))
    order = [[j for j in np.argsort(row, kind="stable") if j != i][:k] for i, row in enumerate(d)]
    last = np.array([max(d[i, j] for j in near) for i, near in enumerate(order)])
    reach = np.array(
        [np.mean([max(d[i, j], last[j]) if reachable else d[i, j] for j in near]) for i, near in enumerate(order)]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = reach[:, None] / reach
    ratio = np.where((reach[:, None] == 0) & (reach == 0), 1, ratio)
    ratio = 1 / ratio if inverse else ratio
    return np.array([np.mean(ratio[i, near]) for i, near in enumerate(order)])


def fit(x, ids, segments, k, threshold, correction, *, apart=True, centred=True, **how):
    fine = np.isfinite(x).all(axis=1) & (ids >= 0) & (ids < segments)
    mask = np.zeros(len(x), bool)
    for c in range(segments) if apart else [None]:
        mine = np.flatnonzero(fine & (True if c is None else ids == c))
        mask[mine] = factors(x[mine], k, **how) <= threshold
    mean = np.full((segments, x.shape[1]), np.nan, x.dtype)
    var = np.full((segments, x.shape[1], x.shape[1]), np.nan, x.dtype)
    for c in range(segments):
        own = x[mask & (ids == c)]
        if len(own):
            mean[c] = np.mean(own, axis=0)
        if len(own) > correction:
            z = own - mean[c] if centred else own
            var[c] = z.T @ z / x.dtype.type(len(own) - correction)
    return mean, var, mask


def wrong(name, kind, twin):
    @mistake(robust_class_gaussian, name, kind=kind)
    def _(x, ids, /, *, segments, k=20, threshold=1.5, correction=1):
        return twin(x, ids, segments, k, threshold, correction)


wrong("outliers stay", "statistic", lambda x, i, n, k, t, r: fit(x, i, n, k, np.inf, r))
wrong("neighbours of all classes", "set", lambda x, i, n, k, t, r: fit(x, i, n, k, t, r, apart=False))
wrong("always 20 neighbours", "option not read", lambda x, i, n, k, t, r: fit(x, i, n, 20, t, r))
wrong("one neighbour too many", "set", lambda x, i, n, k, t, r: fit(x, i, n, k + 1, t, r))
wrong("always 1.5", "option not read", lambda x, i, n, k, t, r: fit(x, i, n, k, 1.5, r))
wrong("distances as they are", "statistic", lambda x, i, n, k, t, r: fit(x, i, n, k, t, r, reachable=False))
wrong("the inverse factor", "reciprocal", lambda x, i, n, k, t, r: fit(x, i, n, k, t, r, inverse=True))
wrong("divided by n", "denominator", lambda x, i, n, k, t, r: fit(x, i, n, k, t, 0))
wrong("always divided by n - 1", "option not read", lambda x, i, n, k, t, r: fit(x, i, n, k, t, 1))
wrong("about zero", "missing term", lambda x, i, n, k, t, r: fit(x, i, n, k, t, r, centred=False))


@honest(robust_class_gaussian, "NumPy")
def _(x, ids, /, *, segments, k=20, threshold=1.5, correction=1):
    return fit(x, ids, segments, k, threshold, correction)
