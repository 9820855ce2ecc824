"""Graphs made smaller and larger in long double, one node and one edge at a time."""

import math

import numpy as np

from oracles import WIDE


def falling(s):
    s = [WIDE("inf") if np.isnan(v) else v for v in s]
    return sorted(range(len(s)), key=lambda i: (-s[i], i))


def top_k_graph_pool(x, scores, count, edges, *, k, alpha=1.0):
    with np.errstate(all="ignore"):
        s = np.tanh(scores) + WIDE(alpha) * count / (count.max() or 1)
        best = falling(s)[:k]
        y = np.stack([x[i] * s[i] for i in best])
    names = {node: i for i, node in enumerate(best)}
    new = np.full(edges.shape, -1)
    for e, (a, b) in enumerate(edges.T):
        if a in names and b in names:
            new[:, e] = names[a], names[b]
    return y, np.array(best), new


def edge_contraction_pool(x, edges, scores, *, k):
    cluster = {i: {i} for i in range(len(x))}
    for e in falling(scores)[:k]:
        a, b = map(int, edges[:, e])
        joined = cluster[a] | cluster[b]
        for i in joined:
            cluster[i] = joined
    firsts = sorted({min(c) for c in cluster.values()})
    ids = np.array([firsts.index(min(cluster[i])) for i in range(len(x))])
    y, new, seen = np.zeros(x.shape, WIDE), np.full(edges.shape, -1), set()
    with np.errstate(all="ignore"):
        for c, first in enumerate(firsts):
            y[c] = x[sorted(cluster[first])].sum(axis=0) / len(cluster[first])
    for e, (a, b) in enumerate(ids[edges].T):
        if a != b and frozenset((a, b)) not in seen:
            new[:, e] = a, b
            seen.add(frozenset((a, b)))
    return y, ids, new


def hyperdrop_pool(x, ids, *, segments, ratio):
    kept = np.zeros(len(x), bool)
    for g in range(segments):
        here = np.flatnonzero(ids == g)
        kept[[here[i] for i in falling(x[here])[: math.ceil(ratio * len(here))]]] = True
    return np.where(kept, np.clip(np.tanh(x), 0, 1), 0), kept


def graph_unpool(x, *, output_size):
    ys, start = [], 0
    with np.errstate(all="ignore"):
        for size in output_size if isinstance(output_size, tuple) else (output_size,):
            n = (size + 1) // 2
            for i in range(size):
                one, two = x[..., start + i // 2, :], x[..., start + min(i // 2 + i % 2, n - 1), :]
                ys.append((one + two) / 2)
            start += n
    return np.stack(ys, axis=-2)
