"""Scalings by rows and columns in long double, a matrix at a time."""

import numpy as np

from oracles import WIDE


def log_total(values):
    largest = values.max()
    return largest + np.log(np.exp(values - largest).sum())


def one_plan(k, iterations):
    """Return the plan of a matrix and what its rows sum to."""
    r, c = k.shape
    k = k - k.max(axis=1, keepdims=True)  # the first scaling undoes it: beside 1e38 the factors would have no digits
    f, g = np.zeros(r, WIDE), np.zeros(c, WIDE)
    share = WIDE(r) / WIDE(c)
    for _ in range(iterations):
        f = -np.array([log_total(k[i] + g) for i in range(r)])
        g = -np.array([log_total(k[:, j] + f) for j in range(c)])
    plan = np.empty((r, c), WIDE)
    for j in range(c):
        z = k[:, j] + f
        plan[:, j] = share * np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    return plan, plan.sum(axis=1)


def sinkhorn(x, *, tau=0.1, iterations=50):
    plans, sums = np.empty(x.shape, WIDE), np.empty(x.shape[:-1], WIDE)
    for i in np.ndindex(x.shape[:-2]):
        plans[i], sums[i] = one_plan(x[i] / WIDE(tau), iterations)
    return plans, sums


def sinkhorn_assignment(x, *, tau=0.05, iterations=3):
    plans, sums = sinkhorn(np.swapaxes(x, -1, -2), tau=tau, iterations=iterations)
    return np.swapaxes(plans, -1, -2) * WIDE(x.shape[-2]) / WIDE(x.shape[-1]), sums
