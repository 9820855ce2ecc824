"""Farthest points and nearest neighbours in long double, one cloud and one place at a time."""

import numpy as np

from oracles import WIDE


def farthest_point_sample(x, *, k, start=0):
    y = np.empty((*x.shape[:-2], k), int)
    with np.errstate(all="ignore"):
        for batch in np.ndindex(x.shape[:-2]):
            chosen = [start]
            least = np.full(x.shape[-2], WIDE("inf"))
            while len(chosen) < k:
                least = np.minimum(least, ((x[batch] - x[batch][chosen[-1]]) ** 2).sum(axis=-1))
                chosen.append(int(np.argmax(least)))
            y[batch] = chosen
    return np.take_along_axis(x, y[..., None], axis=-2), y


def knn_pool(x, coordinates, query, *, k, reduce="max", tau=1.0, squared=True):
    y = np.empty((*query.shape[:-1], x.shape[-1]), WIDE)
    with np.errstate(all="ignore"):
        for place in np.ndindex(query.shape[:-1]):
            d = ((coordinates[place[:-1]] - query[place]) ** 2).sum(axis=-1)
            near = np.argsort(d, kind="stable")[:k]
            members, d = x[place[:-1]][near], d[near] if squared else np.sqrt(d[near])
            if reduce == "softmax":
                w = np.exp((d.min() - d) / WIDE(tau))
                y[place] = (w[:, None] * members).sum(axis=0) / w.sum()
            else:
                y[place] = members.max(axis=0) if reduce == "max" else members.sum(axis=0) / k
    return y
