"""What cards of decompositions share: LAPACK through NumPy, where it has an answer and a type for it."""

import numpy as np

__all__ = ["finite", "svd"]


def finite(x):
    """Return matrices in a type that LAPACK has, zero where one is not finite, and which are (..., 1, 1).

    From an infinity LAPACK may never come back.
    """
    good = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    return np.where(good, x, 0).astype(np.promote_types(x.dtype, np.float32)), good


def svd(x):
    """Return the thin (u, s, vt) of matrices, NaN where one is not finite."""
    x, good = finite(x)
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    nan = s.dtype.type(np.nan)
    return np.where(good, u, nan), np.where(good[..., 0], s, nan), np.where(good, vt, nan)
