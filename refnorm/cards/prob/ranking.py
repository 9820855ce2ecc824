"""How soft ranks are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.ranking import soft_rank

conventions(soft_rank, "fast-soft-sort", "direction ascending, l2: tau is its regularization_strength", tau=1.0)


def pooled(x, tau, *, first=1, falling=False, sums=False, plain=False):
    """Pool adjacent violators, a row at a time; numbers are taken from the first of each block."""
    y = np.full(x.shape, np.nan, x.dtype)
    for i in np.ndindex(x.shape[:-1]):
        row = -x[i] if falling else x[i]
        if not np.isfinite(row).all():
            continue
        order, n, of = np.argsort(-row, kind="stable"), len(row), x.dtype.type
        pools = []
        for place in range(n):
            pools.append((place, place + 1))
            while not plain and len(pools) > 1 and near(row[order], *pools[-2], pools[-1][1], of(tau)):
                _, end = pools.pop()
                pools[-1] = pools[-1][0], end
        for a, b in pools:
            part = row[order[a:b]]
            off = (part - part[0]) - np.mean(part - part[0])
            middle = sum(range(a, b)) if sums else of((a + b - 1) / 2)
            y[i][order[a:b]] = off / of(tau) + (n - 1 + first - middle)
    return y


def near(row, a, b, c, tau):
    start = row[a]
    apart = np.mean(row[a:b] - start) - np.mean(row[b:c] - start)
    return apart < tau * row.dtype.type((c - a) / 2)


def wrong(name, kind, twin):
    mistake(soft_rank, name, kind=kind)(lambda x, /, *, tau=1.0: twin(x, tau))


wrong("ranks from 0 on", "shift", lambda x, tau: pooled(x, tau, first=0))
wrong("ranks from the largest on", "sign", lambda x, tau: pooled(x, tau, falling=True))
wrong("multiplied by tau", "reciprocal", lambda x, tau: pooled(x, 1 / tau))
wrong("tau of one", "option not read", lambda x, tau: pooled(x, 1.0))
wrong("no ties", "statistic", lambda x, tau: pooled(x, tau, plain=True))
wrong("sums of a block's ranks", "statistic", lambda x, tau: pooled(x, tau, sums=True))
honest(soft_rank, "NumPy")(lambda x, /, *, tau=1.0: pooled(x, tau))
