"""Means and root mean squares along the last axis, without cancellation, overflow or loss."""

from .sums import mean

__all__ = ["centered", "root_mean_square", "sum_leading"]


def centered(xp, x, *, roomy):
    """Return x - mean(x) along the last axis, right even where it nearly vanishes.

    A mean of 1e6 rounded to one number costs digits wherever x - mean is small, so the mean is taken twice:
    first of the distance to the first element (a constant row gives exactly 0), then of what is left over.
    """
    first = x[..., :1]
    c = x - (first + mean(xp, x - first, roomy=roomy))
    return c - mean(xp, c, roomy=roomy)


def root_mean_square(xp, x, eps, *, roomy):
    """Return sqrt(mean(x^2) + eps) along the last axis, kept; `roomy` says that no square can overflow."""
    if roomy:
        return xp.sqrt(mean(xp, x * x, roomy=roomy) + eps)
    info = xp.finfo(x.dtype)
    high, low = info.max**0.25, info.smallest_normal**0.25
    largest = xp.max(xp.abs(x), axis=-1, keepdims=True)
    # eps counts as an element, so that a row far below sqrt(eps) is not scaled up until eps overflows
    floor = xp.full_like(largest, eps**0.5)
    largest = xp.where(largest > floor, largest, floor)
    usual = (largest > low) & (largest < high) | (largest == 0) | ~xp.isfinite(largest)
    scale = xp.where(usual, xp.ones_like(largest), largest)
    x = x / scale
    least = eps / scale
    least = xp.where(least > 0, least / scale, least)  # XLA divides by the square of scale: 0 / 0 where that vanishes
    return scale * xp.sqrt(mean(xp, x * x, roomy=roomy) + least)


def sum_leading(xp, x):
    """Return the sum over all axes but the last: a cotangent of something shared by every row."""
    return xp.sum(xp.reshape(x, (-1, x.shape[-1])), axis=0)
