"""Vectors from sequences by hand, refusals, NaN, and NumPy's weighted average."""

import numpy as np
import pytest

from refnorm.pool import last_token_pool, position_weighted_mean_pool, top_descriptor_pool

X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, -9.0]])
GAP = np.array([True, False, True])


def test_by_hand():
    assert last_token_pool(X).tolist() == [5, -9]
    assert last_token_pool(X, np.array([True, True, False])).tolist() == [3, 4]
    assert last_token_pool(X, GAP).tolist() == [5, -9]
    assert last_token_pool(X, GAP & False).tolist() == [5, -9]
    assert position_weighted_mean_pool(X).tolist() == pytest.approx([22 / 6, -17 / 6])
    assert position_weighted_mean_pool(X, GAP).tolist() == [4, -25 / 4]
    late = np.array([False, True, True])
    assert position_weighted_mean_pool(X, late).tolist() == pytest.approx([21 / 5, -19 / 5])
    assert position_weighted_mean_pool(X, late, kind="first") == pytest.approx([13 / 3, -14 / 3])
    assert top_descriptor_pool(np.array([[3.0, 4.0], [0.0, 0.5], [-8.0, 0.0]]), k=2).tolist() == [[-1, 0], [0.6, 0.8]]
    assert top_descriptor_pool(np.array([[3.0, 4.0]]), k=1, eps=10.0).tolist() == [[0.3, 0.4]]
    assert top_descriptor_pool(np.array([[1.0, 0.0], [0.0, 1.0]]), k=1).tolist() == [[1, 0]]  # the first of equals


def test_nan_is_neither_hidden_nor_seen_where_hidden():
    x = X.copy()
    x[1] = np.nan
    assert last_token_pool(x, GAP).tolist() == [5, -9]
    assert position_weighted_mean_pool(x, GAP).tolist() == [4, -25 / 4]
    assert np.isnan(position_weighted_mean_pool(x, GAP & False)).all()
    assert np.isnan(top_descriptor_pool(x, k=1)).all()


def test_numpy_average():
    x = np.random.default_rng(0).normal(size=(9, 4))
    wanted = np.average(x, axis=0, weights=np.arange(1, 10))
    assert np.allclose(position_weighted_mean_pool(x), wanted, rtol=1e-13)


def test_the_code_of_e5(torch):
    """Its last token, for a batch that is padded on the left and one that is padded on the right."""
    x = torch.randn(3, 5, 2)
    right = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]])
    left = right.flip(1)
    theirs = x[torch.arange(3), right.sum(dim=1) - 1]
    assert torch.equal(last_token_pool(x, right.bool()), theirs)
    assert torch.equal(last_token_pool(x, left.bool()), x[:, -1])


def test_refusals():
    for call, error, said in [
        (lambda: last_token_pool(X[0]), ValueError, r"x must have shape \(\.\.\., n, d\), got \(2,\)"),
        (lambda: last_token_pool(X[:0]), ValueError, "must not be empty"),
        (lambda: last_token_pool(X, GAP[:2]), ValueError, r"mask must have shape \(3,\), got \(2,\)"),
        (lambda: last_token_pool(X, X[:, 0]), TypeError, "mask must hold booleans"),
        (lambda: position_weighted_mean_pool(X, kind="rank"), ValueError, "kind must be 'sequence' or 'first'"),
        (lambda: top_descriptor_pool(X, k=4), ValueError, "k must be from 1 to the 3 places, got 4"),
        (lambda: top_descriptor_pool(X, k=0), ValueError, "k must be from 1 to the 3 places, got 0"),
        (lambda: top_descriptor_pool(X, k=1.0), TypeError, "k must be an int"),
        (lambda: top_descriptor_pool(X, k=1, eps=-1), ValueError, "eps must be"),
    ]:
        with pytest.raises(error, match=said):
            call()
