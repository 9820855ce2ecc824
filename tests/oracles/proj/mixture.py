"""The denoiser of a mixture of subspaces, and a round of K-subspaces, in long double, subspace by subspace."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def subspace_mixture_denoiser(x, basis, weights=None, *, scale=1.0, std=1.0):
    s, g = WIDE(scale), WIDE(std)
    squares, parts = [], []
    for rows in basis:
        square, part = np.zeros(x.shape[:-1], WIDE), np.zeros(x.shape, WIDE)
        for row in rows:
            c = np.sum(x * row, axis=-1)
            square, part = square + c * c, part + c[..., None] * row
        squares.append(square)
        parts.append(part)
    top = np.max(squares, axis=0)
    y, whole = np.zeros(x.shape, WIDE), np.zeros(x.shape[:-1], WIDE)
    for k, (square, part) in enumerate(zip(squares, parts, strict=True)):
        w = np.exp(s * s / (2 * g * g * (s * s + g * g)) * (square - top))
        w = w if weights is None else weights[k] * w
        y, whole = y + w[..., None] * part, whole + w
    return s / (s * s + g * g) * y / whole[..., None]


def k_subspaces(x, basis):
    energies = [[sum((row * point).sum() ** 2 for row in rows) for rows in basis] for point in x]
    ids = np.array([int(np.argmax(e)) for e in energies])
    found = basis.copy()
    for k in range(len(basis)):
        if (ids == k).any():
            found[k] = svd(np.where((ids == k)[:, None], x, 0))[2][:, : basis.shape[1]].T
    return found, np.array([e[i] for e, i in zip(energies, ids, strict=True)]), ids
