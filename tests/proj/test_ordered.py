"""Ordered ranks by hand, and against singular values."""

import numpy as np
import pytest

from refnorm.proj import (
    hierarchical_group_lasso,
    ordered_dropout_objective,
    ordered_low_rank_linear,
    progressive_rank_shrink,
)


def test_by_hand():
    x, u, v = np.array([1.0, 2.0]), np.array([[3.0, 100.0]]), np.array([[0.0, 1.0], [2.0, 1.0]])
    assert ordered_low_rank_linear(x, u, v, rank=1).tolist() == [12]
    assert ordered_low_rank_linear(x, u, v, np.array([1.0])).tolist() == [313]
    one = np.array([[1.0, 1.0]])
    assert float(ordered_dropout_objective(np.array([2.0]), np.array([3.0]), one, one, np.array([0.5, 0.25]))) == 0.75
    u, v = np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]])
    assert float(hierarchical_group_lasso(u, v)) == 13
    assert float(hierarchical_group_lasso(u, v, nested=False, scale=2.0)) == 18
    assert [a.tolist() for a in progressive_rank_shrink(u, v, threshold=10.0)] == [[[3, 0]], [[0, 0]]]
    assert [a.tolist() for a in progressive_rank_shrink(u, v, threshold=8.0)] == [[[3, 4]], [[0, 2]]]
    assert [a.tolist() for a in progressive_rank_shrink(u, v, threshold=8.0, nested=False)] == [[[0, 4]], [[0, 2]]]


def test_singular_vectors_leave_the_tail_of_singular_values():
    w = np.random.default_rng(0).normal(size=(5, 7))
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    x, p = np.eye(7), np.array([0.1, 0.2, 0.3, 0.25, 0.15])
    loss = ordered_dropout_objective(x, x @ w.T, u * np.sqrt(s), vt.T * np.sqrt(s), p)
    assert np.isclose(loss, sum(p[r] * np.sum(s[r + 1 :] ** 2) for r in range(5)) / 7, rtol=1e-12)
    off = w - ordered_low_rank_linear(x, u * np.sqrt(s), vt.T * np.sqrt(s), rank=3).T
    assert np.isclose(np.linalg.norm(off), np.linalg.norm(s[3:]), rtol=1e-12)


def test_gradient_of_an_empty_tail_is_zero(torch):
    u = torch.tensor([[2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    hierarchical_group_lasso(u, torch.ones(3, 2, dtype=torch.float64)).backward()
    assert u.grad.tolist() == [[1, 0]]


def test_refusals():
    x, u, v = np.ones((2, 3)), np.ones((4, 2)), np.ones((3, 2))
    with pytest.raises(ValueError, match="v must have shape"):
        ordered_low_rank_linear(x, u, u)
    for rank, error in [(0, ValueError), (3, ValueError), (1.0, TypeError)]:
        with pytest.raises(error):
            ordered_low_rank_linear(x, u, v, rank=rank)
    with pytest.raises(ValueError, match="target"):
        ordered_dropout_objective(x, x, u, v, np.ones(2))
    with pytest.raises(ValueError, match="weights"):
        ordered_dropout_objective(x, np.ones((2, 4)), u, v, np.ones(3))
    for f in (hierarchical_group_lasso, progressive_rank_shrink):
        with pytest.raises(ValueError, match="v must have shape"):
            f(u, x)
        with pytest.raises(ValueError, match="u must have shape"):
            f(u[0], x)
        with pytest.raises(TypeError, match="nested"):
            f(u, v, nested=1)
    with pytest.raises(ValueError, match="scale"):
        hierarchical_group_lasso(u, v, scale=np.inf)
    with pytest.raises(ValueError, match="not below zero"):
        progressive_rank_shrink(u, v, threshold=-1.0)
