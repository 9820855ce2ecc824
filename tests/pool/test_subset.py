"""A subset and its superset by hand, and refusals."""

import numpy as np
import pytest

from refnorm.pool import subset_superset_pool

X, V, M = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[10.0], [30.0]]), np.array([1.0, 0.5])


def test_by_hand():
    assert subset_superset_pool(X, V, M).tolist() == [2.5, 4.5, 40]
    assert subset_superset_pool(X, V, M, reduce="mean").tolist() == [2.5, 4.5, 20]
    assert subset_superset_pool(X, X, M, join="add").tolist() == [6.5, 11.5]
    assert subset_superset_pool(X, X, M, join="add", reduce="mean").tolist() == [4.5, 8]


def test_order_free_in_torch(torch):
    x, v, m = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64), torch.rand(6).double()
    order = torch.randperm(6)
    wanted = torch.cat([m @ x, v.sum(dim=0)])
    assert torch.allclose(subset_superset_pool(x[order], v[order], m[order]), wanted, rtol=1e-13, atol=1e-14)


def test_refusals():
    for call, said in [
        (lambda: subset_superset_pool(X[0], V, M), r"x must have shape \(\.\.\., n, d\), got \(2,\)"),
        (lambda: subset_superset_pool(X, V[:1], M), r"other must have shape \(2, 1\), got \(1, 1\)"),
        (lambda: subset_superset_pool(X, V, M, join="add"), r"other must have shape \(2, 2\), got \(2, 1\)"),
        (lambda: subset_superset_pool(X, V, X), r"member must have shape \(2,\), got \(2, 2\)"),
        (lambda: subset_superset_pool(X, V, M, reduce="max"), "reduce must be 'sum' or 'mean', got 'max'"),
        (lambda: subset_superset_pool(X, V, M, join="stack"), "join must be 'concat' or 'add', got 'stack'"),
        (lambda: subset_superset_pool(X[:0], V[:0], M[:0]), "must not be empty"),
    ]:
        with pytest.raises(ValueError, match=said):
            call()
