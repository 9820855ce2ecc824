"""Fewer nodes or edges of a graph: the best nodes, merged nodes, the best edges; and more nodes again."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import Draw, case, integers, normal
from .._core.segments import gather, sort_ids
from .._registry import law, operator
from .._xp import _cast, device, give_back, prepare, require_along, require_indices, require_shape, roomy, widen
from .bag import whole
from .segment import pooled


def counts(n):
    """Draw n small numbers of children, the first of them above 0."""
    return Draw((n,), lambda rng, s: np.append(4.0, rng.integers(0, 5, s[0] - 1)), "counts")


def require_table(xp, x, edges) -> None:
    """Refuse what is no table of nodes (n, d), and edges that are no pairs of them (2, m)."""
    if x.ndim != 2:
        raise ValueError(f"x must have shape (nodes, features), got {tuple(x.shape)}")
    require_along(x, (0, 1))
    require_indices(xp, "edges", edges, (2, edges.shape[1] if getattr(edges, "ndim", 0) == 2 else "edges"))


def require_k(k, low, high, what) -> int:
    """Refuse what is no int from `low` to the number there is; return it."""
    try:
        k = op.index(k)
    except TypeError:
        raise TypeError(f"k must be an int, got {k!r}") from None
    if not low <= k <= high:
        raise ValueError(f"k must be from {low} to the {high} {what}, got {k}")
    return k


def descending(xp, s):
    """Return the order of falling scores: the first of equals first, a NaN before all."""
    return xp.argsort(xp.where(xp.isnan(s), xp.full_like(s, -float("inf")), -s), stable=True)


def renamed(xp, edges, names):
    """Return edges by the new names of their ends, (2, m)."""
    return xp.stack([xp.take(names, xp.astype(edges[i, ...], names.dtype)) for i in (0, 1)])


@operator(
    paper="ye2025gnn",
    cases=[
        case("tree", normal(7, 3), normal(7), counts(7), integers(2, 9, high=7), k=4),
        case("loud alpha", normal(6, 2), normal(6), counts(6), integers(2, 8, high=6), k=3, alpha=-0.75),
        case("scores alone", normal(5, 4), normal(5), counts(5), integers(2, 6, high=5), k=5, alpha=0.0),
    ],
    bench=case("graph", whole(5000, 64), normal(5000), counts(5000), integers(2, 20_000, high=5000), k=2500),
    rows=lambda x, rng: (
        [x.T, rng.normal(size=x.shape[1]), np.arange(1.0, x.shape[1] + 1) % 7, rng.integers(0, x.shape[1], (2, 9))],
        {"k": 5},
    ),
)
def top_k_graph_pool(x, scores, count, edges, /, *, k, alpha=1.0):
    r"""Keep the k nodes of a graph that score highest, each times its score, and the edges between them.

    .. math:: y_j = s_{i_j} x_{i_j}, \qquad s_i = \tanh(z_i) + \alpha \frac{c_i}{\max_j c_j}, \qquad
        s_{i_1} \ge s_{i_2} \ge \ldots \ge s_{i_k}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The nodes, of shape (n, d).
    scores : array
        The scores z, of shape (n,).
    count : array
        The number c of children of each node, of shape (n,), as floating numbers.
    edges : array of integers
        The two ends of each edge, of shape (2, m).
    k : int
        How many nodes to keep: ceil(ratio * n) for a ratio.
    alpha : float
        The weight of children.

    Returns
    -------
    tuple
        ``(y, index, edges)``: the nodes kept, (k, d), in the dtype of `x` and the order of falling scores; which they
        were, (k,); and all edges by their new names, (2, m), both ends -1 where one is not kept, so that no shape
        depends on values. The first of equal nodes is kept; a score of NaN counts as the highest.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `edges` no integers, they are of two libraries, or an option is of
        another type.
    ValueError
        An array has another shape, `x` is empty, `k` is not from 1 to n, or `alpha` is not finite.

    Notes
    -----
    With alpha 0 it is TopKPooling of PyTorch Geometric, given x p / ||p|| for scores.

    References
    ----------
    Ye et al., GNN-Coder, 2025: formula as catalogued, not confirmed at its source. One public re-implementation scores
    by the children alone and does not multiply.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, none, children = np.array([[1.0], [2.0], [3.0]]), np.zeros(3), np.array([2.0, 0.0, 1.0])
    >>> y, index, edges = refnorm.pool.top_k_graph_pool(x, none, children, np.array([[0, 0], [1, 2]]), k=2)
    >>> y.tolist(), index.tolist(), edges.tolist()
    ([[1.0], [1.5]], [0, 2], [[-1, 0], [-1, 1]])
    """
    xp, x, scores, count = prepare(x, scores, count, need=3)
    require_table(xp, x, edges)
    require_shape("scores", scores, x.shape[:1])
    require_shape("count", count, x.shape[:1])
    k = require_k(k, 1, x.shape[0], "nodes")
    if not math.isfinite(alpha):
        raise ValueError(f"alpha must be finite, got {alpha!r}")
    wide, z, c = widen(xp, x, scores, count)
    most = xp.max(c)
    s = xp.tanh(z) + alpha * c / xp.where(most == 0, xp.ones_like(most), most)
    order = descending(xp, s)
    best, rank = order[:k], xp.argsort(order, stable=True)
    names = xp.where(rank < k, rank, xp.full_like(rank, -1))
    y = xp.take(wide, best, axis=0) * xp.take(s, best)[:, None]
    new = renamed(xp, edges, names)
    return give_back(xp, y, x), best, xp.where(xp.min(new, axis=0) < 0, xp.full_like(new, -1), new)


def components(xp, n, left, right):
    """Return the smallest node that each of n nodes is connected with: paths of twice the length, again and again."""
    place = xp.arange(n, device=device(left))
    left, right = xp.astype(left, place.dtype), xp.astype(right, place.dtype)
    touch = xp.any((left[:, None, None] == place[:, None]) & (right[:, None, None] == place), axis=0)
    near = touch | xp.matrix_transpose(touch) | (place[:, None] == place)
    for _ in range((n - 1).bit_length()):
        reach = _cast(xp, near, xp.float32)
        near = xp.matmul(reach, reach) > 0
    return xp.min(xp.where(near, place, xp.full_like(place, n)), axis=1)


@operator(
    paper="milano2020primal",
    cases=[
        case("some", normal(7, 3), integers(2, 9, high=7), normal(9), k=3),
        case("all", normal(6, 2), integers(2, 5, high=6), normal(5), k=5),
        case("none", normal(4, 2), integers(2, 5, high=4), normal(5), k=0),
    ],
    bench=case("mesh", whole(300, 64), integers(2, 900, high=300), normal(900), k=100),
    rows=lambda x, rng: ([x[:, :40].T, rng.integers(0, min(40, x.shape[1]), (2, 30)), rng.normal(size=30)], {"k": 20}),
)
def edge_contraction_pool(x, edges, scores, /, *, k):
    r"""Contract the k edges of a graph that score highest: what they connect becomes one node, the mean of its parts.

    .. math:: y_c = \frac{1}{|c|} \sum_{i \in c} x_i, \qquad c \in \mathrm{components}(k \text{ best edges})

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The nodes, of shape (n, d).
    edges : array of integers
        The two ends of each edge, of shape (2, m).
    scores : array
        The score of each edge, of shape (m,): attention averaged over heads and both directions.
    k : int
        How many edges to contract.

    Returns
    -------
    tuple
        ``(y, ids, edges)``: the merged nodes, in the dtype of `x`, in the order of their smallest part, and 0 behind
        them up to n rows; the merged node of each node, (n,), so that there are max(ids) + 1; and all edges by their
        new ends, (2, m), both -1 within a merged node and where an edge before joins the same two. So no shape
        depends on values. The first of equal scores is contracted; a NaN counts as the highest.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `edges` no integers, they are of two libraries, or `k` is no int.
    ValueError
        An array has another shape, `x` is empty, or `k` is not from 0 to m.

    Notes
    -----
    Components are found by squaring the matrix of neighbours: for meshes of a few hundred nodes.

    References
    ----------
    Milano et al., Primal-Dual Mesh Convolutional Neural Networks, 2020: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, edges = np.array([[1.0], [3.0], [8.0]]), np.array([[0, 1, 2], [1, 2, 0]])
    >>> y, ids, new = refnorm.pool.edge_contraction_pool(x, edges, np.array([0.9, 0.1, 0.2]), k=1)
    >>> y.tolist(), ids.tolist(), new.tolist()
    ([[2.0], [8.0], [0.0]], [0, 0, 1], [[-1, 0, -1], [-1, 1, -1]])
    """
    xp, x, scores = prepare(x, scores, need=2)
    require_table(xp, x, edges)
    require_shape("scores", scores, edges.shape[1:])
    k = require_k(k, 0, edges.shape[1], "edges")
    wide, s = widen(xp, x, scores)
    n, best = x.shape[0], descending(xp, s)[:k]
    roots = components(xp, n, xp.take(edges[0, ...], best), xp.take(edges[1, ...], best))
    own = _cast(xp, roots == xp.arange(n, device=device(x)), roots.dtype)
    ids = xp.take(xp.cumulative_sum(own) - 1, roots)
    y = pooled(xp, wide, ids, n, "mean", 0.0, roomy=roomy(x, wide))
    return give_back(xp, y, x), ids, once(xp, renamed(xp, edges, ids), n)


def once(xp, edges, n):
    """Return edges with -1 for both ends within one node, and where an edge before has the same two in either order."""
    low, high = xp.min(edges, axis=0), xp.max(edges, axis=0)
    key, place = low * n + high, xp.arange(edges.shape[1], device=device(edges))
    before = xp.any((key[:, None] == key) & (place < place[:, None]), axis=1)
    return xp.where(before | (low == high), xp.full_like(edges, -1), edges)


@operator(
    paper="jo2021edge",
    cases=[
        case("two graphs", normal(11), integers(11, high=2), segments=2, ratio=0.5),
        case("loud ratio", normal(9), integers(9, high=4), segments=5, ratio=0.2),
        case("some in no graph", normal(12), integers(12, low=-1, high=4), segments=3, ratio=0.75),
        case("all", normal(6), integers(6, high=2), segments=2, ratio=1.0),
    ],
    bench=case("edges", normal(50_000), integers(50_000, high=1000), segments=1000, ratio=0.5),
    rows=lambda x, rng: ([x[0], rng.integers(0, 3, x.shape[1])], {"segments": 3, "ratio": 0.5}),
)
def hyperdrop_pool(x, ids, /, *, segments, ratio):
    r"""Keep a share of the edges of each graph, those that score highest, and weigh them by their scores.

    .. math:: w_e = \mathrm{clip}(\tanh s_e, 0, 1) \text{ for the } \lceil r \, m_g \rceil
        \text{ largest of the } m_g \text{ edges of graph } g, \quad 0 \text{ for the others}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores s of all edges before tanh, of shape (m,).
    ids : array of integers
        The graph of each edge, of shape (m,), in any order; outside 0..segments - 1 an edge is of none.
    segments : int
        The number of graphs.
    ratio : float
        The share r of edges to keep, above 0 and at most 1.

    Returns
    -------
    tuple
        ``(weights, kept)``: the weight of each edge, (m,), in the dtype of `x`, and whether it is kept, (m,) booleans,
        so that no shape depends on values; all nodes stay. The first of equal edges is kept; NaN counts as the highest.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, `ids` no integers, they are of two libraries, or an option is of another
        type.
    ValueError
        `x` has not one axis, `ids` not its shape, `segments` is below 1, or `ratio` not above 0 and at most 1.

    Notes
    -----
    Edges are ranked before tanh, which makes equal what lies above 19.

    References
    ----------
    Jo et al., Edge Representation Learning with Hypergraphs, 2021: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> scores, graph = np.array([0.0, 9.0, -1.0, 30.0]), np.array([0, 0, 0, 1])
    >>> weights, kept = refnorm.pool.hyperdrop_pool(scores, graph, segments=2, ratio=0.5)
    >>> weights.round(3).tolist(), kept.tolist()
    ([0.0, 1.0, 0.0, 1.0], [True, True, False, True])
    """
    xp, x = prepare(x)
    require_shape("x", x, x.shape if x.ndim == 1 else ("edges",))
    require_indices(xp, "ids", ids, x.shape)
    try:
        segments, fits = op.index(segments), 0 < ratio <= 1
    except TypeError:
        raise TypeError(f"segments must be an int and ratio a number, got {segments!r} and {ratio!r}") from None
    if segments < 1 or not fits:
        raise ValueError(f"segments must be at least 1, ratio above 0 and at most 1, got {segments} and {ratio!r}")
    (wide,) = widen(xp, x)
    kept = best_of_segments(xp, wide, ids, segments, ratio)
    w = xp.tanh(wide)
    w = xp.where(kept & ~(w < 0), w, xp.zeros_like(w))
    return give_back(xp, w, x), kept


def best_of_segments(xp, s, ids, segments, ratio):
    """Return whether each member is among the ceil(ratio * size) largest of its segment."""
    falling = descending(xp, s)
    order, ids, first, sizes = sort_ids(xp, xp.take(ids, falling), segments)  # of each segment, falling still
    some = _cast(xp, xp.ceil(ratio * _cast(xp, sizes, s.dtype)), first.dtype)
    last = gather(xp, (first + some)[:, None], ids, segments)[:, 0]
    kept = xp.arange(s.shape[0], device=device(s)) < last
    return xp.take(kept, xp.argsort(xp.take(falling, order), stable=True))


def contour_sources(sizes):
    """Return, for each node of unpooled contours, the two pooled nodes that it lies between."""
    low, high, start = [], [], 0
    for size in sizes:
        low += [start + i // 2 for i in range(size)]
        high += [start + min((i + 1) // 2, (size - 1) // 2) for i in range(size)]
        start += (size + 1) // 2
    return low, high, start


@operator(
    paper="gaggion2022improving",
    cases=[
        case("even", normal(2, 4, 3), output_size=8),
        case("odd", normal(5, 2), output_size=9),
        case("contours", normal(2, 6, 2), output_size=(4, 7)),
        case("one node", normal(3, 2, 2), output_size=(1, 2)),
    ],
    bench=case("contours", normal(256, 83, 32), output_size=(94, 72)),
    rows=lambda x, rng: ([x[:, : min(x.shape[1], 50)].T], {"output_size": 2 * min(x.shape[1], 50)}),
)
def graph_unpool(x, /, *, output_size):
    r"""Return contours with twice the nodes: each node again, and the middle of it and the next.

    .. math:: y_{2 i} = x_i, \qquad y_{2 i + 1} = \tfrac{1}{2} (x_i + x_{i + 1})

    where a contour ends, its last node is repeated: it does not close.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The nodes of all contours, one after the other, of shape (..., n, d).
    output_size : int or tuple of int
        The nodes of each contour afterwards; before, it has half as many, rounded up.

    Returns
    -------
    array
        (..., sum of output_size, d), in the dtype, library and device of `x`. A NaN makes a node and its neighbours
        NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `output_size` no ints.
    ValueError
        `x` has fewer than two axes, or does not hold as many nodes as `output_size` needs.

    Notes
    -----
    In the released code it is a product with a fixed matrix U. The pooling there averages pairs of nodes, and is no
    inverse: D U is not the identity.

    References
    ----------
    Gaggion et al., Improving anatomical plausibility in medical image segmentation via hybrid graph neural networks,
    2022: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.graph_unpool(np.array([[1.0], [5.0]]), output_size=4).tolist()
    [[1.0], [3.0], [5.0], [5.0]]
    """
    xp, x = prepare(x)
    try:
        sizes = [op.index(n) for n in (output_size if isinstance(output_size, tuple | list) else (output_size,))]
    except TypeError:
        raise TypeError(f"output_size must be an int or a tuple of ints, got {output_size!r}") from None
    low, high, needed = contour_sources(sizes)
    if not sizes or min(sizes) < 1 or x.ndim < 2 or x.shape[-2] != needed:
        raise ValueError(f"x must have shape (..., {needed}, d) for output_size {output_size}, got {tuple(x.shape)}")
    (wide,) = widen(xp, x)
    low, high = (xp.asarray(places, device=device(x)) for places in (low, high))
    y = 0.5 * xp.take(wide, low, axis=-2) + 0.5 * xp.take(wide, high, axis=-2)
    return give_back(xp, y, x)


# ---- laws ----


@law(top_k_graph_pool, normal(6, 3), normal(6), counts(6))
def nodes_may_come_in_any_order(f, x, s, c):
    edges = np.array([[0, 1], [2, 3]])
    return f(x[::-1], s[::-1], c[::-1], edges, k=4)[0], f(x, s, c, edges, k=4)[0]


@law(top_k_graph_pool, normal(6, 3), normal(6), counts(6))
def without_children_scores_are_factors(f, x, s, c):
    edges = np.array([[0, 1], [2, 3]])
    return f(x, s, 0 * c, edges, k=6, alpha=2.0)[0].sum(axis=0), np.tanh(s) @ x


@law(edge_contraction_pool, normal(6, 3), integers(2, 7, high=6), normal(7))
def the_sum_of_all_nodes_stays(f, x, edges, s):
    y, ids, _ = f(x, edges, s, k=3)
    return (ids[:, None] == np.arange(6)).sum(axis=0) @ y, x.sum(axis=0)


@law(edge_contraction_pool, normal(6, 3), integers(2, 7, high=6), normal(7))
def edges_have_no_direction(f, x, edges, s):
    return f(4 * x, edges[::-1], s, k=4)[0], 4 * f(x, edges, s, k=4)[0]


@law(hyperdrop_pool, normal(9), integers(9, high=3))
def edges_may_come_in_any_order(f, s, ids):
    return f(s[::-1], ids[::-1], segments=3, ratio=0.4)[0][::-1], f(s, ids, segments=3, ratio=0.4)[0]


@law(hyperdrop_pool, normal(9), integers(9, high=3))
def all_edges_keep_what_is_positive(f, s, ids):
    return f(s, ids, segments=3, ratio=1.0)[0], np.tanh(np.maximum(s, 0))


@law(graph_unpool, normal(5, 2))
def what_is_linear_stays_linear(f, x):
    return f(x + np.arange(5.0)[:, None], output_size=9) - f(x, output_size=9), np.arange(9.0)[:, None] / 2 + np.zeros(
        2
    )


@law(graph_unpool, normal(5, 2))
def contours_stand_apart(f, x):
    y = np.concatenate([f(x[:2], output_size=3), f(x[2:], output_size=6)])
    return f(x, output_size=(3, 6)), y
