"""One subspace in long double: coordinates one by one, and Gram and Schmidt as it is taught."""

import numpy as np

from oracles import WIDE


def subspace_project(x, basis, origin=None):
    origin = np.zeros(x.shape[-1], WIDE) if origin is None else origin
    y = np.zeros_like(x) + origin
    for q in basis:
        y = y + np.sum((x - origin) * q, axis=-1)[..., None] * q
    return y


def subspace_remove(x, directions, *, alpha=1.0, rtol=1e-6):
    y, done = x.copy(), []
    for d in directions:
        v, whole = d, np.sqrt(np.sum(d * d))
        for q in done * 3:
            v = v - np.sum(v * q) * q
        size = np.sqrt(np.sum(v * v))
        if size <= WIDE(rtol) * whole:
            continue
        done.append(v / size)
    for q in done:
        y = y - WIDE(alpha) * np.sum(x * q, axis=-1)[..., None] * q
    return y


def norm(x):
    return np.sqrt(np.sum(x * x, axis=-1))


def subspace_distance_loss(x, basis, origin=None, weight=None):
    loss = WIDE(0)
    for d in range(len(basis)):
        rest = norm(x - subspace_project(x, basis[d], None if origin is None else origin[d]))
        loss = loss + (WIDE(1) if weight is None else weight[d]) * np.mean(rest)
    return np.asarray(loss)


def subspace_direction_loss(x, old, basis, origin=None, *, eps=1e-8):
    moved, straight = x - old, subspace_project(old, basis, origin) - old
    cosine = np.sum(moved * straight, axis=-1) / (norm(moved) * norm(straight) + WIDE(eps))
    return np.asarray(1 - np.mean(cosine))


def fit_position_directions(x, weight, coordinates, *, count=1, step=1.0, activation="sigmoid"):
    w = weight.copy()
    for _ in range(count):
        moved = w.copy()
        for i in range(len(w)):
            z = np.sum(x * w[i], axis=-1)
            if activation == "sigmoid":
                e = np.exp(-np.abs(z))
                a, rest = np.where(z < 0, e, WIDE(1)) / (1 + e), np.where(z < 0, WIDE(1), e) / (1 + e)
                delta = (a - coordinates[:, i]) * a * rest
            else:
                delta = z - coordinates[:, i]
            moved[i] = w[i] - WIDE(step) * 2 * np.sum(delta[:, None] * x, axis=0) / WIDE(coordinates.size)
        w = moved
    return w
