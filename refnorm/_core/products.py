"""Inner products of rows, whose rounding errors are carried along where the dtype has no digits to spare."""

from .._xp import dtype_name
from .sums import sum_pair, total

__all__ = ["inner", "inner_pairs"]


def inner(xp, x, rows, *, roomy):
    """Return the inner products of x, (..., n), with each of the rows, (k, n), as (..., k)."""
    if roomy:
        return xp.matmul(x, xp.matrix_transpose(rows))
    return total(xp, xp.expand_dims(x, axis=-2) * rows, roomy=False)[..., 0]


def inner_pairs(xp, x, rows, *, roomy):
    """Return the inner products of each row of x, (..., j, n), with each of the rows, (..., k, n), as (..., j, k).

    Only float64 has anything carried along: products that XLA fuses it may compute twice, and round otherwise.
    """
    if roomy or dtype_name(x) != "float64":
        return xp.matmul(x, xp.matrix_transpose(rows))
    s, rest = sum_pair(xp, xp.expand_dims(x, axis=-2) * xp.expand_dims(rows, axis=-3))
    return (s + rest)[..., 0]
