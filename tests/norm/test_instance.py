"""Reversible instance norm by hand, there and back, refusals, and what released code computes."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import instance_norm, reversible_instance_denorm, reversible_instance_norm

NAN, INF = float("nan"), float("inf")
X = np.array([[[1.0, 10.0], [3.0, 10.0], [1.0, 10.0], [3.0, 10.0]]])


def test_by_hand():
    y, mean, std = reversible_instance_norm(X, eps=3.0)  # variance 1 and 0
    assert y[0, :, 0].tolist() == [-0.5, 0.5, -0.5, 0.5]
    assert y[0, :, 1].tolist() == [0.0] * 4
    assert mean.tolist() == [[[2.0, 10.0]]]
    assert np.allclose(std, [[[2.0, 3**0.5]]], rtol=1e-15)
    y, _, _ = reversible_instance_norm(X, np.array([4.0, 2.0]), np.array([1.0, -1.0]), eps=3.0)
    assert y[0].tolist() == [[-1.0, -1.0], [3.0, -1.0], [-1.0, -1.0], [3.0, -1.0]]


def test_back_by_hand():
    x, mean, std = np.array([[[7.0]]]), np.array([[[10.0]]]), np.array([[[2.0]]])
    assert reversible_instance_denorm(x, mean, std).item() == 24.0
    weight, bias = np.array([1.5]), np.array([1.0])
    assert reversible_instance_denorm(x, mean, std, weight, bias).item() == 18.0
    assert reversible_instance_denorm(x, mean, std, weight, bias, eps=0.5).item() == 16.0
    assert reversible_instance_denorm(x, mean, std, None, bias, eps=0.5).item() == 22.0  # no weight: eps is not read


def test_there_and_back():
    rng = np.random.default_rng(1)
    x = rng.normal(1e4, 3.0, (2, 5, 3, 4))
    weight, bias = rng.normal(size=(2, 4))
    y, mean, std = reversible_instance_norm(x, weight, bias)
    assert mean.shape == std.shape == (2, 1, 1, 4)
    assert np.allclose(reversible_instance_denorm(y, mean, std, weight, bias), x, rtol=1e-14)
    forecast = reversible_instance_denorm(y[:, :2], mean, std, weight, bias)
    assert np.allclose(forecast, x[:, :2], rtol=1e-14)
    code = refnorm.convention("code", "reversible_instance_denorm")
    off = reversible_instance_denorm(y, mean, std, weight, bias, **code) - x
    assert 1e-11 < np.max(np.abs(off)) < 1e-7


def test_special_values():
    x = np.stack([X[0], X[0], X[0]])
    x[0, 1, 0], x[1, 1, 1] = NAN, INF
    with np.errstate(all="ignore"):
        y, mean, std = reversible_instance_norm(x)
    assert np.isnan(y[0, :, 0]).all()
    assert np.isnan(y[1, :, 1]).all()
    assert np.isfinite(y[0, :, 1]).all()
    assert np.isfinite(y[2]).all()
    assert mean[1, 0, 1] == INF
    assert np.isnan(std[1, 0, 1])


def test_equals_instance_norm():
    x = np.random.default_rng(2).normal(size=(3, 7, 4))
    weight, bias = np.arange(1.0, 5.0), np.arange(4.0)
    y, _, _ = reversible_instance_norm(x, weight, bias, eps=0.5)
    assert np.allclose(y, instance_norm(x, weight, bias, axis=-1, eps=0.5), rtol=1e-13, atol=1e-15)


def test_refusals():
    x, one = np.ones((2, 5, 3)), np.ones((2, 1, 3))
    for call, error, said in [
        (lambda: reversible_instance_norm(x[0]), ValueError, r"x must have shape \(B, T, V\).*got \(5, 3\)"),
        (lambda: reversible_instance_norm(x[:, :0]), ValueError, "at least one element"),
        (lambda: reversible_instance_norm(x, np.ones(5)), ValueError, r"weight must have shape \(3,\)"),
        (lambda: reversible_instance_norm(x, None, np.ones(5)), ValueError, r"bias must have shape \(3,\)"),
        (lambda: reversible_instance_norm(x, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (lambda: reversible_instance_denorm(x, one[:, :, 0], one), ValueError, r"mean must have shape \(2, 1, 3\)"),
        (lambda: reversible_instance_denorm(x, one, x), ValueError, r"std must have shape \(2, 1, 3\)"),
        (lambda: reversible_instance_denorm(x, one, None), TypeError, "std must be an array, got None"),
        (lambda: reversible_instance_denorm(x, one, one, eps=INF), ValueError, "eps must be finite"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_gradients(torch, jax):
    rng = np.random.default_rng(3)
    given = [torch.from_numpy(rng.normal(size=s)).requires_grad_() for s in ((2, 4, 3), (3,), (3,))]
    assert torch.autograd.gradcheck(lambda *a: reversible_instance_norm(*a, eps=0.5), given)
    back = [torch.from_numpy(rng.gamma(2.0, size=s)).requires_grad_() for s in ((2, 4, 3), (2, 1, 3), (2, 1, 3), (3,))]
    assert torch.autograd.gradcheck(reversible_instance_denorm, back)
    with jax.enable_x64(True):
        x = given[0].detach().numpy()
        got = jax.jit(lambda v: reversible_instance_norm(v, eps=0.5))(jax.numpy.asarray(x))
    for theirs, ours in zip(got, reversible_instance_norm(x, eps=0.5), strict=True):
        assert np.allclose(theirs, ours, rtol=1e-13)


# ---- released code, in other words ----


def test_revin(torch):
    """The layer's arithmetic: statistics over all axes between the first and the last, eps squared on the way back."""
    rng = np.random.default_rng(4)
    x = torch.from_numpy(rng.normal(5.0, 2.0, (3, 8, 4)))
    weight, bias = torch.from_numpy(rng.normal(size=4)), torch.from_numpy(rng.normal(size=4))
    eps = refnorm.convention("code", "reversible_instance_norm")["eps"]
    mean = torch.mean(x, dim=1, keepdim=True)
    deviation = torch.sqrt(torch.var(x, dim=1, keepdim=True, correction=0) + eps)
    wanted = (x - mean) / deviation * weight + bias
    got = reversible_instance_norm(x, weight, bias, eps=eps)
    for ours, theirs in zip(got, (wanted, mean, deviation), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12)
    back = (wanted - bias) / (weight + eps * eps) * deviation + mean
    options = refnorm.convention("code", "reversible_instance_denorm")
    assert torch.allclose(
        reversible_instance_denorm(wanted, mean, deviation, weight, bias, **options), back, rtol=1e-14
    )
    unbiased = torch.sqrt(torch.var(x, dim=1, keepdim=True) + eps)
    assert not torch.allclose(got[2], unbiased, rtol=1e-3)
