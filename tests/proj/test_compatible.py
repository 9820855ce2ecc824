"""Embeddings that hold old ones by hand."""

import numpy as np
import pytest

from refnorm.proj import (
    backward_compatible_loss,
    basis_transformation,
    higher_order_compatible_loss,
    orthogonal_compatible_map,
)

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


def test_what_an_old_classifier_understands():
    x, p, ids, s = (
        np.array([[3.0, 0.0]]),
        np.array([[0.0, 2.0], [4.0, 0.0]]),
        np.array([1]),
        np.array([[0.0, 0.0, 0.0]]),
    )
    assert backward_compatible_loss(x, p, ids, s, weights=(0.0, 0.0, 1.0)) == 0
    assert backward_compatible_loss(x, p, ids, s, np.array([[0.0, 9.0]]), weights=(0.0, 0.0, 2.0)) == 2
    assert np.isclose(backward_compatible_loss(x, p, ids, s, weights=(2.0, 0.0, 0.0)), 2 * np.log(3), rtol=1e-15)
    wanted = np.log1p(np.exp(-4))
    assert np.isclose(backward_compatible_loss(x, p, ids, s, weights=(0.0, 1.0, 0.0)), wanted, rtol=1e-14)
    assert backward_compatible_loss(0 * x, p, ids, s, weights=(0.0, 0.0, 1.0)) == 1
    assert np.isnan(backward_compatible_loss(x, p, np.array([3]), s))


def test_is_what_torch_gives(torch):
    x, p, s, old = (torch.randn(*n, dtype=torch.float64) for n in [(6, 4), (3, 4), (6, 5), (6, 4)])
    ids, F = torch.tensor([0, 2, 1, 1, 0, 2]), torch.nn.functional
    c = F.normalize(x, dim=1)
    own, before = F.cross_entropy(s, ids), F.cross_entropy(c @ p.T, ids)
    near = torch.nn.CosineEmbeddingLoss()(p[ids], c, torch.ones(6))
    got = backward_compatible_loss(x, p, ids, s)
    torch.testing.assert_close(got, 5 * own + 10 * before + 5 * near, rtol=1e-12, atol=0)
    bt2 = own + 3 * before + 4 * (1 - (F.normalize(old, dim=1) * c).sum(1).mean())
    got = backward_compatible_loss(x, p, ids, s, old, weights=(1.0, 3.0, 4.0))
    torch.testing.assert_close(got, bt2, rtol=1e-12, atol=0)


def test_losses_refuse():
    x, p, ids, s = np.ones((2, 3)), np.ones((4, 3)), np.array([0, 1]), np.ones((2, 5))
    for args, said in [
        ((x[0], p, ids, s), "x must"), ((x, p.T, ids, s), "weight"), ((x, p, ids[:1], s), "ids"),
        ((x, p, ids, s[:1]), "scores"), ((x, p, ids, s, x[:1]), "old"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=said):
            backward_compatible_loss(*args)
    with pytest.raises(TypeError, match="ids"):
        backward_compatible_loss(x, p, x[:, 0], s)
    for weights in ((1.0, 2.0), 1.0, (1.0, np.nan, 2.0)):
        with pytest.raises(ValueError, match="weights"):
            backward_compatible_loss(x, p, ids, s, weights=weights)
