"""H x by butterflies, accurate in every dtype, and the transpose of a gather."""

from .._xp import device

__all__ = ["scattered", "transform"]


def butterflies(xp, x):
    """Return H x along the last axis: (a, b) -> (a + b, a - b) at the distances 1, 2, 4, ..."""
    shape, h = x.shape, 1
    while h < shape[-1]:
        pairs = xp.reshape(x, (*shape[:-1], shape[-1] // (2 * h), 2, h))
        a, b = pairs[..., 0, :], pairs[..., 1, :]
        x, h = xp.stack([a + b, a - b], axis=-2), 2 * h
    return xp.reshape(x, shape)


def transform(xp, x, scale, *, roomy):
    """Return scale * H x along the last axis; `roomy` says that `x` has digits and exponents to spare.

    Elsewhere a row whose sums would overflow is made smaller for the time being. And where float64 was float64 from
    the start, x is cut into high parts, whole multiples of the last digit of a number `far` beyond every sum, and
    the low rest: the sums of the high parts are exact in whatever order, and those of the rest have nothing to lose.
    """
    if roomy:
        return butterflies(xp, x) * scale
    most = xp.max(xp.abs(x), axis=-1, keepdims=True)
    beyond = 4 * x.shape[-1]
    one, none = xp.ones_like(most), xp.zeros_like(most)
    shrink = xp.where(xp.isfinite(most * beyond) | ~xp.isfinite(most), one, one / beyond)
    x = x * shrink
    if x.dtype != xp.float64:
        return butterflies(xp, x) * scale / shrink
    far = most * shrink * beyond
    far = xp.where(xp.isfinite(far), far, none)
    high = (x + far) - far
    low = xp.where(xp.isfinite(high), x - high, xp.zeros_like(x))
    return (butterflies(xp, high) + butterflies(xp, low)) * scale / shrink


def scattered(xp, g, at):
    """Return the transpose of ``w[..., at]``: the sum of all g whose index is 0, 1, 2, ...

    Sorted by index, g is summed within each run of equal ones, over 2, 4, 8, ... neighbours; a permutation has no runs.
    """
    n, h = at.shape[0], 1
    order = xp.argsort(at)
    at, g = xp.take(at, order, axis=0), xp.take(g, order, axis=-1)
    while h < n:
        more = xp.where(at[h:] == at[:-h], g[..., h:], xp.zeros_like(g[..., h:]))
        g, h = xp.concat([g[..., :-h] + more, g[..., n - h :]], axis=-1), 2 * h
    places = xp.arange(n, dtype=at.dtype, device=device(at))
    first = xp.searchsorted(at, places)
    first = xp.where(first < n, first, xp.zeros_like(first))
    total = xp.take(g, first, axis=-1)
    return xp.where(xp.take(at, first, axis=0) == places, total, xp.zeros_like(total))
