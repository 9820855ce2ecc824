"""Simplex frames in long double, column by column."""

import numpy as np

from oracles import WIDE


def simplex_etf(x):
    k = x.shape[1]
    c = x - x[:, :1]
    c = c - np.sum(c, axis=1, keepdims=True) / WIDE(k)
    c = c - np.sum(c, axis=1, keepdims=True) / WIDE(k)
    return np.sqrt(WIDE(k) / WIDE(k - 1)) * c


def cosine(a, b):
    top = np.max(np.abs(a)), np.max(np.abs(b))
    a, b = (v / t if t > 0 else v for v, t in zip((a, b), top, strict=True))
    sizes = np.sqrt(np.sum(a * a)) * np.sqrt(np.sum(b * b))
    return sizes if sizes == 0 else np.sum(a * b) / sizes


def mutual_coherence(x):
    k = x.shape[1]
    return np.asarray(np.max([np.abs(cosine(x[:, i], x[:, j])) for i in range(k) for j in range(k) if i != j]))


def sparse_etf_energy(x, *, norm=0.1, clip=0.99999):
    k, energy = x.shape[1], WIDE(0)
    for i in range(k):
        nearest = np.max([cosine(x[:, i], x[:, j]) for j in range(k) if j != i])
        angle = np.arccos(np.clip(nearest, -WIDE(clip), WIDE(clip)))
        energy = energy + (np.sqrt(np.sum(x[:, i] * x[:, i])) - WIDE(norm)) ** 2 - angle / k
    return np.asarray(energy)


def simplex_vertices(x, *, scale=1.0):
    d = x.shape[-1]
    w = np.zeros((d + 1, d), WIDE)
    for i in range(d):
        w[i, i] = 1
        w[d, i] = (1 - np.sqrt(WIDE(d + 1))) / d
    w = w - np.sum(w, axis=0) / (d + 1)
    y = np.zeros((*x.shape[:-1], d + 1, d), WIDE)
    for i in range(d + 1):
        y[..., i, :] = x + WIDE(scale) * w[i] / np.sqrt(np.sum(w[i] * w[i]))
    return y


def equiangular_basis(x, *, threshold, step=1e-3, count=8):
    if not np.isfinite(x).all():
        return np.full_like(x, np.nan)
    rows = x.copy()
    for _ in range(count):
        for i in range(len(rows)):
            top = np.max(np.abs(rows[i]))
            v = rows[i] / top if top > 0 else rows[i]
            size = np.sqrt(np.sum(v * v))
            rows[i] = v / size if size > 0 or np.isnan(size) else v
        cosines = [[np.sum(a * b) for b in rows] for a in rows]
        pairs = [abs(cosines[i][j]) for i in range(len(rows)) for j in range(len(rows)) if i != j]
        if not pairs or all(c <= WIDE(threshold) + WIDE(1e-4) for c in pairs):
            break
        moved = rows.copy()
        for i in range(len(rows)):
            for j in range(len(rows)):
                if i != j and abs(cosines[i][j]) > WIDE(threshold):
                    moved[i] = moved[i] - 2 * WIDE(step) * np.sign(cosines[i][j]) * rows[j]
        rows = moved
    return rows
