"""Embeddings that hold old ones in long double, coordinate by coordinate."""

import numpy as np

from oracles import WIDE


def unit(x, eps):
    size = np.sqrt(np.sum(x * x, axis=-1))[..., None]
    return x / np.where(size < WIDE(eps), WIDE(eps), size)


def turned(x, matrix):
    return np.stack([np.sum(x * row, axis=-1) for row in matrix], axis=-1)


def orthogonal_compatible_map(x, rotation, bias=None, *, k, eps=1e-12):
    f = unit(x, eps)
    y = turned(f, rotation)
    return f[..., :k].copy(), y if bias is None else y + bias


def basis_transformation(x, other, rotation, basis, *, scale=3.0, eps=1e-12):
    v = np.concatenate([unit(x, eps), WIDE(scale) * turned(unit(other, eps), rotation)], axis=-1)
    c = turned(v[..., : len(basis)], basis)
    return c, np.concatenate([c, v[..., len(basis) :]], axis=-1)


def higher_order_compatible_loss(x, old, ids, *, scale=10.0):
    loss = WIDE(0)
    for i in range(len(x)):
        pairs = [WIDE(0) if ids[i] == ids[j] else WIDE(scale) * np.sum(old[i] * x[j]) for j in range(len(x))]
        top = np.max(pairs)
        loss = loss + (top - WIDE(scale) * np.sum(old[i] * x[i])) + np.log(np.sum(np.exp(np.array(pairs, WIDE) - top)))
    return np.asarray(loss / len(x))


def entropy(z, y):
    top = np.max(z)
    place = int(np.argmax(z))
    rest = sum((np.exp(v - top) for j, v in enumerate(z) if j != place), WIDE(0))
    return (top - z[y]) + np.log1p(rest)


def backward_compatible_loss(x, weight, ids, scores, old=None, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    loss, c = WIDE(0), unit(x, eps)
    for i, y in enumerate(ids):
        near = unit((weight[y] if old is None else old[i])[None], eps)[0]
        z = np.array([np.sum(c[i] * row) for row in weight])
        terms = entropy(scores[i], y), entropy(z, y), 1 - np.sum(near * c[i])
        loss = loss + sum(WIDE(w) * t for w, t in zip(weights, terms, strict=True))
    return np.asarray(loss / len(x))
