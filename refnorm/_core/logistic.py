"""The logistic function and what it leaves of 1."""

__all__ = ["sigmoids"]


def sigmoids(xp, z):
    """Return 1 / (1 + e^-z) and 1 / (1 + e^z), by an exponential that never overflows: no digit of either is lost."""
    e = xp.exp(-xp.abs(z))
    one = xp.ones_like(e)
    return xp.where(z < 0, e, one) / (1 + e), xp.where(z < 0, one, e) / (1 + e)
