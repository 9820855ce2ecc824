"""Normalization of shown sites in long double, on the sites gathered: a channel, or a map, at a time."""

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


def moments(v):
    if not len(v):
        return WIDE(0), WIDE(0), WIDE(0)
    mean = v.sum() / WIDE(len(v))
    rest = ((v - mean).sum()) / WIDE(len(v))
    d = (v - mean) - rest
    return mean, rest, (d * d).sum() / WIDE(len(v))


def scale_shift_normalize(x, other, mask, *, axis=-1, threshold=1.96, floor=1e-6, eps=1e-4):
    axes = tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
    back = tuple(range(x.ndim - len(axes), x.ndim))
    moved = [np.moveaxis(a, axes, back) for a in (x, other, mask)]
    kept = moved[0].shape[: x.ndim - len(axes)]
    maps = [a.reshape(*kept, int(np.prod(a.shape[len(kept) :]))) for a in moved]
    answers = [np.empty_like(a) for a in maps]
    for i in np.ndindex(kept):
        a, b, shown = (m[i] for m in maps)
        left = shown.copy()
        for v in (a, b):
            mean, rest, var = moments(v[shown])
            bound = var if var > WIDE(floor) or np.isnan(var) else WIDE(floor)
            left &= np.abs((v - mean) - rest) < WIDE(threshold) * np.sqrt(bound)
        for v, y in ((a, answers[0]), (b, answers[1])):
            mean, rest, var = moments(v[left])
            y[i] = ((v - mean) - rest) / np.sqrt(var + WIDE(eps))
        answers[2][i] = left
    return tuple(np.moveaxis(y.reshape(m.shape), back, axes) for y, m in zip(answers, moved, strict=True))
