"""How soft ranks are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.ranking import soft_rank

conventions(soft_rank, "fast-soft-sort", "direction ascending, l2: tau is its regularization_strength", tau=1.0)


def pooled(x, tau, *, first=1, falling=False, sums=False, plain=False):
    """Pool adjacent violators, a row at a time."""
    y = np.full(x.shape, np.nan, x.dtype)
    for i in np.ndindex(x.shape[:-1]):
        row = -x[i] if falling else x[i]
        if not np.isfinite(row).all():
            continue
        order, n = np.argsort(-row, kind="stable"), len(row)
        values, pools = [float(v) for v in row[order]], []
        for place, value in enumerate(values):
            pools.append((place, place + 1, value))  # where it starts and ends, and its mean
            while not plain and len(pools) > 1 and pools[-2][2] - pools[-1][2] < tau * (place + 1 - pools[-2][0]) / 2:
                (start, middle, mean), (_, end, other) = pools[-2:]
                pools[-2:] = [(start, end, mean + (other - mean) * (end - middle) / (end - start))]
        for start, end, mean in pools:
            rank = sum(range(start, end)) if sums else (start + end - 1) / 2
            for place in range(start, end):
                y[i][order[place]] = (values[place] - mean) / tau + (n - 1 + first - rank)
    return y


def wrong(name, kind, twin):
    mistake(soft_rank, name, kind=kind)(lambda x, /, *, tau=1.0: twin(x, tau))


wrong("ranks from 0 on", "shift", lambda x, tau: pooled(x, tau, first=0))
wrong("ranks from the largest on", "sign", lambda x, tau: pooled(x, tau, falling=True))
wrong("multiplied by tau", "reciprocal", lambda x, tau: pooled(x, 1 / tau))
wrong("tau of one", "option not read", lambda x, tau: pooled(x, 1.0))
wrong("no ties", "statistic", lambda x, tau: pooled(x, tau, plain=True))
wrong("sums of a block's ranks", "statistic", lambda x, tau: pooled(x, tau, sums=True))
honest(soft_rank, "NumPy")(lambda x, /, *, tau=1.0: pooled(x, tau))
