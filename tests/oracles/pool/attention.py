"""Attention to a set in long double: one set, one head and one query at a time, members that are there gathered."""

import numpy as np

from oracles import WIDE


def product(x, matrix):
    if matrix is None:
        return x
    return np.stack([(x * matrix[:, j]).sum(axis=-1) for j in range(matrix.shape[1])], axis=-1)


def softmax(s, axis=-1):
    e = np.exp(s - s.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def attention_pool(x, query, key_weight=None, value_weight=None, mask=None, *, groups=1, scale=None, kind="members"):
    with np.errstate(all="ignore"):
        e = x.shape[-1] if key_weight is None else key_weight.shape[1]
        f = x.shape[-1] if value_weight is None else value_weight.shape[1]
        many, e, f = query.shape[-2], e // groups, f // groups
        gamma = 1 / np.sqrt(WIDE(e)) if scale is None else WIDE(scale)
        y = np.empty((*x.shape[:-2], many, f * groups), WIDE)
        for batch in np.ndindex(x.shape[:-2]):
            members = x[batch] if mask is None else x[batch][mask[batch]]
            k, v = product(members, key_weight), product(members, value_weight)
            q = query[batch] if query.ndim == x.ndim else query
            for h in range(groups):
                keys, one = k[:, h * e : (h + 1) * e], q[:, h * e : (h + 1) * e]
                s = np.stack([gamma * (keys * one[i]).sum(axis=-1) for i in range(many)])
                if not len(members):
                    y[batch] = np.nan if kind == "members" else 0
                    continue
                a = softmax(s, axis=-1 if kind == "members" else 0)
                for i in range(many):
                    for j in range(h * f, (h + 1) * f):
                        y[(*batch, i, j)] = (a[i] * v[:, j]).sum()
    return y


def unit(v):
    return v / np.maximum(np.sqrt((v * v).sum(axis=-1, keepdims=True)), WIDE(1e-12))


def slot_pool(x, other, *, tau=0.07, eps=1e-6):
    y = np.empty((*x.shape[:-2], *other.shape), WIDE)
    with np.errstate(all="ignore"):
        s = unit(other)
        for batch in np.ndindex(x.shape[:-2]):
            z = unit(x[batch])
            a = softmax(np.stack([(z * one).sum(axis=-1) / WIDE(tau) for one in s]), axis=0) + WIDE(eps)
            for k in range(len(s)):
                for j in range(x.shape[-1]):
                    y[(*batch, k, j)] = (a[k] * x[batch][:, j]).sum() / a[k].sum()
    return y


def global_query_pool(x, query, value=None, mask=None):
    value = x if value is None else value
    y = np.full((*x.shape[:-2], value.shape[-1]), WIDE("nan"))
    with np.errstate(all="ignore"):
        for batch in np.ndindex(x.shape[:-2]):
            there = slice(None) if mask is None else mask[batch]
            k, q, v = x[batch][there], query[batch][there], value[batch][there]
            if len(k):
                a = softmax((k * (q.sum(axis=0) / len(q))).sum(axis=-1) / np.sqrt(WIDE(x.shape[-1])))
                y[batch] = [(a * v[:, j]).sum() for j in range(v.shape[1])]
    return y
