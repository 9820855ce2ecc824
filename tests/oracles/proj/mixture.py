"""The denoiser of a mixture of subspaces in long double, subspace by subspace."""

import numpy as np

from oracles import WIDE


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
