"""spectral_norm_step by hand, refusals, special values, singular values, and torch's layers step by step."""

import numpy as np
import pytest

from refnorm.norm import spectral_norm_step

W = np.array([[3.0, 0.0], [0.0, 4.0]])


def test_by_hand():
    """From (4, 3): W^T u = (12, 12), v = (1, 1) / sqrt 2, W v = (3, 4) / sqrt 2 of length 5 / sqrt 2."""
    y, u = spectral_norm_step(W, np.array([4.0, 3.0]))
    assert np.allclose(u, [0.6, 0.8], rtol=1e-15)
    assert np.allclose(y, W / (5 / 2**0.5), rtol=1e-15)
    y, u = spectral_norm_step(W, np.array([4.0, 3.0]), eps=24.0)  # v = (1, 1) / 2, W v = (1.5, 2), u = that / 24
    assert np.allclose(u, [1.5 / 24, 2 / 24], rtol=1e-15)
    assert np.allclose(y, W / (6.25 / 24), rtol=1e-15)


def test_steps_reach_the_largest_singular_value():
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(5, 7)), rng.normal(size=5)
    for _ in range(500):
        y, u = spectral_norm_step(x, u)
    left, values, _ = np.linalg.svd(x)
    assert np.allclose(np.linalg.svd(y)[1], values / values[0], rtol=1e-12)
    assert np.allclose(abs(u @ left[:, 0]), 1, rtol=1e-12)


def test_zeros_and_bad_values():
    with np.errstate(all="ignore"):
        y, u = spectral_norm_step(np.zeros((2, 3)), np.ones(2))
        assert np.isnan(y).all()
        assert not u.any()
        for bad in (np.nan, np.inf):
            y, u = spectral_norm_step(np.array([[bad, 1.0], [2.0, 3.0]]), np.ones(2))
            assert np.isnan(y).all()
            assert np.isnan(u).all()


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_neither_overflows_nor_vanishes(size):
    x, u = np.random.default_rng(1).normal(size=(3, 5)), np.ones(3)
    for got, wanted in zip(spectral_norm_step(size * x, u, eps=0.0), spectral_norm_step(x, u, eps=0.0), strict=True):
        assert np.allclose(got, wanted, rtol=1e-13)


def test_the_state_keeps_its_dtype():
    y, u = spectral_norm_step(W.astype("float16"), np.ones(2, "float32"))
    assert y.dtype == np.float16
    assert u.dtype == np.float32


def test_refusals():
    u = np.ones(2)
    for call, error, said in [
        (lambda: spectral_norm_step(W, np.ones(3)), ValueError, r"u must have shape \(2,\), got \(3,\)"),
        (lambda: spectral_norm_step(W, u[:, None]), ValueError, r"u must have shape \(2,\), got \(2, 1\)"),
        (lambda: spectral_norm_step(W, None), TypeError, "u must be an array, got None"),
        (lambda: spectral_norm_step(W, u, axis=None), TypeError, "axis must be one int"),
        (lambda: spectral_norm_step(W, u, axis=2), ValueError, "axis 2 does not exist"),
        (lambda: spectral_norm_step(W[:, :0], u), ValueError, "must not be empty"),
        (lambda: spectral_norm_step(W[:0], u[:0]), ValueError, "must not be empty"),
        (lambda: spectral_norm_step(W, u, eps=-1.0), ValueError, "eps must be finite and not below zero"),
    ]:
        with pytest.raises(error, match=said):
            call()


@pytest.mark.parametrize(("layer", "axis"), [("Conv2d", 0), ("ConvTranspose2d", 1)])
@pytest.mark.parametrize("eps", [1e-12, 3.0])
def test_equals_torch_step_by_step(layer, axis, eps, torch):
    """Three forward passes in training: the weight that is used and the state that is stored."""
    layer = getattr(torch.nn, layer)(4, 3, 2).double()
    layer = torch.nn.utils.spectral_norm(layer, eps=eps)
    u = layer.weight_u.clone()
    for _ in range(3):
        layer(torch.zeros(1, 4, 5, 5, dtype=torch.float64))
        y, u = spectral_norm_step(layer.weight_orig.detach(), u, axis=axis, eps=eps)
        assert torch.allclose(y, layer.weight.detach(), rtol=1e-12)
        assert torch.allclose(u, layer.weight_u, rtol=1e-12)


def test_the_parametrization_of_torch_iterates_the_other_side(torch):
    """torch.nn.utils.parametrizations.spectral_norm takes u from the stored v first: a step on the transpose."""
    layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(6, 4).double())
    p = layer.parametrizations.weight
    p[0]._v.copy_(torch.randn(6))  # far from what its fifteen steps had reached
    u, v = p[0]._u.clone(), p[0]._v.clone()
    wanted = layer.weight.detach()
    y, v = spectral_norm_step(p.original.detach(), v, axis=1)
    assert torch.allclose(y, wanted, rtol=1e-12)
    assert torch.allclose(v, p[0]._v, rtol=1e-12)
    assert not torch.allclose(spectral_norm_step(p.original.detach(), u)[0], wanted, rtol=1e-9)
