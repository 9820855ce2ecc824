"""Soft assignments and their target in long double, a point at a time."""

import numpy as np

from oracles import WIDE


def student_t_assignment(x, center, *, nu=1.0):
    nu = WIDE(nu)
    q = np.empty((*x.shape[:-1], len(center)), WIDE)
    for i in np.ndindex(x.shape[:-1]):
        w = np.array([1 + ((x[i] - c) ** 2).sum() / nu for c in center])
        row = (w / w.min()) ** (-(nu + 1) / 2)
        q[i] = row / row.sum()
    return q


def dec_target_distribution(x):
    p = np.zeros(x.shape, WIDE)
    for k in range(x.shape[1]):
        f = x[:, k].sum()
        p[:, k] = 0 if f == 0 else x[:, k] * (x[:, k] / f)
    return p / p.sum(axis=1, keepdims=True)
