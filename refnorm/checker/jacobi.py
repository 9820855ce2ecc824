"""Decompositions in any floating type that NumPy has: what LAPACK computes, for long double too.

Jacobi's rotations are slow and very exact; the calls of mutants are small.
"""

from __future__ import annotations

import functools

import numpy as np

__all__ = ["det", "qr", "solve", "svd"]

SWEEPS = 60  # six or seven are usual


def of_stacks(decompose):
    """Make a function of one matrix one of stacks of them."""

    @functools.wraps(decompose)
    def stacked(*stacks, **options):
        if stacks[0].ndim == 2:
            return decompose(*stacks, **options)
        found = [stacked(*one, **options) for one in zip(*stacks, strict=True)]
        return tuple(map(np.stack, zip(*found, strict=True))) if isinstance(found[0], tuple) else np.stack(found)

    return stacked


@of_stacks
def svd(a, full_matrices=False):
    """Return the thin (u, s, vt), by rotations that make the columns of a orthogonal (Hestenes 1958)."""
    if a.shape[0] < a.shape[1]:
        u, s, vt = svd(a.T)
        return vt.T, s, u.T
    a, v = a.copy(), np.eye(a.shape[1], dtype=a.dtype)
    for _ in range(SWEEPS):
        turned = [_turn(a, v, i, j) for j in range(len(v)) for i in range(j)]
        if not any(turned):
            break
    s = np.sqrt(np.sum(a * a, axis=0))
    order = np.argsort(-s, kind="stable")
    return qr(a[:, order] / np.where(s == 0, 1, s)[order])[0], s[order], v[:, order].T


def _turn(a, v, i, j) -> bool:
    """Make columns i and j of a orthogonal, turning v along; return whether they were not."""
    first, second, both = (a[:, i] @ a[:, i], a[:, j] @ a[:, j], a[:, i] @ a[:, j])
    if not abs(both) > len(a) * np.finfo(a.dtype).eps * np.sqrt(first * second):
        return False
    cot = (second - first) / (2 * both)
    t = (1 if cot >= 0 else -1) / (abs(cot) + np.hypot(1, cot))
    c = 1 / np.hypot(1, t)
    for m in (a, v):
        m[:, i], m[:, j] = c * m[:, i] - c * t * m[:, j], c * t * m[:, i] + c * m[:, j]
    return True


@of_stacks
def qr(a):
    """Return (q, r), r with a positive diagonal, by Gram and Schmidt, twice; columns that vanish are made up."""
    q, spare = np.zeros_like(a), list(np.eye(len(a), dtype=a.dtype))
    for k in range(a.shape[1]):
        column, least = a[:, k], np.finfo(a.dtype).eps * len(a) * np.sqrt(a[:, k] @ a[:, k])
        while True:
            rest = column - q @ (q.T @ column)
            rest = rest - q @ (q.T @ rest)
            if (size := np.sqrt(rest @ rest)) > least:
                break
            column, least = spare.pop(), 0.5 / np.sqrt(len(a))
        q[:, k] = rest / size
    return q, q.T @ a


@of_stacks
def solve(a, b):
    """Return a^-1 b."""
    a, b, _ = _eliminated(a.copy(), b.copy())
    for k in reversed(range(len(a))):
        b[k] = (b[k] - a[k, k + 1 :] @ b[k + 1 :]) / a[k, k]
    return b


@of_stacks
def det(a):
    """Return the determinant."""
    a, _, sign = _eliminated(a.copy(), np.zeros_like(a))
    return sign * np.prod(np.diagonal(a))


def _eliminated(a, b) -> tuple:
    """Return a made upper triangular by Gauss's elimination with pivots, b along with it, and the sign of the swaps."""
    sign = 1
    for k in range(len(a)):
        p = k + int(np.argmax(np.abs(a[k:, k])))
        a[[k, p]], b[[k, p]] = a[[p, k]], b[[p, k]]
        sign = sign if p == k else -sign
        if a[k, k] != 0:
            factors = a[k + 1 :, k : k + 1] / a[k, k]
            a[k + 1 :] -= factors * a[k]
            b[k + 1 :] -= factors * b[k]
    return a, b, sign
