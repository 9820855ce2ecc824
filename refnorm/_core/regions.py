"""Moments over the sites that a mask chooses, along the last axis: right where they cancel, whatever lies elsewhere."""

from .._xp import dtype_name, namespace, require_shape
from .sums import total

__all__ = ["chosen_sites", "count_sites", "from_sites", "require_mask", "sites_centered", "sites_mean"]


def require_mask(xp, mask, shape) -> None:
    """Refuse what is no boolean array of the library `xp` and of this shape."""
    if mask is None or namespace(mask, (mask,)) is not xp:
        raise TypeError(f"mask must be a boolean array of the library of x, got {type(mask).__name__}")
    if not dtype_name(mask).startswith("bool"):
        raise TypeError(f"mask must hold booleans, got {dtype_name(mask)}: write mask > 0.5, or mask != 0")
    require_shape("mask", mask, shape)


def chosen_sites(xp, sites, x):
    """Return x at the sites, 0 elsewhere: what lies there, a NaN even, has no part in a sum."""
    return xp.where(sites, x, xp.zeros_like(x))


def count_sites(xp, sites, like):
    """Return the number of sites along the last axis, kept, in the dtype of `like`, which may have further axes."""
    return xp.sum(xp.astype(sites, like.dtype), axis=-1, keepdims=True)


def sites_mean(xp, sites, x, n, *, roomy):
    """Return the mean of x over n sites: 0 over none."""
    return total(xp, chosen_sites(xp, sites, x), roomy=roomy) / xp.where(n > 0, n, xp.ones_like(n))


def from_sites(xp, sites, x, n, *, roomy):
    """Return x - mean(x at the n sites) everywhere, as `centered` takes it: equal sites give exactly 0.

    The distance is taken to the largest site, which needs no search.
    """
    largest = xp.max(xp.where(sites, x, xp.full_like(x, -float("inf"))), axis=-1, keepdims=True)
    largest = xp.where(n > 0, largest, xp.zeros_like(largest))
    c = x - (largest + sites_mean(xp, sites, x - largest, n, roomy=roomy))
    return c - sites_mean(xp, sites, c, n, roomy=roomy)


def sites_centered(xp, sites, x, n, *, roomy):
    """Return the same at the sites, 0 elsewhere."""
    return chosen_sites(xp, sites, from_sites(xp, sites, x, n, roomy=roomy))
