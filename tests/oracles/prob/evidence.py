"""Evidence and opinions in long double, a row at a time."""

import numpy as np

from oracles import WIDE


def dirichlet_evidence(x, *, activation="softplus", clip=10.0):
    k = x.shape[-1]
    alpha, belief, prob = (np.empty(x.shape, WIDE) for _ in range(3))
    doubt = np.empty((*x.shape[:-1], 1), WIDE)
    for i in np.ndindex(x.shape[:-1]):
        if activation == "exp":
            e = np.exp(np.clip(x[i], -WIDE(clip), WIDE(clip)))
        else:
            e = np.maximum(x[i], 0)
            e = e + np.log1p(np.exp(-abs(x[i]))) if activation == "softplus" else e
        s = e.sum() + k
        alpha[i], belief[i], prob[i], doubt[i] = e + 1, e / s, (e + 1) / s, k / s
    return alpha, belief, prob, doubt


def dempster_combine(x, u, other, v):
    belief, doubt = np.empty(x.shape, WIDE), np.empty(u.shape, WIDE)
    for i in np.ndindex(x.shape[:-1]):
        agreed = x[i] * other[i] + x[i] * v[i] + other[i] * u[i]
        rest = agreed.sum() + u[i] * v[i]
        belief[i], doubt[i] = agreed / rest, u[i] * v[i] / rest
    return belief, doubt
