"""Graphs made smaller and larger by hand, refusals, and SciPy's components."""

import numpy as np
import pytest

from refnorm.pool import edge_contraction_pool, graph_unpool, hyperdrop_pool, top_k_graph_pool

X = np.array([[1.0], [3.0], [8.0], [20.0]])
EDGES = np.array([[0, 1, 2, 0], [1, 2, 3, 2]])
S = np.array([0.9, 0.1, 0.2, 0.3])


def listed(outputs):
    return [y.tolist() for y in outputs]


def test_by_hand():
    children, none = np.array([2.0, 0.0, 4.0, 1.0]), np.zeros(4)
    got = top_k_graph_pool(X, none, children, EDGES, k=2)
    assert listed(got) == [[[8], [0.5]], [2, 0], [[-1, -1, -1, 1], [-1, -1, -1, 0]]]
    got = top_k_graph_pool(X, np.arctanh(S / 2), none, EDGES, k=1, alpha=5.0)
    assert got[0] == pytest.approx(np.array([[0.45]]))
    assert top_k_graph_pool(X, none, children, EDGES, k=1, alpha=-1.0)[1].tolist() == [1]
    got = edge_contraction_pool(X, EDGES, S, k=2)  # 0-1 and 0-2
    assert listed(got) == [[[4], [20], [0], [0]], [0, 0, 0, 1], [[-1, -1, 0, -1], [-1, -1, 1, -1]]]
    assert listed(edge_contraction_pool(X, EDGES, S, k=0)) == [X.tolist(), [0, 1, 2, 3], EDGES.tolist()]
    twice = np.array([[0, 2, 1, 2], [1, 0, 2, 3]])
    assert edge_contraction_pool(X, twice, S, k=1)[2].tolist() == [[-1, 1, -1, 1], [-1, 0, -1, 2]]
    weights, kept = hyperdrop_pool(np.arctanh([0.5, -0.5, 0.25, 0.75]), np.array([0, 0, 0, 5]), segments=1, ratio=0.5)
    assert kept.tolist() == [True, False, True, False]
    assert weights == pytest.approx([0.5, 0, 0.25, 0])
    assert graph_unpool(X, output_size=8)[:, 0].tolist() == [1, 2, 3, 5.5, 8, 14, 20, 20]
    assert graph_unpool(X, output_size=7)[:, 0].tolist() == [1, 2, 3, 5.5, 8, 14, 20]
    assert graph_unpool(X, output_size=(3, 4))[:, 0].tolist() == [1, 2, 3, 8, 14, 20, 20]


def test_scipy_components():
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rng = np.random.default_rng(0)
    for _ in range(20):
        edges, s, k = rng.integers(0, 30, (2, 40)), rng.normal(size=40), int(rng.integers(0, 40))
        best = np.argsort(-s)[:k]
        matrix = coo_array((np.ones(k), (edges[0, best], edges[1, best])), shape=(30, 30))
        count, labels = connected_components(matrix, directed=False)
        x = rng.normal(size=(30, 2))
        y, ids, _ = edge_contraction_pool(x, edges, s, k=k)
        assert ids.max() + 1 == count
        assert len({*zip(ids.tolist(), labels.tolist(), strict=True)}) == count
        assert np.allclose(y[ids[7]], x[labels == labels[7]].mean(axis=0))
        assert (y[count:] == 0).all()


def test_rows_of_the_unpooling_matrix_sum_to_one():
    u = graph_unpool(np.eye(9), output_size=(8, 9))
    assert (u.sum(axis=1) == 1).all()
    assert set(np.unique(u)) == {0, 0.5, 1}


def test_equal_and_unknown_scores():
    same = np.array([0.5, 0.5, np.nan, 0.5])
    assert hyperdrop_pool(same, np.zeros(4, int), segments=1, ratio=0.5)[1].tolist() == [True, False, True, False]
    assert np.isnan(hyperdrop_pool(same, np.zeros(4, int), segments=1, ratio=0.5)[0][2])
    assert top_k_graph_pool(X, same, np.zeros(4), EDGES, k=2)[1].tolist() == [2, 0]


def test_refusals():
    z = np.zeros(4)
    ids = np.zeros(4, int)
    for call, error, said in [
        (lambda: top_k_graph_pool(z, z, z, EDGES, k=1), ValueError, r"x must have shape \(nodes, features\), got"),
        (lambda: top_k_graph_pool(X, z[1:], z, EDGES, k=1), ValueError, r"scores must have shape \(4,\)"),
        (lambda: top_k_graph_pool(X, z, z[1:], EDGES, k=1), ValueError, r"count must have shape \(4,\)"),
        (lambda: top_k_graph_pool(X, z, z, EDGES[0], k=1), ValueError, r"edges must have shape \(2, 'edges'\)"),
        (lambda: top_k_graph_pool(X, z, z, 1.0 * EDGES, k=1), TypeError, "edges must hold integers"),
        (lambda: top_k_graph_pool(X, z, z, EDGES, k=5), ValueError, "k must be from 1 to the 4 nodes, got 5"),
        (lambda: top_k_graph_pool(X, z, z, EDGES, k=0.5), TypeError, "k must be an int"),
        (lambda: top_k_graph_pool(X, z, z, EDGES, k=1, alpha=np.inf), ValueError, "alpha must be finite"),
        (lambda: edge_contraction_pool(X, EDGES, S[1:], k=1), ValueError, r"scores must have shape \(4,\)"),
        (lambda: edge_contraction_pool(X, EDGES, S, k=5), ValueError, "k must be from 0 to the 4 edges"),
        (lambda: hyperdrop_pool(X, ids, segments=1, ratio=0.5), ValueError, r"x must have shape \('edges',\)"),
        (lambda: hyperdrop_pool(S, ids[1:], segments=1, ratio=0.5), ValueError, r"ids must have shape \(4,\)"),
        (lambda: hyperdrop_pool(S, ids, segments=0, ratio=0.5), ValueError, "segments must be at least 1, ratio above"),
        (lambda: hyperdrop_pool(S, ids, segments=1, ratio=1.5), ValueError, "ratio above 0 and at most 1"),
        (
            lambda: hyperdrop_pool(S, ids, segments=1, ratio="1"),
            TypeError,
            "segments must be an int and ratio a number",
        ),
        (lambda: graph_unpool(X, output_size=6), ValueError, r"x must have shape \(\.\.\., 3, d\) for output_size 6"),
        (lambda: graph_unpool(X, output_size=2.0), TypeError, "output_size must be an int"),
        (lambda: graph_unpool(X, output_size=()), ValueError, "x must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()
