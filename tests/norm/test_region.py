"""region_norm by hand, refusals, NaN, and the released code's way of computing it with torch."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import batch_norm_train, instance_norm, region_norm, region_norm_vjp

X = np.array([[[1.0, 10.0, 3.0, 30.0]], [[5.0, 50.0, 7.0, 70.0]]])
MASK = np.array([[[False, True, False, True]], [[False, True, False, True]]])


def test_by_hand():
    """Outside 1, 3, 5, 7: mean 4, variance 5. Inside ten times as much: mean 40, variance 500."""
    y = region_norm(X, MASK, eps=4.0)  # the roots are 3 and sqrt(504)
    assert np.allclose(y[:, 0, ::2], [[-1, -1 / 3], [1 / 3, 1]], rtol=1e-15)
    assert np.allclose(y[:, 0, 1::2], np.array([[-30, -10], [10, 30]]) / 504**0.5, rtol=1e-15)
    alone = region_norm(X, MASK, per_sample=True, eps=0.0)
    assert np.allclose(alone, [[[-1, -1, 1, 1]]] * 2, rtol=1e-15)


def test_parameters_by_hand():
    weight, bias = np.array([[2.0], [3.0]]), np.array([[0.5], [8.0]])
    y = region_norm(X, MASK, weight, bias, per_sample=True, eps=0.0)
    assert np.allclose(y, [[[-1.5, 5.0, 2.5, 11.0]]] * 2, rtol=1e-15)
    leaking = region_norm(X, MASK, weight, bias, per_sample=True, eps=0.0, leak_bias=True)
    assert np.allclose(leaking, [[[6.5, 5.5, 10.5, 11.5]]] * 2, rtol=1e-15)


def test_eps_of_the_plane_is_greater_for_a_small_region():
    x, mask = np.array([[[1.0, 3.0, 8.0, 8.0]]]), np.array([[[True, True, False, False]]])
    assert np.allclose(region_norm(x, mask, eps=3.0)[0, 0, :2], [-0.5, 0.5])
    assert np.allclose(region_norm(x, mask, eps=4.0, eps_mode="plane")[0, 0, :2], [-1 / 3, 1 / 3])  # 1 + 4 * 4 / 2


@pytest.mark.parametrize("lane", ["formula", "auto"])
def test_what_lies_in_one_region_stays_there(lane):
    for bad in (np.nan, np.inf):
        x = X.copy()
        x[0, 0, 1] = bad
        with refnorm.lane(lane), np.errstate(all="ignore"):
            y = region_norm(x, MASK, eps=4.0)
        assert np.isnan(y[MASK]).all()
        assert np.array_equal(y[~MASK], region_norm(X, MASK, eps=4.0)[~MASK])


@pytest.mark.parametrize("lane", ["formula", "auto"])
def test_a_region_may_be_empty_or_constant(lane):
    with refnorm.lane(lane):
        for region in (np.ones_like(MASK), np.zeros_like(MASK)):
            whole = region_norm(X, region, eps=0.5)
            assert np.allclose(whole, batch_norm_train(X, eps=0.5)[0], rtol=1e-14)
            alone = region_norm(X, region, per_sample=True, eps=0.5)
            assert np.allclose(alone, instance_norm(X, eps=0.5), rtol=1e-14)
        constant = region_norm(np.where(MASK, 0.1, X).astype("float32"), MASK)
        assert not constant[MASK].any()


def test_refusals():
    for call, error, said in [
        (lambda: region_norm(X, None), TypeError, "mask must be a boolean array of the library of x, got NoneType"),
        (lambda: region_norm(X, MASK.astype(float)), TypeError, "mask must hold booleans, got float64"),
        (lambda: region_norm(X, MASK[:1]), ValueError, r"mask must have shape \(2, 1, 4\), got \(1, 1, 4\)"),
        (lambda: region_norm(X, MASK, np.ones(1)), ValueError, r"weight must have shape \(2, 1\)"),
        (lambda: region_norm(X, MASK, None, np.ones((1, 2))), ValueError, r"bias must have shape \(2, 1\)"),
        (lambda: region_norm(X, MASK, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (lambda: region_norm(X, MASK, eps_mode="code"), ValueError, "eps_mode must be 'region' or 'plane'"),
        (lambda: region_norm(X, MASK, axis=0), ValueError, "axis must not be the sample axis 0"),
        (lambda: region_norm(X, MASK, axis=(1, 2)), TypeError, "axis must be one int"),
        (lambda: region_norm(X[:, :, :0], MASK[:, :, :0]), ValueError, "at least one element"),
        (lambda: region_norm_vjp(X[:1], X, MASK), ValueError, "cotangent must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_torch_as_the_code_does_it(torch):
    """Fill the other region with the mean, take batch norm of the whole, multiply by sqrt(S / N)."""
    rng = np.random.default_rng(0)
    x, mask = rng.normal(3, 2, (4, 3, 5, 6)), rng.random((4, 1, 5, 6)) < 0.3
    weight, bias = rng.normal(size=(2, 2, 3))
    t, wanted = torch.from_numpy(x).requires_grad_(), 0
    for r in (0, 1):
        m = torch.from_numpy(mask == bool(r)).double()
        count = m.sum()
        mean = (t * m).sum((0, 2, 3), keepdim=True) / count
        filled = t * m + mean * (1 - m)
        z = torch.nn.functional.batch_norm(filled, None, None, training=True, eps=0.2) * torch.sqrt(count / m.numel())
        wanted = wanted + z * m * torch.from_numpy(weight[r])[:, None, None] + torch.from_numpy(bias[r])[:, None, None]
    how = refnorm.convention("code", "region_norm")
    got = region_norm(x, mask, weight, bias, eps=0.2, **how)
    assert np.allclose(got, wanted.detach().numpy(), rtol=1e-13, atol=1e-13)
    assert not np.allclose(got, region_norm(x, mask, weight, bias, eps=0.2), atol=1e-2)
    g = rng.normal(size=x.shape)
    wanted.backward(torch.from_numpy(g))
    dx, none, *_ = region_norm_vjp(g, x, mask, weight, bias, eps=0.2, **how)
    assert none is None
    assert np.allclose(dx, t.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_large_planes_are_the_small_ones_side_by_side():
    """Above 32 MB of data and answer a kernel writes past the caches, in whole lines where they begin on one."""
    rng = np.random.default_rng(6)
    x = rng.normal(3.0, 1.0, (2, 9, 521, 512)).astype("float32")
    x[:, 4] *= 1e-3
    mask = rng.random((2, 1, 521, 512)) < 0.3
    wanted = np.concatenate([region_norm(x[:, c : c + 1], mask) for c in range(9)], axis=1)
    assert np.array_equal(region_norm(x, mask), wanted)
    out = np.empty(x.size + 1, "float32")[1:].reshape(x.shape)
    assert np.array_equal(region_norm(x, mask, out=out), wanted)
