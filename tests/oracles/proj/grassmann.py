"""Subspaces in long double: classes, angles and ways, one by one."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def grassmann_logits(x, basis, bias=None, *, scale=25.0, normalize=True, eps=1e-12):
    size = np.sqrt(np.sum(x * x, axis=-1))
    size = np.where(size < WIDE(eps), WIDE(eps), size) if normalize else np.ones_like(size)
    y = np.zeros((*x.shape[:-1], len(basis)), WIDE)
    for k, rows in enumerate(basis):
        square = np.zeros(x.shape[:-1], WIDE)
        for row in rows:
            square = square + np.sum(x * row, axis=-1) ** 2
        y[..., k] = WIDE(scale) * np.sqrt(square) / size
    return y if bias is None else y + bias


def principal_angles(a, b):
    """By a basis of each from its singular vectors, and sines and cosines from Jacobi's rotations."""
    if a.ndim > 2:
        pairs = [principal_angles(p, q) for p, q in zip(a, b, strict=True)]
        return np.array(pairs, WIDE).reshape(*a.shape[:-2], min(a.shape[-2], b.shape[-2]))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.full(min(len(a), len(b)), np.nan, WIDE)
    p, q = (svd(rows / max(np.max(np.abs(rows)), np.finfo(WIDE).tiny))[2] for rows in (a, b))
    p, q = (p, q) if p.shape[1] >= q.shape[1] else (q, p)
    inside = np.array([[np.sum(x * y) for y in q.T] for x in p.T], WIDE)
    rest = q.copy()
    for x, row in zip(p.T, inside, strict=True):
        rest = rest - x[:, None] * row
    return np.arctan2(svd(rest)[1], svd(inside)[1][::-1])


def grassmann_exp(basis, direction, *, step=1.0):
    u, size, v = svd(direction)
    y = np.zeros(basis.shape, WIDE)
    for k in range(size.shape[-1]):
        angle = (WIDE(step) * size[..., k])[..., None, None]
        along = np.sum(u[..., :, k, None] * basis, axis=-2)[..., None, :]
        y = y + u[..., :, k, None] * (np.cos(angle) * along + np.sin(angle) * v[..., None, :, k])
    bad = ~np.isfinite(basis).all(axis=(-2, -1), keepdims=True)
    return np.where(bad, WIDE("nan"), y)


def grassmann_retract(basis, direction, *, step=1.0):
    """By Gram and Schmidt, each row twice."""
    moved = basis + WIDE(step) * direction
    if moved.ndim > 2:
        return np.array([grassmann_retract(m, 0 * m) for m in moved], WIDE).reshape(moved.shape)
    if not np.isfinite(moved).all():
        return np.full(moved.shape, np.nan, WIDE)
    size, rows = np.max(np.abs(moved)), []
    for row in moved / (size if size else 1):
        for _ in range(2):
            for q in rows:
                row = row - np.sum(q * row) * q
        size = np.sqrt(np.sum(row * row))
        rows.append(row / size if size else row)
    return np.stack(rows)
