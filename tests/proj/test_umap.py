"""The fuzzy graph of neighbours by hand, and against umap-learn's formula on sparse matrices."""

import numpy as np
import pytest

from refnorm.proj import fuzzy_union, umap_cross_entropy


def test_by_hand():
    p = np.array([[0.0, 0.5], [0.25, 1.0]])
    assert fuzzy_union(p).tolist() == [[0, 0.625], [0.625, 1]]
    assert fuzzy_union(p, alpha=0.0).tolist() == [[0, 0.125], [0.125, 1]]
    assert fuzzy_union(p, alpha=0.5).tolist() == [[0, 0.375], [0.375, 1]]


def test_is_what_sparse_matrices_give():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(7, 7)) * (rng.uniform(size=(7, 7)) < 0.4)
    a = sparse.csr_matrix(p)
    both = a.multiply(a.T)
    wanted = 0.7 * (a + a.T - both) + 0.3 * both
    assert np.allclose(fuzzy_union(p, alpha=0.7), wanted.toarray(), rtol=1e-14)


def test_refusals():
    for bad in (np.ones(3), np.ones((2, 3)), np.ones((2, 3, 2))):
        with pytest.raises(ValueError, match="x must have shape"):
            fuzzy_union(bad)
    for alpha in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match="alpha"):
            fuzzy_union(np.ones((2, 2)), alpha=alpha)


def test_cross_entropy():
    x, w = np.array([[0.0], [1.0]]), np.array([[0.25, 1.0], [0.0, 0.5]])
    assert np.isclose(umap_cross_entropy(x, w, a=1.0), 2 * np.log(2), rtol=1e-15)
    same = np.zeros((2, 1))
    assert np.isclose(umap_cross_entropy(same, np.zeros((2, 2)), eps=0.25), 2 * np.log(4), rtol=1e-15)
    assert umap_cross_entropy(same, np.ones((2, 2)), eps=0.25) == 0


def test_the_curve_is_a_least_squares_fit():
    optimize = pytest.importorskip("scipy.optimize")
    d = np.linspace(0, 3, 300)
    wanted = np.where(d < 0.1, 1.0, np.exp(-(d - 0.1)))
    (a, b), _ = optimize.curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), d, wanted)
    assert (round(a, 3), round(b, 3)) == (1.577, 0.895)


def test_points_refuse():
    x, w = np.ones((3, 2)), np.ones((3, 3))
    for args, said in [((x[0], w), "x must"), ((x, w[:2]), "weights"), ((x[:0], w[:0, :0]), "x must")]:
        with pytest.raises(ValueError, match=said):
            umap_cross_entropy(*args)
    for name, bad in [("a", 0.0), ("b", np.inf), ("eps", 1.0), ("eps", 0.0)]:
        with pytest.raises(ValueError, match=name):
            umap_cross_entropy(x, w, **{name: bad})
