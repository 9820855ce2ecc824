"""Samples by added noise in long double."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def gumbel(u):
    return -np.log(-np.log(u))


def gumbel_softmax(x, u, *, axis=-1, tau=1.0):
    rows, back = rows_of(x, axis)
    draws, _ = rows_of(u, axis)
    y = np.empty(rows.shape, WIDE)
    for i in np.ndindex(rows.shape[:-1]):
        z = ((rows[i] - rows[i].max()) + gumbel(draws[i])) / WIDE(tau)
        e = np.exp(z - z.max())
        y[i] = e / e.sum()
    return back(y)


def gumbel_top_k(x, u, *, k):
    s, places = np.empty((*x.shape[:-1], k), WIDE), np.empty((*x.shape[:-1], k), int)
    for i in np.ndindex(x.shape[:-1]):
        row = [a + gumbel(b) for a, b in zip(x[i], u[i], strict=True)]
        order = sorted(range(len(row)), key=lambda j: (np.isnan(row[j]), 0 if np.isnan(row[j]) else -row[j]))
        places[i], s[i] = order[:k], [row[j] for j in order[:k]]
    return s, places


def binary_concrete(x, u, *, tau=0.5, eps=0.0, hard=False):
    v = np.clip(u, WIDE(eps), 1 - WIDE(eps)) if eps else u
    z = (x + np.log(v) - np.log1p(-v)) / WIDE(tau)
    return np.where(np.isnan(z), z, (z > 0).astype(WIDE)) if hard else 1 / (1 + np.exp(-z))
