"""Lengths of rows, with a derivative also at zero."""

from .sums import total

__all__ = ["length", "unit"]


def length(xp, x, *, roomy):
    """Return the l2 norm along the last axis, kept; its derivative at 0 is 0."""
    one = xp.ones_like(x[..., :1])
    scale = one if roomy else xp.max(xp.abs(x), axis=-1, keepdims=True)
    # scaled only where squares would overflow or vanish: a division would round
    high, low = xp.finfo(x.dtype).max ** 0.25, xp.finfo(x.dtype).smallest_normal ** 0.25
    scale = xp.where((scale > low) & (scale < high) | (scale == 0) | ~xp.isfinite(scale), one, scale)
    square = total(xp, (x / scale) ** 2, roomy=roomy)
    return xp.where(square == 0, square, scale * xp.sqrt(xp.where(square == 0, one, square)))


def unit(xp, x, eps, *, roomy):
    """Return x / max(length, eps)."""
    size = length(xp, x, roomy=roomy)
    return x / xp.where(size < eps, xp.full_like(size, eps), size)
