"""Soft ranks in long double, by pooling adjacent violators."""

import numpy as np

from oracles import WIDE


def soft_rank(x, *, tau=1.0):
    r = np.full(x.shape, np.nan, WIDE)
    for i in np.ndindex(x.shape[:-1]):
        if np.isfinite(x[i]).all():
            r[i] = ranked(x[i], WIDE(tau))
    return r


def ranked(row, tau):
    """The larger come first. Blocks that lie nearer together than their mean ranks are one."""
    pools = []
    for place, j in enumerate(sorted(range(len(row)), key=lambda j: -row[j])):
        pools.append(([j], WIDE(len(row) - place)))
        while len(pools) > 1 and too_near(row, tau, *pools[-2:]):
            (b, s), (a, r) = pools.pop(), pools.pop()
            pools.append((a + b, (r * len(a) + s * len(b)) / (len(a) + len(b))))
    y = np.empty(len(row), WIDE)
    for members, rank in pools:
        for j in members:
            y[j] = rank + sum(row[j] - row[m] for m in members) / len(members) / tau
    return y


def too_near(row, tau, above, below):
    (a, r), (b, s) = above, below
    origin = row[a[0]]
    apart = sum(row[j] - origin for j in a) / len(a) - sum(row[j] - origin for j in b) / len(b)
    return apart < tau * (r - s)
