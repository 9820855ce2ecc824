"""Sums that keep what rounding takes away."""

__all__ = ["two_sum"]


def two_sum(xp, a, b):
    """Return (s, e): the rounded sum of a and b, and what the rounding lost, exactly; e is 0 where s is not finite.

    Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B.
    """
    s = a + b
    part = s - a
    e = (a - (s - part)) + (b - part)
    return s, xp.where(xp.isfinite(s), e, xp.zeros_like(s))
