"""Embeddings that hold old ones by hand."""

import numpy as np
import pytest

from refnorm.proj import basis_transformation, higher_order_compatible_loss, orthogonal_compatible_map

TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def test_by_hand():
    cut, turned = orthogonal_compatible_map(np.array([3.0, 4.0]), TURN, k=1)
    assert (cut.tolist(), turned.tolist()) == ([0.6], [0.8, -0.6])
    cut, turned = orthogonal_compatible_map(np.array([3.0, 4.0]), TURN, np.array([1.0, 0.0]), k=2, eps=10.0)
    assert (cut.tolist(), turned.tolist()) == ([0.3, 0.4], [1.4, -0.3])
    c, v = basis_transformation(np.array([-2.0]), np.array([3.0, 4.0]), np.eye(2), TURN, scale=5.0)
    assert (c.tolist(), v.tolist()) == ([3, 1], [3, 1, 4])
    c, v = basis_transformation(np.array([-2.0]), np.array([3.0, 4.0]), TURN, np.eye(1), scale=5.0)
    assert (c.tolist(), v.tolist()) == ([-1], [-1, 4, -3])


def test_distances_of_merged_rows_are_those_of_both_parts():
    rng = np.random.default_rng(0)
    x, f = rng.normal(size=(6, 3)), rng.normal(size=(6, 5))
    p, q = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (5, 4))
    _, v = basis_transformation(x, f, p, q)
    unit = lambda a: a / np.linalg.norm(a, axis=1, keepdims=True)
    assert np.allclose(v @ v.T, unit(x) @ unit(x).T + 9 * unit(f) @ unit(f).T, rtol=1e-12, atol=1e-13)


def test_refusals():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="rotation"):
        orthogonal_compatible_map(x, TURN, k=1)
    with pytest.raises(ValueError, match="bias"):
        orthogonal_compatible_map(x, np.eye(3), np.ones(2), k=1)
    for k in (0, 4):
        with pytest.raises(ValueError, match="k must be"):
            orthogonal_compatible_map(x, np.eye(3), k=k)
    with pytest.raises(ValueError, match="other"):
        basis_transformation(x, np.ones((3, 2)), TURN, np.eye(2))
    with pytest.raises(ValueError, match="rotation"):
        basis_transformation(x, x, TURN, np.eye(2))
    for bad in (np.ones((2, 3)), np.eye(7), np.ones(3)):
        with pytest.raises(ValueError, match="basis must be square"):
            basis_transformation(x, x, np.eye(3), bad)
    with pytest.raises(ValueError, match="scale"):
        basis_transformation(x, x, np.eye(3), np.eye(2), scale=np.inf)


def test_pairs_of_other_classes_push():
    x, old = np.array([[1.0], [2.0]]), np.array([[3.0], [-1.0]])
    wanted = np.mean([np.log(1 + np.exp(2 * 6)) - 2 * 3, np.log(np.exp(-2) + 1) + 2 * 2])
    assert np.isclose(higher_order_compatible_loss(x, old, np.array([0, 1]), scale=2.0), wanted, rtol=1e-14)
    assert np.isclose(higher_order_compatible_loss(x, old, np.array([5, 5]), scale=2.0), np.log(2) - 1, rtol=1e-14)
    with pytest.raises(ValueError, match="old"):
        higher_order_compatible_loss(x, old[:1], np.array([0, 1]))
    with pytest.raises(ValueError, match="ids"):
        higher_order_compatible_loss(x, old, np.array([0]))
    with pytest.raises(TypeError, match="ids"):
        higher_order_compatible_loss(x, old, x[:, 0])
    with pytest.raises(ValueError, match="scale"):
        higher_order_compatible_loss(x, old, np.array([0, 1]), scale=np.inf)
    with pytest.raises(ValueError, match="x must have shape"):
        higher_order_compatible_loss(x[0], old, np.array([0]))
