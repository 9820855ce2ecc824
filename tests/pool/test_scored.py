"""Means under the softmax of scores by hand, refusals, and torch and SciPy beside them."""

import numpy as np
import pytest

from refnorm.pool import attentive_pool, softmax_pool, target_attention_pool

X = np.array([[1.0, 3.0], [5.0, 7.0]])
LOG3 = float(np.log(3.0))
rng = np.random.default_rng(0)
NETWORK = [rng.normal(size=s) for s in ((8, 5), (5,), (5, 4), (4,), (4, 1), (1,))]


def test_by_hand():
    assert softmax_pool(X, np.array([[0.0], [LOG3]]), axis=0) == pytest.approx([4, 6])
    assert softmax_pool(X, np.array([[0.0], [1.0]]), axis=0, scale=LOG3) == pytest.approx([4, 6])
    assert softmax_pool(np.array([0.0, LOG3]), axis=0) == pytest.approx(0.75 * LOG3)
    assert softmax_pool(X, np.array([[0.0], [-np.inf]]), axis=0).tolist() == [1, 3]
    assert attentive_pool(X, LOG3 / 4 * np.eye(2)) == pytest.approx([4, 6])
    assert attentive_pool(X, np.array([[LOG3 / 4], [0.0]])) == pytest.approx([4, 6])
    assert attentive_pool(X, np.eye(2), np.array([False, True])).tolist() == [5, 7]
    silent = [np.zeros_like(a) for a in NETWORK[:5]]
    assert target_attention_pool(X, X[0], *silent, np.array([0.25])).tolist() == [1.5, 2.5]
    assert target_attention_pool(X, X[0], *silent, np.array([0.25]), kind="softmax").tolist() == [3, 5]
    assert target_attention_pool(X, X[0], *silent, np.array([2.0]), np.array([True, False])).tolist() == [2, 6]


def test_hidden_members_have_no_part():
    x = np.array([[1.0, 3.0], [np.nan, np.inf]])
    mask = np.array([True, False])
    assert softmax_pool(x, np.array([[0.0], [-np.inf]]), axis=0).tolist() == [1, 3]
    assert attentive_pool(x, np.eye(2), mask).tolist() == [1, 3]
    assert target_attention_pool(x, X[0], *NETWORK, mask, kind="softmax").tolist() == [1, 3]
    assert np.isnan(attentive_pool(x, np.eye(2), mask & False)).all()
    assert target_attention_pool(x, X[0], *NETWORK, mask & False).tolist() == [0, 0]


def test_scipy():
    from scipy.special import softmax

    x, s = rng.normal(size=(2, 6, 3)), rng.normal(size=(2, 6, 1))
    assert np.allclose(softmax_pool(x, axis=1), (softmax(x, axis=1) * x).sum(axis=1), rtol=1e-13)
    assert np.allclose(softmax_pool(x, s, axis=1), (softmax(s, axis=1) * x).sum(axis=1), rtol=1e-13)


def test_torch(torch):
    """AttSets as a layer of torch, whose bias cancels."""
    x, w, b = torch.randn(2, 6, 3, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64), torch.randn(3)
    wanted = (torch.softmax(x @ w + b, dim=1) * x).sum(dim=1)
    assert torch.allclose(attentive_pool(x, w), wanted, rtol=1e-13, atol=1e-14)


def test_refusals():
    for call, error, said in [
        (lambda: softmax_pool(X, X[0], axis=0), ValueError, r"scores must have shape \(2, 2\), got \(2,\)"),
        (lambda: softmax_pool(X, X[:1], axis=0), ValueError, r"scores must have shape \(2, 2\), got \(1, 2\)"),
        (lambda: softmax_pool(X, axis=2), ValueError, "axis 2 does not exist"),
        (lambda: softmax_pool(X, axis=0, scale=np.inf), ValueError, "scale must be finite, got inf"),
        (lambda: attentive_pool(X[0], X), ValueError, r"x must have shape \(\.\.\., n, d\), got \(2,\)"),
        (lambda: attentive_pool(X, X[:1]), ValueError, r"weight must have shape \(2, 2\), got \(1, 2\)"),
        (lambda: attentive_pool(X, X, X > 2), ValueError, r"mask must have shape \(2,\), got \(2, 2\)"),
        (lambda: attentive_pool(X, X, X[0]), TypeError, "mask must hold booleans"),
        (lambda: attentive_pool(X[:0], X), ValueError, "must not be empty"),
        (lambda: target_attention_pool(X, X, *NETWORK), ValueError, r"query must have shape \(2,\)"),
        (lambda: target_attention_pool(X, X[0], X, *NETWORK[1:]), ValueError, r"first must have shape \(8, 2\)"),
        (lambda: target_attention_pool(X, X[0], X[0], *NETWORK[1:]), ValueError, "first must have shape .inputs"),
        (lambda: target_attention_pool(X, X[0], *NETWORK, kind="mean"), ValueError, "kind must be 'sum' or 'softmax'"),
    ]:
        with pytest.raises(error, match=said):
            call()
