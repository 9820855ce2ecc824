"""Outer products in long double, one pair of features at a time."""

import numpy as np

from oracles import WIDE


def bilinear_pool(x, other, *, reduce="mean", signed_sqrt=False, l2=False, eps=1e-12):
    n, c, d = x.shape[-2], x.shape[-1], other.shape[-1]
    z = np.empty((*x.shape[:-2], c * d), WIDE)
    with np.errstate(all="ignore"):
        for i in range(c):
            for j in range(d):
                one = (x[..., i] * other[..., j]).sum(axis=-1)
                z[..., i * d + j] = one / n if reduce == "mean" else one
        if signed_sqrt:
            z = np.where(z < 0, -np.sqrt(np.abs(z)), np.sqrt(np.abs(z)))
        if l2:
            z = z / np.maximum(np.sqrt((z * z).sum(axis=-1, keepdims=True)), WIDE(eps))
    return z


def compact_bilinear_pool(x, other, ids, other_ids, signs, other_signs, *, output_size):
    y = np.zeros((*x.shape[:-2], output_size), WIDE)
    with np.errstate(all="ignore"):
        for i in range(x.shape[-1]):
            for j in range(other.shape[-1]):
                k = (int(ids[i]) + int(other_ids[j])) % output_size
                y[..., k] += signs[i] * other_signs[j] * (x[..., i] * other[..., j]).sum(axis=-1)
    return y
