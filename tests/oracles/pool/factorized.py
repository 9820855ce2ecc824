"""Bilinear forms of low rank in long double, one product at a time."""

import numpy as np

from oracles import WIDE


def through(x, matrix, bias, i):
    with np.errstate(all="ignore"):
        y = (x * matrix[:, i]).sum(axis=-1)
        return y if bias is None else y + bias[i]


def act(z, activation):
    return {"identity": z, "tanh": np.tanh(z), "relu": np.where(z < 0, 0, z)}[activation]


def root(z):
    return np.where(z < 0, -np.sqrt(np.abs(z)), np.sqrt(np.abs(z)))


def unit(z, eps):
    with np.errstate(all="ignore"):
        return z / np.maximum(np.sqrt((z * z).sum(axis=-1, keepdims=True)), WIDE(eps))


def mapped(z, matrix, bias):
    return np.stack([through(z, matrix, bias, i) for i in range(matrix.shape[1])], axis=-1)


def factorized_bilinear_pool(
    x, other, u, v, weight=None, *, window=1, activation="identity", signed_sqrt=False, l2=False, eps=1e-12
):
    sums = []
    with np.errstate(all="ignore"):
        for j in range(u.shape[1] // window):
            terms = [
                act(through(x, u, None, i), activation) * act(through(other, v, None, i), activation)
                for i in range(j * window, (j + 1) * window)
            ]
            sums.append(sum(terms[1:], terms[0]))
    z = np.stack(sums, axis=-1)
    z = root(z) if signed_sqrt else z
    z = unit(z, eps) if l2 else z
    return z if weight is None else mapped(z, weight, None)


def block_bilinear_fusion(
    x, other, a, b, u, v, weight, p=None, q=None, s=None, t=None, r=None, *, kind="chunks", eps=1e-12
):
    chunks, size, wide = u.shape
    done = []
    for c in range(chunks):
        here = range(c * size, (c + 1) * size)
        left, right = (np.stack([through(*one, i) for i in here], axis=-1) for one in ((x, a, p), (other, b, q)))
        z = np.zeros((*np.broadcast_shapes(x.shape[:-1], other.shape[:-1]), size), WIDE)
        for i in range(wide):
            one = through(left, u[c], None if s is None else s[c], i)
            two = through(right, v[c], None if t is None else t[c], i)
            with np.errstate(all="ignore"):
                z[..., i % size] += one * two
        done.append(unit(root(z), eps) if kind == "chunks" else z)
    z = np.concatenate(done, axis=-1)
    return mapped(unit(root(z), eps) if kind == "whole" else z, weight, r)
