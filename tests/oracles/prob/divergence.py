"""Entropies and distances in long double, a row at a time."""

import numpy as np

from oracles import WIDE
from oracles.rows import rows_of


def softmax_entropy(x, *, axis=-1):
    rows, _ = rows_of(x, axis)
    h = np.empty(rows.shape[:-1], WIDE)
    for i in np.ndindex(h.shape):
        top = int(np.argmax(rows[i]))  # of a NaN, where there is one
        z = rows[i] - rows[i][top]
        others = [v for n, v in enumerate(z) if n != top]
        rest = sum((np.exp(v) for v in others), start=WIDE(0)) + 0 * z[top]  # NaN where the largest is infinite
        h[i] = np.log1p(rest) - sum((np.exp(v) * v for v in others if v != -np.inf), start=WIDE(0)) / (1 + rest)
    return h


def total_variation_distance(x, other, *, axis=-1):
    rows, _ = rows_of(x, axis)
    others, _ = rows_of(other, axis)
    d = np.empty(rows.shape[:-1], WIDE)
    for i in np.ndindex(d.shape):
        d[i] = sum((abs(p - q) for p, q in zip(rows[i], others[i], strict=True)), start=WIDE(0)) / 2
    return d


def log_softmax(row):
    top = int(np.argmax(row))
    z = row - row[top]
    rest = sum((np.exp(v) for n, v in enumerate(z) if n != top), start=WIDE(0)) + 0 * z[top]
    return z - np.log1p(rest)


def relative_entropy(p, q, log_p, log_q):
    """The sum of p log(p / q) over outcomes."""
    d = WIDE(0)
    for a, b, la, lb in zip(p, q, log_p, log_q, strict=True):
        if a == 0 and not np.isnan(b):
            continue
        d += np.inf if b == 0 and lb == -np.inf and a > 0 else a * (la - lb)
    return d


def kl_divergence(x, other, *, axis=-1, kind="probabilities", symmetric=False):
    rows, _ = rows_of(x, axis)
    others, _ = rows_of(other, axis)
    d = np.empty(rows.shape[:-1], WIDE)
    for i in np.ndindex(d.shape):
        p, q = rows[i], others[i]
        if kind == "scores":
            log_p, log_q = log_softmax(p), log_softmax(q)
            p, q = np.exp(log_p), np.exp(log_q)
        else:
            if kind == "bernoulli":
                p, q = (np.concatenate([a, 1 - a]) for a in (p, q))
            log_p, log_q = np.log(p), np.log(q)
        d[i] = relative_entropy(p, q, log_p, log_q)
        d[i] = d[i] + relative_entropy(q, p, log_q, log_p) if symmetric else d[i]
    return d


def hellinger_distance(x, other, *, axis=-1, squared=False, halved=True):
    rows, _ = rows_of(x, axis)
    others, _ = rows_of(other, axis)
    d = np.empty(rows.shape[:-1], WIDE)
    for i in np.ndindex(d.shape):
        d[i] = sum(((np.sqrt(p) - np.sqrt(q)) ** 2 for p, q in zip(rows[i], others[i], strict=True)), start=WIDE(0))
        d[i] = d[i] / 2 if halved else d[i]
        d[i] = d[i] if squared else np.sqrt(d[i])
    return d
