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
