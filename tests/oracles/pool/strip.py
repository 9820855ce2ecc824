"""Gates of strips in long double, one sample after the other."""

import numpy as np

from oracles import WIDE
from oracles.pool.squeeze import mapped, sigmoid


def strips(sample):
    """Return the means of each row, (C, H), and of each column, (C, W)."""
    return sample.sum(axis=2) / WIDE(sample.shape[2]), sample.sum(axis=1) / WIDE(sample.shape[1])


def convolved(z, k):
    c, n = z.shape
    outputs, each, window = k.shape
    y = np.zeros((outputs, n), WIDE)
    for d in range(outputs):
        first = d // (outputs // (c // each)) * each
        for i in range(each):
            for j in range(window):
                ahead = j - window // 2  # site s reads site s + ahead
                low, high = min(n, max(0, -ahead)), max(0, min(n, n - ahead))
                if low < high:
                    y[d, low:high] += k[d, i, j] * z[first + i, low + ahead : high + ahead]
    return y


def efficient_local_attention(x, weight, gain, shift, *, groups=16, eps=1e-5):
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        for s, sample in enumerate(x):
            gates = []
            for side, z in enumerate(strips(sample)):
                k, a, b = (p[side] if weight.ndim == 4 else p for p in (weight, gain, shift))
                q = convolved(z, k)
                each = q.reshape(groups, -1)
                c = each - (each.sum(axis=1) / WIDE(each.shape[1]))[:, None]
                deviation = np.sqrt((c * c).sum(axis=1) / WIDE(each.shape[1]) + WIDE(eps))
                unit = (c / deviation[:, None]).reshape(q.shape)
                gates.append(sigmoid(a[:, None] * unit + b[:, None]))
            y[s] = sample * gates[0][:, :, None] * gates[1][:, None, :]
    return y


def coordinate_attention(x, weight, row_weight, column_weight, bias=None, row_bias=None, column_bias=None):
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        for s, sample in enumerate(x):
            gates = []
            for z, w, b in zip(strips(sample), (row_weight, column_weight), (row_bias, column_bias), strict=True):
                h = mapped(weight, z.T, bias)
                gates.append(sigmoid(mapped(w, h * np.clip(h + 3, WIDE(0), WIDE(6)) / 6, b)).T)
            y[s] = sample * gates[0][:, :, None] * gates[1][:, None, :]
    return y
