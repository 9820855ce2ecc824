"""How memberships of neighbours are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.membership import smooth_knn_membership

conventions(smooth_knn_membership, "umap-learn", "local_connectivity and bandwidth", connectivity=1.0, scale=1.0)


def joined(d, connectivity):
    rho = np.zeros_like(d[..., :1])
    for i in np.ndindex(d.shape[:-1]):
        near = np.sort(d[i][d[i] > 0])
        whole = int(connectivity)
        if len(near) >= connectivity:
            rho[i] = near[whole - 1] if whole else 0
            if whole != connectivity:
                rho[i] += (connectivity - whole) * (near[whole] - (near[whole - 1] if whole else 0))
        elif len(near):
            rho[i] = near[-1]
    return rho


def member(x, connectivity, scale, *, first=1, log=np.log2, least=1e-3, rho=joined, size=None):
    d = x.astype(np.float64)
    d = d + np.sum(0 * d, axis=-1, keepdims=True)
    gaps = np.maximum(d - rho(d, connectivity), 0)
    target, k = scale * log(d.shape[-1]), d.shape[-1]
    if target >= k - first:
        return np.ones_like(d) + 0 * d
    low, high = np.full(d[..., :1].shape, -1000.0), np.full(d[..., :1].shape, 1000.0)
    with np.errstate(all="ignore"):
        for _ in range(64):
            middle = (low + high) / 2
            over = np.sum(np.exp(-gaps[..., first:] / 2**middle), axis=-1, keepdims=True) > target
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        sigma = np.maximum(2**low, least * np.mean(d, axis=-1, keepdims=True))
        return np.exp(-gaps / sigma)


@mistake(smooth_knn_membership, "the point itself in the sum", kind="set")
def _(x, /, *, connectivity=1.0, scale=1.0):
    return member(x, connectivity, scale, first=0)


@mistake(smooth_knn_membership, "natural logarithm", kind="statistic")
def _(x, /, *, connectivity=1.0, scale=1.0):
    return member(x, connectivity, scale, log=np.log)


@mistake(smooth_knn_membership, "nothing is joined", kind="place of a parameter")
def _(x, /, *, connectivity=1.0, scale=1.0):
    return member(x, connectivity, scale, rho=lambda d, c: 0 * d[..., :1])


@mistake(smooth_knn_membership, "joined in whole numbers", kind="place of a parameter")
def _(x, /, *, connectivity=1.0, scale=1.0):
    return member(x, np.floor(connectivity), scale) if connectivity >= 1 else member(x, 1.0, scale)


@mistake(smooth_knn_membership, "scale left out", kind="place of a parameter")
def _(x, /, *, connectivity=1.0, scale=1.0):
    return member(x, connectivity, 1.0)


@mistake(smooth_knn_membership, "as narrow as it comes", kind="denominator")
def _(x, /, *, connectivity=1.0, scale=1.0):
    return member(x, connectivity, scale, least=1e-300)


@honest(smooth_knn_membership, "NumPy", baseline=True)
def _(x, /, *, connectivity=1.0, scale=1.0):
    return member(x, connectivity, scale).astype(x.dtype)
