"""How entmax is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...prob.sparse import entmax
from ..rows import rowwise

conventions(entmax, "entmax", "entmax15, and entmax_bisect, which divides by the sum in the end", alpha=1.5)
conventions(entmax, "code", "ARM-Net", alpha=1.7)
conventions(entmax, "sparsemax", "Martins and Astudillo", alpha=2.0)


def shares(x, alpha=1.5, scale=True, power=None, base=1.0):
    """Return the entmax of rows by halving, in the type of x; the largest share is never lost."""
    of = x.dtype.type
    power = 1 / (alpha - 1) if power is None else power
    c = (of(alpha - 1) if scale else of(1)) * (x - np.max(x, axis=-1, keepdims=True))
    low, width = np.full_like(c[..., :1], -(base ** (1 / power))), base ** (1 / power)
    raised = lambda level: np.where(c > level, np.where(c > level, c - level, of(1)) ** of(power), of(0))
    with np.errstate(invalid="ignore"):
        for _ in range(60):
            width = width / 2
            low = np.where(raised(low + of(width)).sum(axis=-1, keepdims=True) >= base, low + of(width), low)
        y = np.where(np.isinf(c), of(0), raised(low))
    y = y / y.sum(axis=-1, keepdims=True) * of(base)
    return np.where(np.isnan(x.sum(axis=-1, keepdims=True)) | (np.max(x, axis=-1, keepdims=True) == np.inf), np.nan, y)


def wrong(name, kind, twin):
    @mistake(entmax, name, kind=kind)
    @rowwise
    def _(x, alpha=1.5):
        return twin(x, alpha)


def softmax(x, alpha):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


wrong("softmax", "statistic", softmax)
wrong("always alpha 1.5", "option not read", lambda x, alpha: shares(x, 1.5))
wrong("always alpha 2", "option not read", lambda x, alpha: shares(x, 2.0))
wrong("alpha - 1 left out before the level", "place of a parameter", lambda x, alpha: shares(x, alpha, scale=False))
wrong("power alpha - 1", "reciprocal", lambda x, alpha: shares(x, alpha, power=alpha - 1))
wrong("normalized after clipping alone", "statistic", lambda x, alpha: clipped(x, alpha))
wrong("exponent left out", "statistic", lambda x, alpha: shares(x, alpha, power=1.0))


def clipped(x, alpha):
    y = np.maximum((alpha - 1) * (x - np.max(x, axis=-1, keepdims=True)) + 1, 0) ** (1 / (alpha - 1))
    return y / np.sum(y, axis=-1, keepdims=True)


@mistake(entmax, "along the first axis", kind="axis")
def _(x, /, *, axis=-1, alpha=1.5):
    return np.moveaxis(shares(np.moveaxis(x, 0, -1), alpha), -1, 0)


@honest(entmax, "NumPy")
@rowwise
def _(x, alpha=1.5):
    """In double: a root of what is left of a level that float32 has rounded keeps half its digits."""
    return shares(x.astype("float64"), alpha).astype(x.dtype)


# ---- mutants that no check sees ----

survivor(
    entmax,
    "entmax_vjp > two_sum: s = a + b: a + b narrowed",
    "what a short sum leaves out is in the part that was lost, to within a few roundings of float64",
)
