"""The fuzzy graph of neighbours by hand, and against umap-learn's formula on sparse matrices."""

import numpy as np
import pytest

from refnorm.proj import fuzzy_union


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
