"""Pooling along time in long double, by plain loops over channels, frames and words."""

import numpy as np

from oracles import WIDE


def widest(x, size, pad):
    n, t = (x.shape[2] - 3) // 3 + 1, x.shape[2]
    y = np.full((*x.shape[:2], n, *x.shape[3:]), -WIDE("inf"))
    for tap in range(size):
        for_each = 3 * np.arange(n) - pad + tap
        there = (for_each >= 0) & (for_each < t)
        y[:, :, there] = np.maximum(y[:, :, there], x[:, :, for_each[there]])
    return y


def selective_temporal_max_pool(x, weight, bias):
    with np.errstate(all="ignore"):
        one, two = widest(x, 3, 0), widest(x, 5, 1)
        g = (one + two).reshape(*one.shape[:3], int(np.prod(x.shape[3:]))).sum(axis=-1) / int(np.prod(x.shape[3:]))
        y = np.empty_like(one)
        for c in range(x.shape[1]):
            left, right = (sum(weight[i, c, k] * g[:, k] for k in range(x.shape[1])) + bias[i, c] for i in (0, 1))
            a, rest = (1 / (1 + np.exp(d)) for d in (right - left, left - right))
            room = (*a.shape, *[1] * (x.ndim - 3))
            y[:, c] = a.reshape(room) * one[:, c] + rest.reshape(room) * two[:, c]
    return y


def change_point_pool(x, *, threshold, min_length=1):
    y, ids = np.zeros(x.shape, WIDE), np.zeros(x.shape[:-1], int)
    with np.errstate(all="ignore"):
        for batch in np.ndindex(x.shape[:-2]):
            frames, parts = x[batch], [[0]]
            u = [f / max(np.sqrt((f * f).sum()), WIDE(1e-8)) for f in frames]
            for t in range(1, len(frames)):
                if 1 - (u[t] * u[t - 1]).sum() > WIDE(threshold) and len(parts[-1]) >= min_length:
                    parts.append([])
                parts[-1].append(t)
            for s, part in enumerate(parts):
                y[(*batch, s)] = frames[part].sum(axis=0) / len(part)
                ids[batch][part] = s
    return y, ids


def mapped(x, matrix):
    return np.stack([(x * matrix[:, j]).sum(axis=-1) for j in range(matrix.shape[1])], axis=-1)


def recurrent_conv_text_pool(x, wl, sl, wr, sr, w, b, first=None, last=None, *, activation="tanh"):
    def f(z):
        return np.tanh(z) if activation == "tanh" else np.where(z < 0, 0, z)

    n, zero = x.shape[-2], np.zeros((*x.shape[:-2], wl.shape[0]), WIDE)
    cl, cr = [None] * n, [None] * n
    with np.errstate(all="ignore"):
        cl[0], cr[-1] = zero + (0 if first is None else first), zero + (0 if last is None else last)
        for i in range(1, n):
            cl[i] = f(mapped(cl[i - 1], wl) + mapped(x[..., i - 1, :], sl))
            cr[n - 1 - i] = f(mapped(cr[n - i], wr) + mapped(x[..., n - i, :], sr))
        words = [np.concatenate([cl[i], x[..., i, :], cr[i]], axis=-1) for i in range(n)]
        return np.stack([np.tanh(mapped(one, w) + b) for one in words]).max(axis=0)
