"""A shorter grid of tokens in long double, one tap of the filter at a time."""

import numpy as np

from oracles import WIDE


def residual_spatial_reduction(x, weight, bias=None, gain=None, shift=None, position=None, *, stride=2, eps=1e-6):
    f, (n, h, w, c), d = stride, x.shape, weight.shape[0]
    y = np.zeros((n, h // f, w // f, d), WIDE)
    with np.errstate(all="ignore"):
        z = x - x.sum(axis=-1, keepdims=True) / c
        z = z - z.sum(axis=-1, keepdims=True) / c
        z = z / np.sqrt((z * z).sum(axis=-1, keepdims=True) / c + WIDE(eps))
        z = z * (1 if gain is None else gain) + (0 if shift is None else shift)
        for p in range(h // f):
            for q in range(w // f):
                for i in range(f + 1):
                    for j in range(f + 1):
                        a, b = p * f - f // 2 + i, q * f - f // 2 + j
                        if 0 <= a < h and 0 <= b < w:
                            for o in range(d):
                                y[:, p, q, o] += (z[:, a, b, :] * weight[o, :, i, j]).sum(axis=-1)
                cell = x[:, p * f : (p + 1) * f, q * f : (q + 1) * f, :]
                y[:, p, q, :c] += cell.sum(axis=(1, 2)) / (f * f)
        y = y + (0 if bias is None else bias)
        return y + (0 if position is None else position)
