"""Means under the softmax of scores in long double: what has a part is gathered, then weighed."""

import numpy as np

from oracles import WIDE


def under(x, s):
    """The mean of x, (n,), under the softmax of s, (n,)."""
    if not len(x):
        return WIDE("nan")
    with np.errstate(all="ignore"):
        e = np.exp(s - s.max())
        return (e * x).sum() / e.sum()


def softmax_pool(x, scores=None, *, axis, scale=1.0):
    axes = tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
    kept = [a for a in range(x.ndim) if a not in axes]
    with np.errstate(all="ignore"):
        s = WIDE(scale) * np.broadcast_to(x if scores is None else scores, x.shape)
    y = np.empty([x.shape[a] for a in kept], WIDE)
    for place in np.ndindex(y.shape):
        where = [slice(None)] * x.ndim
        for a, i in zip(kept, place, strict=True):
            where[a] = i
        members, own = x[tuple(where)].ravel(), s[tuple(where)].ravel()
        y[place] = under(members[own != -np.inf], own[own != -np.inf])
    return y


def attentive_pool(x, weight, mask=None):
    y = np.empty(x.shape[:-2] + x.shape[-1:], WIDE)
    for batch in np.ndindex(x.shape[:-2]):
        members = x[batch] if mask is None else x[batch][mask[batch]]
        for d in range(x.shape[-1]):
            with np.errstate(all="ignore"):
                s = sum(members[:, i] * weight[i, d if weight.shape[1] > 1 else 0] for i in range(x.shape[-1]))
            y[(*batch, d)] = under(members[:, d], s)
    return y


def logistic(z):
    with np.errstate(all="ignore"):
        return 1 / (1 + np.exp(-z))


def target_attention_pool(x, query, first, a, second, b, third, c, mask=None, *, kind="sum"):
    y, d = np.empty(x.shape[:-2] + x.shape[-1:], WIDE), x.shape[-1]
    for batch in np.ndindex(x.shape[:-2]):
        q, k = query[batch], x[batch] if mask is None else x[batch][mask[batch]]
        with np.errstate(all="ignore"):
            h = np.concatenate([q + 0 * k, k, q - k, q * k], axis=1)
            h[:, :d] = q
            h = logistic(np.stack([(h * first[:, i]).sum(axis=1) + a[i] for i in range(len(a))], axis=1))
            h = logistic(np.stack([(h * second[:, i]).sum(axis=1) + b[i] for i in range(len(b))], axis=1))
            s = (h * third[:, 0]).sum(axis=1) + c[0]
            for i in range(d):
                y[(*batch, i)] = (s * k[:, i]).sum() if kind == "sum" else under(k[:, i], s / WIDE(d) ** WIDE(0.5))
    return y
