"""How graphs are made smaller, and larger again, in the wrong way."""

import math

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.graph import edge_contraction_pool, graph_unpool, hyperdrop_pool, top_k_graph_pool

conventions(top_k_graph_pool, "torch_geometric", "TopKPooling, with x p / ||p|| for scores", alpha=0.0)
conventions(top_k_graph_pool, "gnn-coder", "as catalogued, not confirmed", alpha=1.0)
conventions(edge_contraction_pool, "pd-meshnet", "DualPrimalEdgePooling with the mean; scores: attention")
conventions(hyperdrop_pool, "ehgnn", "Model_HyperDrop; its scores have been through tanh")
conventions(graph_unpool, "hybridgnet", "the matrices of genMatrixes: mOrganU for each contour")


def falling(s):
    return np.argsort(-np.where(np.isnan(s), np.inf, s), kind="stable")


def best_nodes(
    x, z, c, edges, *, k, alpha=1.0, act=np.tanh, over=np.max, gate=True, rise=False, half=False, order=None
):
    z = z.astype(x.dtype)
    s = act(z) + x.dtype.type(alpha) * c / (over(c) or 1)
    best = np.argsort(s, kind="stable")[:k] if rise else falling(s)[:k]
    best = np.sort(best) if order == "place" else best
    names = np.full(len(x), -1)
    names[best] = np.arange(k)
    new = names[edges]
    kept = (new >= 0).any(axis=0) if half else (new >= 0).all(axis=0)
    y = x[best] * (s[best][:, None] if gate else 1)
    return y.astype(x.dtype), best, np.where(kept, new, -1)


def node_twin(name, kind, /, **wrong):
    @mistake(top_k_graph_pool, name, kind=kind)
    def _(*arrays, **options):
        return best_nodes(*arrays, **(options | wrong))


node_twin("children left out", "place of a parameter", alpha=0.0)
node_twin("children over their sum", "denominator", over=np.sum)
node_twin("children over their mean", "denominator", over=np.mean)
node_twin("scores without tanh", "statistic", act=lambda z: z)
node_twin("nodes not times their scores", "order of steps", gate=False)
node_twin("lowest scores", "sign", rise=True)
node_twin("in the order of the nodes", "order of steps", order="place")
node_twin("edges with one end kept", "region", half=True)


@honest(top_k_graph_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return best_nodes(*arrays, **options)


def contracted(x, edges, s, *, k, share=True, rise=False, double=False, loops=False, pairs=False):
    n, parent = len(x), np.arange(len(x))

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    done = set()
    for e in (np.argsort(s, kind="stable") if rise else falling(s))[:k]:
        a, b = (root(int(i)) for i in edges[:, e])
        if pairs and (a in done or b in done):
            continue
        done |= {a, b}
        parent[max(a, b)] = min(a, b)
    roots = np.array([root(i) for i in range(n)])
    ids = np.searchsorted(np.unique(roots), roots)
    y, seen = np.zeros_like(x), set()
    for c in range(ids.max() + 1):
        y[c] = np.mean(x[ids == c], axis=0) if share else np.sum(x[ids == c], axis=0)
    new = np.full(edges.shape, -1)
    for e in range(edges.shape[1]):
        a, b = ids[edges[:, e]]
        if (a != b or loops) and (double or (min(a, b), max(a, b)) not in seen):
            new[:, e] = a, b
            seen.add((min(a, b), max(a, b)))
    return y, ids, new


def edge_twin(name, kind, /, **wrong):
    @mistake(edge_contraction_pool, name, kind=kind)
    def _(*arrays, **options):
        return contracted(*arrays, **(options | wrong))


edge_twin("sum of the parts", "denominator", share=False)
edge_twin("lowest scores", "sign", rise=True)
edge_twin("nodes merged once only", "region", pairs=True)
edge_twin("edges kept twice", "tail", double=True)
edge_twin("edges within a node kept", "region", loops=True)
edge_twin("every edge contracted", "region", k=10**6)


@mistake(edge_contraction_pool, "mean of the two ends, one edge after the other", kind="order of steps")
def _(x, edges, s, /, *, k):
    y, ids, new = contracted(x, edges, s, k=k)
    moved = x.copy()
    for e in falling(s)[:k]:
        a, b = edges[:, e]
        moved[[a, b]] = (moved[a] + moved[b]) / 2
    for c in range(ids.max() + 1):
        y[c] = moved[np.flatnonzero(ids == c)[0]]
    return y, ids, new


@honest(edge_contraction_pool, "NumPy, union and find", baseline=True)
def _(*arrays, **options):
    return contracted(*arrays, **options)


def dropped(
    x, ids, *, segments, ratio, share=math.ceil, rise=False, whole=False, act=np.tanh, low=0.0, high=1.0, all_of=False
):
    kept = np.zeros(len(x), bool)
    if whole:
        kept[falling(x)[: share(ratio * len(x))]] = True
    for g in range(segments) if not whole else ():
        here = np.flatnonzero(ids == g)
        order = np.argsort(x[here], kind="stable") if rise else falling(x[here])
        kept[here[order[: max(0, share(ratio * len(here)))]]] = True
    w = np.clip(act(x), x.dtype.type(low), x.dtype.type(high))
    return np.where(kept | all_of, w, x.dtype.type(0)).astype(x.dtype), kept


def drop_twin(name, kind, /, **wrong):
    @mistake(hyperdrop_pool, name, kind=kind)
    def _(*arrays, **options):
        return dropped(*arrays, **(options | wrong))


drop_twin("rounded down", "tail", share=math.floor)
drop_twin("best of all graphs together", "region", whole=True)
drop_twin("lowest scores", "sign", rise=True)
drop_twin("negative weights kept", "sign", low=-1.0)
drop_twin("scores without tanh", "statistic", act=lambda s: s)
drop_twin("dropped edges keep their weights", "region", all_of=True)
drop_twin("half in any case", "place of a parameter", ratio=0.5)


@honest(hyperdrop_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return dropped(*arrays, **options)


def unpooled(x, *, output_size, wrap=False, repeat=False, last=False, part=0.5):
    sizes = output_size if isinstance(output_size, tuple | list) else (output_size,)
    ys, start, part = [], 0, x.dtype.type(part)
    for size in sizes:
        n = (size + 1) // 2
        one = x[..., start : start + n, :]
        after = np.roll(one, -1, axis=-2)
        if not wrap:
            after = np.concatenate([after[..., :-1, :], 0 * one[..., -1:, :] if last else one[..., -1:, :]], axis=-2)
        middle = one if repeat else part * one + (1 - part) * after
        ys.append(np.stack([one, middle], axis=-2).reshape(*one.shape[:-2], 2 * n, x.shape[-1])[..., :size, :])
        start += n
    return np.concatenate(ys, axis=-2).astype(x.dtype)


def contour_twin(name, kind, /, **wrong):
    @mistake(graph_unpool, name, kind=kind)
    def _(x, /, **options):
        return unpooled(x, **(options | wrong))


contour_twin("contours closed", "region", wrap=True)
contour_twin("each node twice", "statistic", repeat=True)
contour_twin("zeros behind the end", "tail", last=True)
contour_twin("a third in place of the middle", "statistic", part=1 / 3)


@honest(graph_unpool, "NumPy", baseline=True)
def _(x, /, **options):
    return unpooled(x, **options)
