"""The low-rank update in long double: the merged weight, and a sum for each output."""

import numpy as np

from oracles import WIDE


def lora_linear(x, weight, a, b, bias=None, *, scale=1.0):
    outputs = []
    for i in range(len(weight)):
        y = np.sum(x * weight[i], axis=-1)
        for k in range(len(a)):
            y = y + WIDE(scale) * b[i, k] * np.sum(x * a[k], axis=-1)
        outputs.append(y if bias is None else y + bias[i])
    return np.stack(outputs, axis=-1)


def sparse_low_rank_linear(x, a, b, values, ids, bias=None, *, scale=1.0):
    n, y = a.shape[1], np.zeros((*x.shape[:-1], len(b)), WIDE)
    for down, up in zip(a, b.T, strict=True):
        y = y + WIDE(scale) * np.sum(x * down, axis=-1)[..., None] * up
    for value, place in zip(values, ids, strict=True):
        if 0 <= place < len(b) * n:
            y[..., place // n] += x[..., place % n] * value
    return y if bias is None else y + bias


def random_sparse_support(x, *, density):
    flat = [(np.isnan(v), 0 if np.isnan(v) else -v, i) for i, v in enumerate(x.ravel())]
    places = np.array(sorted(i for *_, i in sorted(flat)[: int(density * x.shape[0] * x.shape[1])]), int)
    return x.ravel()[places], places


def generated_low_rank_delta(x, weight, b, bias=None, *, scale=1.0, eps=1e-5):
    c, (outputs, r) = x, b.shape
    for _ in range(2):
        c = c - np.sum(c, axis=-1, keepdims=True) / x.shape[-1]
    f = c / np.sqrt(np.sum(c * c, axis=-1, keepdims=True) / x.shape[-1] + WIDE(eps))
    y = np.zeros((*x.shape[:-1], len(weight) // r, outputs), WIDE)
    for place, row in enumerate(weight):
        a = np.sum(f * row, axis=-1)
        a = a if bias is None else a + bias[place]
        y[..., place // r, :] += WIDE(scale) * a[..., None] * b[:, place % r]
    return y
