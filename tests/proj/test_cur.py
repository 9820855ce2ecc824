"""Matrices from rows and columns by hand, and against NumPy's pseudo-inverse."""

import numpy as np
import pytest

from refnorm.proj import cur_decomposition, cur_scores


def test_by_hand():
    x = np.array([[1.0, 2.0], [2.0, 4.0]])
    c, u, r = cur_decomposition(x, np.array([1]), np.array([1]))
    assert (c.tolist(), u.tolist(), r.tolist()) == ([[2], [4]], [[0.25]], [[2, 4]])
    c, u, r = cur_decomposition(x, np.array([0, 1]), np.array([0, 1]), rank=1)
    assert np.allclose(u, x / 25, rtol=1e-14)
    assert cur_scores(np.array([[5.0]]), np.array([[2.0, 4.0, 6.0]]), np.array([0])).tolist() == [[5, 10, 15]]
    assert cur_scores(np.array([5.0]), np.zeros((1, 3)), np.array([0])).tolist() == [0, 0, 0]


def test_is_numpys_pseudo_inverse():
    rng = np.random.default_rng(0)
    x, i, j = rng.normal(size=(6, 8)), np.array([4, 1, 0]), np.array([7, 2])
    c, u, r = cur_decomposition(x, i, j)
    assert np.allclose(u, np.linalg.pinv(x[i][:, j]), atol=1e-12)
    c, u, r = cur_decomposition(x, i, j, kind="best")
    assert np.allclose(u, np.linalg.pinv(c) @ x @ np.linalg.pinv(r), atol=1e-12)
    scores = rng.normal(size=(5, 2))
    assert np.allclose(cur_scores(scores, x, j), scores @ np.linalg.pinv(x[:, j]) @ x, atol=1e-12)


def test_low_rank_comes_back():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(9, 2)) @ rng.normal(size=(2, 7))
    c, u, r = cur_decomposition(x, np.arange(4), np.arange(3), rank=2)
    assert np.allclose(c @ u @ r, x, atol=1e-11)
    assert np.allclose(cur_scores(x[:, :3], x[:5], np.arange(3), rank=2), x, atol=1e-11)


def test_best_is_no_worse():
    x, i, j = np.random.default_rng(2).normal(size=(6, 8)), np.array([0, 3]), np.array([1, 5])
    off = {}
    for kind in ("crossing", "best"):
        c, u, r = cur_decomposition(x, i, j, kind=kind)
        off[kind] = np.linalg.norm(x - c @ u @ r)
    assert off["best"] < off["crossing"]


def test_refusals():
    x, i = np.ones((3, 4)), np.array([0, 1])
    with pytest.raises(ValueError, match="x must have shape"):
        cur_decomposition(x[None], i, i)
    with pytest.raises(TypeError, match="other_ids"):
        cur_decomposition(x, i, i.astype(float))
    with pytest.raises(ValueError, match="ids"):
        cur_decomposition(x, i[None], i)
    with pytest.raises(ValueError, match="empty"):
        cur_decomposition(x, i[:0], i)
    with pytest.raises(ValueError, match="kind"):
        cur_decomposition(x, i, i, kind="worst")
    with pytest.raises(ValueError, match="rank must be 1 to 2"):
        cur_decomposition(x, i, i, rank=3)
    with pytest.raises(ValueError, match="x must have shape"):
        cur_scores(x, x, i)
    with pytest.raises(ValueError, match="bank"):
        cur_scores(x[:, :2], x[0], i)
