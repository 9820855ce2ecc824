"""Inner products of rows, whose rounding errors are carried along where the dtype has no digits to spare."""

from .sums import total

__all__ = ["inner", "inner_pairs"]


def inner(xp, x, rows, *, roomy):
    """Return the inner products of x, (..., n), with each of the rows, (k, n), as (..., k)."""
    if roomy:
        return xp.matmul(x, xp.matrix_transpose(rows))
    return total(xp, xp.expand_dims(x, axis=-2) * rows, roomy=False)[..., 0]


def inner_pairs(xp, x, rows, *, roomy):
    """Return the inner products of each row of x, (..., j, n), with each of the rows, (..., k, n), as (..., j, k)."""
    return inner(xp, x, rows if roomy else xp.expand_dims(rows, axis=-3), roomy=roomy)
