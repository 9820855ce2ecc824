"""weight_standardization by hand, refusals, special values, and the codes that put eps here or there."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import weight_standardization

W = np.array([[1.0, 3.0], [0.0, 8.0]])


def test_by_hand():
    """Rows of mean 2 and 4, deviation 1 and 4 (biased); of the whole mean 3 and variance 9.5."""
    assert weight_standardization(W, eps=0.0).tolist() == [[-1, 1], [-1, 1]]
    assert weight_standardization(W, eps=9.0)[1].tolist() == [-0.8, 0.8]
    assert weight_standardization(W, eps=1.0, eps_mode="deviation").tolist() == [[-0.5, 0.5], [-0.8, 0.8]]
    assert np.allclose(weight_standardization(W, correction=1, eps=0.0), [[-(0.5**0.5), 0.5**0.5]] * 2, rtol=1e-15)
    assert weight_standardization(W, axis=1, eps=6.0)[:, 1].tolist() == [-2.5 / 12.25**0.5, 2.5 / 12.25**0.5]
    assert np.allclose(weight_standardization(W, axis=None, eps=6.5), (W - 3) / 4, rtol=1e-15)
    assert weight_standardization(W, np.array([5.0, -2.0]), eps=9.0)[1].tolist() == [1.6, -1.6]
    assert np.allclose(weight_standardization(W, np.array(4.0), axis=None, eps=6.5), W - 3, rtol=1e-15)


def test_constant_slices_and_bad_values():
    x = np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 4.0]])
    assert not weight_standardization(x)[0].any()
    for bad in (np.nan, np.inf):
        x[0, 1] = bad
        with np.errstate(all="ignore"):
            y = weight_standardization(x)
        assert np.isnan(y[0]).all()
        assert np.isfinite(y[1]).all()
    with np.errstate(all="ignore"):
        assert np.isnan(weight_standardization(np.ones((1, 3)), eps=0.0)).all()


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("eps_mode", ["variance", "deviation"])
def test_neither_overflows_nor_vanishes(size, eps_mode):
    y = weight_standardization(size * W, eps=0.0, eps_mode=eps_mode)
    assert np.allclose(y, [[-1, 1], [-1, 1]], rtol=1e-14)


def test_refusals():
    for call, error, said in [
        (lambda: weight_standardization(W, W), ValueError, r"gains must have shape \(2,\), got \(2, 2\)"),
        (lambda: weight_standardization(W, correction=2), ValueError, r"correction must be in 0\.\.2"),
        (lambda: weight_standardization(W, correction=-1), ValueError, "correction must be in"),
        (lambda: weight_standardization(W, correction="1"), TypeError, "'<='"),
        (lambda: weight_standardization(W, eps_mode="std"), ValueError, "eps_mode must be 'variance' or 'deviation'"),
        (lambda: weight_standardization(W, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (lambda: weight_standardization(W, axis=2), ValueError, "axis 2 does not exist"),
        (lambda: weight_standardization(W, axis=0.5), TypeError, "axis must be one int"),
        (lambda: weight_standardization(W[:, :0]), ValueError, "must not be empty"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_released_code_and_big_transfer(torch):
    """The lines of both, on weights of the size that networks have, where the place of eps tells."""
    w = 0.02 * torch.randn(5, 3, 3, 3, dtype=torch.float64)
    c = w - w.mean(dim=1, keepdim=True).mean(dim=2, keepdim=True).mean(dim=3, keepdim=True)
    released = c / (c.view(5, -1).std(dim=1).view(-1, 1, 1, 1) + 1e-5)
    var, mean = torch.var_mean(w, dim=[1, 2, 3], keepdim=True, unbiased=False)
    transfer = (w - mean) / torch.sqrt(var + 1e-10)
    for framework, wanted in (("code", released), ("big_transfer", transfer)):
        got = weight_standardization(w, **refnorm.convention(framework, "weight_standardization"))
        assert torch.allclose(got, wanted, rtol=1e-12)
    assert not torch.allclose(weight_standardization(w, **refnorm.convention("paper", "weight_standardization")), got)


def test_batch_norm_of_filters_as_channels(torch):
    """How timm computes it: F.batch_norm of the weight as one sample of O channels, training=True."""
    w = torch.randn(5, 3, 3, 3, dtype=torch.float64)
    wanted = torch.nn.functional.batch_norm(w.reshape(1, 5, -1), None, None, training=True, eps=1e-3).reshape(w.shape)
    assert torch.allclose(weight_standardization(w, eps=1e-3), wanted, rtol=1e-12)


def test_vision_transformer_in_jax(jax):
    """kernel - mean, over std + 1e-5, with the outputs last."""
    jnp = jax.numpy
    w = np.random.default_rng(0).normal(size=(3, 3, 2, 5)).astype("float32")
    c = jnp.asarray(w) - jnp.mean(w, axis=(0, 1, 2))
    wanted = c / (jnp.std(c, axis=(0, 1, 2)) + 1e-5)
    how = refnorm.convention("vision_transformer", "weight_standardization")
    assert np.allclose(weight_standardization(w, **how), wanted, rtol=1e-4, atol=1e-5)
