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


BERNOULLI = [1 / WIDE(6), -1 / WIDE(30), 1 / WIDE(42), -1 / WIDE(30), 5 / WIDE(66), -691 / WIDE(2730), 7 / WIDE(6)]
LOG_TWO_PI = np.log(8 * np.arctan(WIDE(1)))


def evidential_mse_loss(alpha, target, *, beta=0.0):
    loss = np.empty(alpha.shape[:-1], WIDE)
    for i in np.ndindex(loss.shape):
        a, y = alpha[i], target[i]
        s = sum(sorted(a))
        # 1 - p by what the other classes have
        others = np.array([sum(sorted(np.delete(a, k))) for k in range(len(a))]) if len(a) < 50 else s - a
        p, q = a / s, others / s
        loss[i] = sum((y * q - (1 - y) * p) ** 2 + p * q / (s + 1))
        loss[i] += WIDE(beta) * divergence(y + (1 - y) * a) if beta else 0
    return loss


def divergence(a):
    """KL(Dir(a) || Dir(1)): log gamma and psi come in twos that are the entropies of gamma distributions."""
    k, s = len(a), a.sum()
    psi, whole = gamma_pair(s)
    return (k - 1) * psi + whole - sum(gamma_pair(a)[1]) - sum(np.log(WIDE(j)) for j in range(1, k))


def gamma_pair(x):
    """psi(x), and x + log gamma(x) + (1 - x) psi(x), by Stirling's series from 24 on, reached by the recurrence."""
    n = np.where(x < 24, 24, 0)
    y = x + n
    squares = [1 / y ** (2 * j) for j in range(1, 8)]
    q = 1 / (2 * y) + sum(b / (2 * j) * v for j, (b, v) in enumerate(zip(BERNOULLI, squares, strict=True), 1))
    r = sum(b / (2 * j * (2 * j - 1)) * v * y for j, (b, v) in enumerate(zip(BERNOULLI, squares, strict=True), 1))
    psi = np.log(y) - q
    entropy = np.log(y) / 2 + LOG_TWO_PI / 2 + r + (y - 1) * q
    product, shares = sum(np.log(x + j) for j in range(24)), sum(1 / (x + j) for j in range(24))
    low = n > 0
    at = np.where(x > 0, entropy - n + n * psi - product - (1 - x) * shares, np.where(x == 0, -np.inf, np.nan))
    return np.where(low, psi - shares, psi), np.where(low, at, entropy)
