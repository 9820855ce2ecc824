"""Lengths of rows, with a derivative also at zero."""

from .sums import total

__all__ = ["length", "power_length", "square_scale", "unit"]


def power_scale(xp, x, p):
    """Return what to divide rows by before the power p: 1 but where powers would overflow or vanish."""
    largest = xp.max(xp.abs(x), axis=-1, keepdims=True)
    # scaled only where it must be: a division would round
    high, low = xp.finfo(x.dtype).max ** (0.5 / p), xp.finfo(x.dtype).smallest_normal ** (0.5 / p)
    usual = (largest > low) & (largest < high) | (largest == 0) | ~xp.isfinite(largest)
    return xp.where(usual, xp.ones_like(largest), largest)


def square_scale(xp, x, *, roomy):
    """Return what to divide rows by before they are squared."""
    return xp.ones_like(x[..., :1]) if roomy else power_scale(xp, x, 2)


def length(xp, x, *, roomy):
    """Return the l2 norm along the last axis, kept; its derivative at 0 is 0."""
    scale = square_scale(xp, x, roomy=roomy)
    square = total(xp, (x / scale) ** 2, roomy=roomy)
    one = xp.ones_like(square)
    return xp.where(square == 0, square, scale * xp.sqrt(xp.where(square == 0, one, square)))


def power_length(xp, x, p, *, roomy):
    """Return (sum x^p)^(1/p) along the last axis, kept, for p > 0; its derivative at 0 is 0."""
    scale = power_scale(xp, x, p)
    powers = total(xp, (x / scale) ** p, roomy=roomy)
    return xp.where(powers == 0, powers, scale * xp.where(powers == 0, xp.ones_like(powers), powers) ** (1 / p))


def unit(xp, x, eps, *, roomy):
    """Return x / max(length, eps)."""
    size = length(xp, x, roomy=roomy)
    return x / xp.where(size < eps, xp.full_like(size, eps), size)
