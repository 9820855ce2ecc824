"""Heads by hand, and against torch."""

import numpy as np
import pytest

from refnorm.proj import feature_weighting_profile, fixed_reweighting_head, matryoshka_prefix_logits, projection_head


def test_by_hand():
    x, w = np.array([1.0, 2.0]), np.array([[3.0, 0.0], [0.0, -2.0]])
    assert projection_head(x, w, normalize=False).tolist() == [3, -4]
    assert projection_head(x, w).tolist() == [0.6, -0.8]
    assert projection_head(x, w, eps=10.0).tolist() == [0.3, -0.4]
    two = np.array([[1.0, 1.0]])
    assert projection_head(x, w, None, two, np.array([2.0]), normalize=False).tolist() == [5]
    assert projection_head(x, w, None, two, activation="none", normalize=False).tolist() == [-1]
    assert projection_head(0 * x, w).tolist() == [0, 0]
    assert fixed_reweighting_head(np.array([[8.0, 8.0], [8.0, 8.0]]), base=2.0, axis=0).tolist() == [[8, 8], [4, 4]]
    layers = np.array([[[3.0, 0.0], [4.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]])
    assert feature_weighting_profile(layers, np.eye(2), relative=True).tolist() == [[1, 1], [0.6, 0]]


def test_balanced_layers_weigh_by_roots_of_singular_values():
    u, s, vt = np.linalg.svd(np.random.default_rng(0).normal(size=(5, 5)))
    layers = np.stack([np.sqrt(s)[:, None] * vt, u * np.sqrt(s)])
    assert np.allclose(feature_weighting_profile(layers, vt), [np.sqrt(s), s], rtol=1e-12)


def test_is_what_torch_gives(torch):
    x, w1, b1, w2, b2 = (torch.randn(*s, dtype=torch.float64) for s in [(6, 5), (4, 5), (4,), (3, 4), (3,)])
    F = torch.nn.functional
    for activation, bend in [("relu", F.relu), ("tanh", torch.tanh), ("none", lambda z: z)]:
        wanted = F.normalize(F.linear(bend(F.linear(x, w1, b1)), w2, b2), dim=-1)
        got = projection_head(x, w1, b1, w2, b2, activation=activation)
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)


def test_prefixes():
    x, w = np.array([[3.0, 4.0, 12.0]]), np.array([[2.0, 0.0], [0.0, -5.0], [0.0, 0.0]])
    assert matryoshka_prefix_logits(x, w).tolist() == [[0.6, -0.8, 0]]
    assert matryoshka_prefix_logits(x, w, eps=10.0).tolist() == [[0.3, -0.4, 0]]
    assert matryoshka_prefix_logits(x, w, normalize=False).tolist() == [[3, -4, 0]]


def test_one_level_of_all_elements_is_the_head_of_dino(torch):
    x, w = torch.randn(6, 5, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    last = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(5, 4, bias=False, dtype=torch.float64))
    last.parametrizations.weight.original0.data.fill_(1)
    last.parametrizations.weight.original1.data.copy_(w)
    wanted = last(torch.nn.functional.normalize(x, dim=-1)).detach()
    torch.testing.assert_close(matryoshka_prefix_logits(x, w), wanted, rtol=1e-13, atol=1e-14)
    whole = last(x).detach()
    torch.testing.assert_close(matryoshka_prefix_logits(x, w, normalize=False), whole, rtol=1e-13, atol=1e-14)


def test_refusals():
    x, w = np.ones((2, 3)), np.ones((4, 3))
    for args, said in [((x, w.T), "weight"), ((x, w, np.ones(3)), "bias"), ((x, w, None, w), "out_weight")]:
        with pytest.raises(ValueError, match=said):
            projection_head(*args)
    with pytest.raises(ValueError, match="out_bias must come"):
        projection_head(x, w, None, None, np.ones(4))
    with pytest.raises(ValueError, match="activation must be one of"):
        projection_head(x, w, activation="gelu")
    with pytest.raises(TypeError, match="normalize"):
        projection_head(x, w, normalize=1)
    for base, error in [(0.0, ValueError), (np.inf, ValueError), ("2", TypeError)]:
        with pytest.raises(error):
            fixed_reweighting_head(x, base=base)
    for bad in (np.ones((2, 3)), np.ones((2, 3, 4)), np.ones((0, 3, 3))):
        with pytest.raises(ValueError, match="x must have shape"):
            feature_weighting_profile(bad, np.ones((1, 3)))
    with pytest.raises(ValueError, match="directions"):
        feature_weighting_profile(np.ones((1, 3, 3)), np.ones((1, 2)))
    for bad in (np.ones((2, 4)), np.ones((2, 0)), np.ones((0, 2)), np.ones(3)):
        with pytest.raises(ValueError, match="weight must have shape"):
            matryoshka_prefix_logits(x, bad)
    with pytest.raises(TypeError, match="normalize"):
        matryoshka_prefix_logits(x, x, normalize=1)
