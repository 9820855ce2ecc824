"""Inverted softmaxes in long double, a column at a time."""

import numpy as np

from oracles import WIDE


def log_sums(bank, beta):
    """Return log sum exp(beta S) of each column of a bank, in two parts: beta times the largest, and the rest."""
    parts = np.empty((2, bank.shape[1]), WIDE)
    for g in range(bank.shape[1]):
        m = bank[:, g].max()
        parts[:, g] = m, np.log(sum(np.exp(WIDE(beta) * (v - m)) for v in bank[:, g]))
    return parts


def inverted_softmax(x, bank, *, beta=20.0):
    m, rest = log_sums(bank, beta)
    return np.exp(WIDE(beta) * (x - m) - rest)


def dual_inverted_softmax(x, bank, gallery_bank, *, beta=1 / 1.99, gallery_beta=3.0):
    y = WIDE(0)
    for b, sharpness in (bank, beta), (gallery_bank, gallery_beta):
        m, rest = log_sums(b, sharpness)
        y = y + (WIDE(sharpness) * (x - m) - rest)
    return np.exp(y)


def dynamic_inverted_softmax(x, bank, *, beta=20.0, k=1):
    hubs = set()
    for row in bank:
        left = [g for g in range(len(row)) if not np.isnan(row[g])]
        hubs |= set(sorted(left, key=lambda g: -row[g])[:k])
    y = inverted_softmax(x, bank, beta=beta)
    for q in np.ndindex(x.shape[:-1]):
        y[q] = y[q] if int(np.argmax(x[q])) in hubs else x[q]
    return y
