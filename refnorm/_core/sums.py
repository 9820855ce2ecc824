"""Sums along the last axis that keep what rounding takes away, where the dtype has no digits to spare."""

from .._xp import dtype_name

__all__ = ["half", "halved", "mean", "quotient_pair", "sum_pair", "total", "two_product", "two_sum"]


def two_sum(xp, a, b):
    """Return (s, e): the rounded sum of a and b and what the rounding lost, exactly; e is 0 where s is not finite.

    Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B.
    """
    s = a + b
    part = s - a
    e = (a - (s - part)) + (b - part)
    return s, xp.where(xp.isfinite(s), e, xp.zeros_like(s))


def half(x, digits=53):
    """Return x to half its digits, by Veltkamp's splitting: the product of two such numbers is exact."""
    most = x * (2.0 ** ((digits + 1) // 2) + 1)
    return most - (most - x)


def halved(x):
    """Return an array to half its digits."""
    return half(x, 53 if dtype_name(x) == "float64" else 24)


def two_product(a, b):
    """Return (p, e): the rounded product of a and b and what the rounding lost, by Dekker's algorithm."""
    p, high_a, high_b = a * b, halved(a), halved(b)
    low_a, low_b = a - high_a, b - high_b
    return p, ((high_a * high_b - p) + high_a * low_b + low_a * high_b) + low_a * low_b


def quotient_pair(a, lost, b, more):
    """Return (a + lost) / (b + more) in two parts."""
    y = a / b
    back, of_product = two_product(y, b)
    return y, ((a - back) - of_product + lost - y * more) / b


def sum_pair(xp, x):
    """Return (s, rest): the sum along the last axis, kept, and what its roundings lost, by a tree of `two_sum`."""
    lost = xp.zeros_like(x)
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        odd = x[..., 2 * half :], lost[..., 2 * half :]
        x, e = two_sum(xp, x[..., :half], x[..., half : 2 * half])
        lost = lost[..., :half] + lost[..., half : 2 * half] + e
        if odd[0].shape[-1]:
            x, lost = xp.concat([x, odd[0]], axis=-1), xp.concat([lost, odd[1]], axis=-1)
    return x, lost


def total(xp, x, *, roomy):
    """Return the sum along the last axis, kept; compensated for float64 that was float64 from the start."""
    if roomy or dtype_name(x) != "float64":
        return xp.sum(x, axis=-1, keepdims=True)
    s, rest = sum_pair(xp, x)
    return s + rest


def mean(xp, x, *, roomy):
    """Return the mean along the last axis, kept, as `total` sums."""
    return total(xp, x, roomy=roomy) / x.shape[-1]
