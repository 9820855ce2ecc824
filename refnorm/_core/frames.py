"""Orthonormal rows of a span, in the order given."""

from .sums import total

__all__ = ["orthonormal_rows"]


def orthonormal_rows(xp, rows, rtol, *, roomy):
    """Return orthonormal rows of the same span, (..., k, n), by Gram and Schmidt, each twice.

    A row that those before it explain but for the share `rtol` of its length becomes 0.
    """
    done = []
    for i in range(rows.shape[-2]):
        v = rows[..., i, :]
        size = xp.max(xp.abs(v), axis=-1, keepdims=True)
        v = v / xp.where(size > 0, size, xp.ones_like(size))
        whole = total(xp, v * v, roomy=roomy)
        for _ in range(2):  # once leaves rounding errors along the others
            for q in done:
                v = v - total(xp, v * q, roomy=roomy) * q
        square = total(xp, v * v, roomy=roomy)
        dependent = square <= rtol**2 * whole
        v = v / xp.sqrt(xp.where(dependent, xp.ones_like(square), square))
        done.append(xp.where(dependent, xp.zeros_like(v), v))
    return xp.stack(done, axis=-2)
