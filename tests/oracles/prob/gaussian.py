"""gaussian_kl in long double, by traces and determinants: loops over the entries, all matrices at once."""

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
