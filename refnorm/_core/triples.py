"""Singular triples whose signs do not hang on the library: of the thin decomposition that every array library has."""

from __future__ import annotations

import operator

__all__ = ["leading", "require_matrices", "require_rank", "signs", "svd"]

NEARLY = 1 - 2.0**-20  # entries as large as this share of the largest count as equal to it


def require_matrices(name, x) -> None:
    """Refuse what is no matrix or stack of them, and matrices without a row or a column."""
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise ValueError(f"{name} must have shape (..., m, n) with m and n above 0, got {tuple(x.shape)}")


def require_rank(rank, most) -> int:
    """Return how many triples are kept, all of them for None; refuse what is no number of 1 to `most`."""
    if rank is None:
        return most
    try:
        r = operator.index(rank)
    except TypeError:
        raise TypeError(f"rank must be an int, got {type(rank).__name__}") from None
    if not 1 <= r <= most:
        raise ValueError(f"rank must be 1 to {most}, got {rank}")
    return r


def signs(xp, rows):
    """Return what to multiply rows by, (..., 1), so that the first of their largest entries is positive.

    The largest loading positive is scikit-learn's rule. Entries that are as large but for rounding are told apart by
    their place, since which of them is larger hangs on the library.
    """
    size = xp.abs(rows)
    near = size >= NEARLY * xp.max(size, axis=-1, keepdims=True)
    first = xp.argmax(xp.where(near, xp.ones_like(size), xp.zeros_like(size)), axis=-1, keepdims=True)
    entry = xp.take_along_axis(rows, first, axis=-1)
    return xp.where(entry < 0, -xp.ones_like(entry), xp.ones_like(entry))


def svd(xp, x):
    """Return (u, s, v), x = u diag(s) v^T, of matrices: min(m, n) columns, s descending, `signs` of the columns of v.

    LAPACK stops at a NaN or an infinity, or gives anything; here a matrix with one has triples of NaN.
    """
    bad = xp.any(~xp.isfinite(x), axis=(-2, -1), keepdims=True)
    u, s, vt = xp.linalg.svd(xp.where(bad, xp.zeros_like(x), x), full_matrices=False)
    turn = signs(xp, vt)
    u, v = u * xp.matrix_transpose(turn), xp.matrix_transpose(vt * turn)
    return tuple(xp.where(gone, xp.full_like(a, float("nan")), a) for a, gone in ((u, bad), (s, bad[..., 0]), (v, bad)))


def leading(xp, x, rank):
    """Return the triples of the `rank` largest singular values."""
    u, s, v = svd(xp, x)
    return u[..., :rank], s[..., :rank], v[..., :rank]
