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
