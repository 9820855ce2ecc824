"""Lengths of rows, with a derivative also at zero."""

from .sums import total

__all__ = ["length", "square_scale"]


def square_scale(xp, x, *, roomy):
    """Return what to divide rows by before they are squared: 1 but where squares would overflow or vanish."""
    one = xp.ones_like(x[..., :1])
    scale = one if roomy else xp.max(xp.abs(x), axis=-1, keepdims=True)
    # scaled only where it must be: a division would round
    high, low = xp.finfo(x.dtype).max ** 0.25, xp.finfo(x.dtype).smallest_normal ** 0.25
    return xp.where((scale > low) & (scale < high) | (scale == 0) | ~xp.isfinite(scale), one, scale)


def length(xp, x, *, roomy):
    """Return the l2 norm along the last axis, kept; its derivative at 0 is 0."""
    scale = square_scale(xp, x, roomy=roomy)
    square = total(xp, (x / scale) ** 2, roomy=roomy)
    one = xp.ones_like(square)
    return xp.where(square == 0, square, scale * xp.sqrt(xp.where(square == 0, one, square)))
