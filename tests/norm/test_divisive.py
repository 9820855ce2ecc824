"""generalized_divisive_norm: numbers by hand, refusals, special values, and the layers of CompressAI written out."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import generalized_divisive_norm, generalized_divisive_norm_vjp

X, GAMMA, BETA = np.array([[3.0, 4.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([9.0, 16.0])
FORMS = [(i, s) for i in (False, True) for s in (False, True)]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [3 / 5, 4 / 5]),  # 9 + 16 either way
        ({"inverse": True}, [15.0, 20.0]),
        ({"simplified": True}, [3 / 13, 4 / 19]),  # 9 + 4, 16 + 3
        ({"simplified": True, "inverse": True}, [39.0, 76.0]),
    ],
)
def test_by_hand(options, wanted):
    assert np.allclose(generalized_divisive_norm(X, GAMMA, BETA, **options), [wanted], rtol=1e-15)


def test_a_row_of_the_weight_belongs_to_a_channel_of_the_answer():
    gamma = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert generalized_divisive_norm(X, gamma, BETA).tolist() == [[0.6, 1.0]]


def test_gradient_by_hand():
    """x / sqrt(1 + 3 x^2) at 1: slope 1/8; by the bias -1/16, by the weight the same times x^2."""
    one = np.ones((1, 1))
    dx, dw, db = generalized_divisive_norm_vjp(one, one, 3 * one, one[0])
    assert (dx.item(), dw.item(), db.item()) == (0.125, -0.0625, -0.0625)


def test_infinity_and_nan():
    x = np.array([[np.inf, 1.0], [np.nan, 1.0], [1.0, 1.0]])
    with np.errstate(all="ignore"):
        y = generalized_divisive_norm(x, np.ones((2, 2)), BETA)
    assert np.isnan(y[0, 0])
    assert y[0, 1] == 0
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[2]).all()


@pytest.mark.parametrize(("inverse", "simplified"), FORMS)
@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e140, 1e200])
def test_float64_neither_overflows_nor_vanishes(size, inverse, simplified):
    x, w = size * np.random.default_rng(0).normal(size=(3, 2, 4)), np.ones((2, 2))
    y = generalized_divisive_norm(x, w, np.ones(2), simplified=simplified)
    root = 1 + abs(x).sum(axis=1, keepdims=True) if simplified else np.hypot(1, np.hypot(x[:, :1], x[:, 1:]))
    assert np.allclose(y, x / root, rtol=1e-14, atol=0)
    grads = generalized_divisive_norm_vjp(x / size, x, w, np.ones(2), simplified=simplified)
    assert all(np.isfinite(g).all() for g in grads)


def test_refusals():
    x, w, b = np.ones((2, 3, 4), "float32"), np.ones((3, 3), "float32"), np.ones(3, "float32")
    for call, error, said in [
        (lambda: generalized_divisive_norm(x, w[:2], b), ValueError, r"weight must have shape \(3, 3\), got \(2, 3\)"),
        (lambda: generalized_divisive_norm(x, w, b[:2]), ValueError, r"bias must have shape \(3,\), got \(2,\)"),
        (lambda: generalized_divisive_norm(x, w, b, axis=3), ValueError, "channel axis 3"),
        (lambda: generalized_divisive_norm(x, w, b, axis=(1,)), TypeError, "axis must be one int"),
        (lambda: generalized_divisive_norm(x[:, :0], w[:0, :0], b[:0]), ValueError, "at least one channel"),
        (lambda: generalized_divisive_norm(x, w, None), TypeError, "bias must be an array, got None"),
        (lambda: generalized_divisive_norm(x, np.ones((3, 3), int), b), TypeError, "weight must hold"),
    ]:
        with pytest.raises(error, match=said):
            call()


@pytest.mark.parametrize(("inverse", "simplified"), FORMS)
def test_equals_the_layers_of_compressai(inverse, simplified, torch):
    """Written out: the convolution of GDN and GDN1 with effective parameters made of stored ones."""
    rng = np.random.default_rng(1)
    pedestal = 2.0**-36
    stored_beta, stored_gamma = (rng.normal(size=s) for s in (5, (5, 5)))
    beta = np.maximum(stored_beta, (1e-6 + pedestal) ** 0.5) ** 2 - pedestal
    gamma = np.maximum(stored_gamma, pedestal**0.5) ** 2 - pedestal
    x, c = rng.normal(size=(2, 2, 5, 3, 4))
    given = [torch.from_numpy(a).requires_grad_() for a in (x, gamma, beta)]
    t, w, b = given
    n = torch.nn.functional.conv2d(t.abs() if simplified else t**2, w[:, :, None, None], b)
    n = n if simplified else (n.sqrt() if inverse else n.rsqrt())
    y = t * n if inverse or not simplified else t / n
    name = "compressai_gdn1" if simplified else "compressai"
    options = refnorm.convention(name, "generalized_divisive_norm") | {"inverse": inverse}
    assert np.allclose(generalized_divisive_norm(x, gamma, beta, **options), y.detach().numpy(), rtol=1e-13)
    wanted = torch.autograd.grad(y, given, torch.from_numpy(c))
    for ours, theirs in zip(generalized_divisive_norm_vjp(c, x, gamma, beta, **options), wanted, strict=True):
        assert np.allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-12)
