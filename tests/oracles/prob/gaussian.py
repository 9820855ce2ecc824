"""Normal distributions in long double: gaussian_kl by traces and determinants, all matrices at once; plain loops."""

import numpy as np

from oracles import WIDE


def mirrored(a):
    """Return matrices (D, D, ...) of which the lower half is given."""
    n = len(a)
    return [[a[max(i, j), min(i, j)].copy() for j in range(n)] for i in range(n)]


def eliminated(a, b):
    """Return the pivots of a and a^-1 b, by elimination below the diagonal and back."""
    a, b = mirrored(a), mirrored(b)
    n = len(a)
    for j in range(n):
        for i in range(j + 1, n):
            share = a[i][j] / a[j][j]
            for k in range(j, n):
                a[i][k] = a[i][k] - a[j][k] * share
            for k in range(n):
                b[i][k] = b[i][k] - share * b[j][k]
    for j in range(n - 1, -1, -1):
        for c in range(n):
            for k in range(j + 1, n):
                b[j][c] = b[j][c] - a[j][k] * b[k][c]
            b[j][c] = b[j][c] / a[j][j]
    return [a[j][j] for j in range(n)], b


def gaussian_kl(x, other, *, eps=0.0):
    n = x.shape[-1]
    s1, s2 = (np.moveaxis(a + WIDE(eps) * np.eye(n, dtype=WIDE), (-2, -1), (0, 1)) for a in (x, other))
    pivots, quotient = eliminated(s2, s1)
    own, _ = eliminated(s1, s1)
    trace = sum(quotient[j][j] for j in range(n))
    return (trace - n + sum(np.log(p) for p in pivots) - sum(np.log(p) for p in own)) / 2


def lower_root(s):
    """Return the Cholesky factor of a matrix, an entry at a time."""
    n = len(s)
    root = np.zeros((n, n), WIDE)
    for i in range(n):
        for j in range(i + 1):
            rest = s[i, j] - sum((root[i, k] * root[j, k] for k in range(j)), start=WIDE(0))
            root[i, j] = np.sqrt(rest) if i == j else rest / root[j, j]
    return root


def gaussian_sample(x, mean, var):
    root = lower_root(var)
    return np.stack([mean[i] + sum(root[i, j] * x[..., j] for j in range(len(mean))) for i in range(len(mean))], -1)


def highest_density_region(x, *, alpha=0.05):
    mask, edge = np.zeros(x.shape, bool), np.empty(x.shape[:-1], WIDE)
    for i in np.ndindex(edge.shape):
        row = sorted(x[i], key=lambda v: (np.isnan(v), v))
        edge[i] = row[int(np.floor(alpha * len(row)))]
        mask[i] = [v >= edge[i] for v in x[i]]
    return mask, edge


def factor_model_predictor(x, weight):
    """By elimination on (I + B^T B) z = B^T x, the last factor first."""
    k = weight.shape[1]
    a = [[sum(weight[:, i] * weight[:, j]) + WIDE(i == j) for j in range(k)] for i in range(k)]
    b = [sum(weight[d, i] * x[..., d] for d in range(len(weight))) for i in range(k)]
    for j in range(k):
        for i in range(j + 1, k):
            share = a[i][j] / a[j][j]
            a[i] = [a[i][c] - share * a[j][c] for c in range(k)]
            b[i] = b[i] - share * b[j]
    z = [None] * k
    for j in range(k - 1, -1, -1):
        z[j] = (b[j] - sum(a[j][c] * z[c] for c in range(j + 1, k))) / a[j][j]
    return np.stack(z, axis=-1)
