"""Singular triples in long double, by rotating pairs of columns until all are orthogonal (one-sided Jacobi)."""

import numpy as np

from oracles import WIDE


def svd(x):
    """Return (u, s, v) of matrices, as thin as they are: v turned so that its first largest entry is positive."""
    if x.ndim > 2:
        return tuple(np.stack(parts) for parts in zip(*(svd(m) for m in x), strict=True)) if len(x) else empty(x)
    if not np.isfinite(x).all():
        k = min(x.shape)
        return tuple(np.full(shape, np.nan, WIDE) for shape in ((len(x), k), (k,), (x.shape[1], k)))
    tall = len(x) >= x.shape[1]
    u, s, v = orthogonalized(x if tall else x.T)
    u, v = (u, v) if tall else (v, u)
    for k in range(len(s)):
        sizes = np.abs(v[:, k])
        if v[np.argmax(sizes >= (1 - 2.0**-20) * sizes.max()), k] < 0:
            u[:, k], v[:, k] = -u[:, k], -v[:, k]
    return u, s, v


def empty(x):
    k = min(x.shape[-2:])
    shapes = ((*x.shape[:-1], k), (*x.shape[:-2], k), (*x.shape[:-2], x.shape[-1], k))
    return tuple(np.zeros(shape, WIDE) for shape in shapes)


def orthogonalized(x):
    """Return (u, s, v) of a tall matrix."""
    x, n = x.astype(WIDE), x.shape[1]
    v = np.eye(n, dtype=WIDE)
    for _ in range(100):
        still = True
        for i in range(n):
            for j in range(i + 1, n):
                a, b, c = np.sum(x[:, i] ** 2), np.sum(x[:, j] ** 2), np.sum(x[:, i] * x[:, j])
                if np.abs(c) <= len(x) * np.finfo(WIDE).eps * np.sqrt(a) * np.sqrt(b):
                    continue
                still, half = False, (b - a) / (2 * c)
                tangent = (1 if half >= 0 else -1) / (np.abs(half) + np.hypot(1, half))
                cosine = 1 / np.sqrt(1 + tangent**2)
                for m in (x, v):
                    m[:, i], m[:, j] = cosine * (m[:, i] - tangent * m[:, j]), cosine * (tangent * m[:, i] + m[:, j])
        if still:
            break
    s = np.sqrt(np.sum(x**2, axis=0))
    order = sorted(range(n), key=lambda k: -s[k])
    return columns(x[:, order]), s[order], v[:, order]


def columns(x):
    """Return orthonormal columns along those of x, which are orthogonal but for those that rounding left."""
    found = []
    made_up = (np.where(np.arange(len(x)) == k, WIDE(1), WIDE(0)) for k in range(len(x)))
    for column in x.T:
        size = np.sqrt(np.sum(column**2))
        unit = column / size if size > 0 else next(made_up)
        while True:
            rest = unit
            for _ in range(2):
                for q in found:
                    rest = rest - q * np.sum(q * rest)
            length = np.sqrt(np.sum(rest**2))
            if length > 0.5 / np.sqrt(len(x)):
                break
            unit = next(made_up)
        found.append(rest / length)
    return np.stack(found, axis=1)
