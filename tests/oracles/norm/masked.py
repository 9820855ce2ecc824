"""Masked batch norm in long double, a channel at a time, on the shown sites gathered."""

import numpy as np

from oracles import WIDE


def masked_batch_norm(x, mask, weight=None, bias=None, *, axis=1, eps=1e-5):
    planes, shown = np.moveaxis(x, axis, 1), np.moveaxis(mask, axis, 1)[:, 0]
    y = np.zeros_like(planes)
    count = int(shown.sum())
    for c in range(planes.shape[1] if count else 0):
        v = planes[:, c][shown]
        d = v - v.sum() / WIDE(count)
        d = d - d.sum() / WIDE(count)
        d = d / np.sqrt((d * d).sum() / WIDE(count) + WIDE(eps))
        d = d if weight is None else d * weight[c]
        y[:, c][shown] = d if bias is None else d + bias[c]
    return np.moveaxis(y, 1, axis)
