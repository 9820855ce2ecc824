"""Weights and class weights: numbers by hand, refusals, special values, and torch's parametrization."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import class_norm_realign, weight_norm, weight_norm_vjp

LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])
V = np.array([[3.0, 4.0], [0.0, 2.0]])


@LANES
def test_by_hand(lane):
    """Rows of length 5 and 2, columns of length 3 and the root of 20, 29 in all."""
    g = np.array([10.0, 1.0])
    with refnorm.lane(lane):
        assert np.allclose(weight_norm(V, g), [[6.0, 8.0], [0.0, 1.0]], rtol=1e-15)
        assert np.allclose(weight_norm(V, g, eps=3.0), [[3.75, 5.0], [0.0, 0.4]], rtol=1e-15)
        assert np.allclose(weight_norm(V, g, axis=1), [[10.0, 4 / 20**0.5], [0.0, 2 / 20**0.5]], rtol=1e-15)
        assert np.allclose(weight_norm(V, np.array(2.0), axis=None), 2 * V / 29**0.5, rtol=1e-15)
        assert weight_norm(V[0], g).tolist() == [10.0, 1.0]  # slices of one element: a sign


@LANES
def test_gradient_by_hand(lane):
    """u = (0.6, 0.8), <c, u> = 0.6: 2/5 (c - 0.6 u)."""
    with refnorm.lane(lane):
        dx, dg = weight_norm_vjp(np.array([[1.0, 0.0]]), V[:1], np.array([2.0]))
        assert np.allclose(dx, [[0.256, -0.192]], rtol=1e-15)
        assert np.allclose(dg, [0.6], rtol=1e-15)
        dx, dg = weight_norm_vjp(V, V, None, axis=None)
        assert dg is None
        assert np.allclose(dx, 0, atol=1e-16)  # no part along x


@LANES
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_slice_of_zeros(lane, dtype):
    x, g, c = np.zeros((2, 5), dtype), np.full(2, 3, dtype), np.ones((2, 5), dtype)
    x[1] = 1
    with refnorm.lane(lane), np.errstate(all="ignore"):
        assert np.isnan(weight_norm(x, g)[0]).all()
        assert np.isfinite(weight_norm(x, g)[1]).all()
        assert np.array_equal(weight_norm(x, g, eps=0.5)[0], x[0])
        dx, dg = weight_norm_vjp(c, x, g, eps=0.5)
        assert np.array_equal(dx[0], np.full(5, 6, dtype))
        assert dg[0] == 0
        assert np.isnan(weight_norm_vjp(c, x, g)[0][0]).all()


@LANES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_stay_in_their_slice(lane, dtype):
    x = np.random.default_rng(0).normal(size=(3, 41)).astype(dtype)
    for bad in (np.nan, np.inf):
        x[1, 4] = bad
        with refnorm.lane(lane), np.errstate(all="ignore"):
            y = weight_norm(x, np.ones(3, dtype))
        assert np.isfinite(y[[0, 2]]).all()
        assert np.isnan(y[1, 4])
        others = np.delete(y[1], 4)
        assert np.isnan(others).all() if np.isnan(bad) else (others == 0).all()


@LANES
@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("axis", [0, 1])
def test_float64_neither_overflows_nor_vanishes(lane, size, axis):
    x = size * np.random.default_rng(1).uniform(0.2, 1.0, (5, 4))
    with refnorm.lane(lane):
        y = weight_norm(x, axis=axis)
        dx, _ = weight_norm_vjp(np.ones_like(x), x, axis=axis, eps=size)
    assert np.allclose((y * y).sum(axis=1 - axis), 1, rtol=1e-15)
    assert np.isfinite(dx).all() or size < 1e-300


@LANES
def test_refusals(lane):
    x = np.ones((2, 3), "float32")
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: weight_norm(x, x[0]), ValueError, r"gains must have shape \(2,\), got \(3,\)"),
            (lambda: weight_norm(x, x[:, :1]), ValueError, r"gains must have shape \(2,\), got \(2, 1\)"),
            (lambda: weight_norm(x, x[:1, 0], axis=None), ValueError, r"gains must have shape \(\), got \(1,\)"),
            (lambda: weight_norm(x, axis=2), ValueError, "axis 2 does not exist in an array of 2 axes"),
            (lambda: weight_norm(x, axis=-3), ValueError, "axis -3 does not exist"),
            (lambda: weight_norm(x, axis=(0,)), TypeError, r"axis must be one int.*got \(0,\)"),
            (lambda: weight_norm(x[:, :0]), ValueError, "must not be empty"),
            (lambda: weight_norm(x[:0], axis=None), ValueError, "must not be empty"),
            (lambda: weight_norm(x[0, 0, ...]), ValueError, "does not exist"),
            (lambda: weight_norm(x, eps=-1.0), ValueError, "eps must be finite and not below zero"),
            (lambda: weight_norm(x, np.arange(2)), TypeError, "weight_norm: gains must hold"),
        ]:
            with pytest.raises(error, match=said):
                call()


@pytest.mark.parametrize("dim", [0, 1, 2, None])
def test_equals_the_parametrization_of_torch(dim, torch):
    rng = np.random.default_rng(2)
    layer = torch.nn.Conv1d(5, 3, 4).double()
    torch.nn.utils.parametrizations.weight_norm(layer, dim=dim)
    p = layer.parametrizations.weight
    with torch.no_grad():
        p.original0.copy_(torch.from_numpy(rng.normal(size=p.original0.shape)))
    v, g = p.original1.detach().numpy(), p.original0.detach().numpy()
    gains = g.reshape(()) if dim is None else g.reshape(-1)
    assert np.allclose(weight_norm(v, gains, axis=dim), layer.weight.detach().numpy(), rtol=1e-14)
    c = rng.normal(size=v.shape)
    wanted_g, wanted_v = torch.autograd.grad(layer.weight, [p.original0, p.original1], torch.from_numpy(c))
    dx, dg = weight_norm_vjp(c, v, gains, axis=dim)
    assert np.allclose(dx, wanted_v.numpy(), rtol=1e-11, atol=1e-13)
    assert np.allclose(dg, wanted_g.numpy().reshape(dg.shape), rtol=1e-12)


def test_the_last_axis_of_torch_is_the_whole(torch):
    v, g = np.random.default_rng(3).normal(size=(4, 3)), np.array(2.0)
    wanted = torch._weight_norm(torch.from_numpy(v), torch.from_numpy(g), -1).numpy()
    assert np.allclose(weight_norm(v, g, axis=None), wanted, rtol=1e-14)
    assert not np.allclose(weight_norm(v, np.full(3, 2.0), axis=-1), wanted, rtol=0.1)


def test_decomposition_of_gradnormlorp():
    """Its m is the norm plus 1e-12, its V the weight over it: m V gives the weight back."""
    w = np.random.default_rng(4).normal(size=(4, 6))
    m = np.sqrt((w * w).sum(axis=1, keepdims=True)) + 1e-12
    v = weight_norm(w, **refnorm.convention("gradnormlorp", "weight_norm"))
    assert np.allclose(m * v, w, rtol=1e-14)


# ---- class weights ----


def test_realign_by_hand():
    """Rows of length 5 and 2, others of length 10 and 1."""
    other = np.array([[6.0, 8.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.allclose(class_norm_realign(V, scale=1.7), [[1.02, 1.36], [0.0, 1.7]], rtol=1e-15)
    assert np.allclose(class_norm_realign(V, other), [[6.0, 8.0], [0.0, 1.0]], rtol=1e-15)
    assert np.allclose(class_norm_realign(V, other, tau=0.0, scale=0.5), [[15.0, 20.0], [0.0, 1.0]], rtol=1e-15)
    assert np.allclose(class_norm_realign(V, tau=2.0), [[0.12, 0.16], [0.0, 0.5]], rtol=1e-15)


def test_realign_as_fedloge_does(torch):
    """Their lines: the rows of the head over torch.norm(dim=1), times 1.7; and times the norms of the client's rows."""
    w, local = torch.randn(2, 7, 5, dtype=torch.float64)
    norms = torch.norm(w, dim=1)
    wanted = torch.stack([1.7 * w[k] / norms[k] for k in range(7)])
    how = refnorm.convention("code, global", "class_norm_realign")
    assert torch.allclose(class_norm_realign(w, **how), wanted, rtol=1e-14)
    wanted = torch.stack([w[k] * torch.norm(local, dim=1)[k] for k in range(7)])
    how = refnorm.convention("code, personal", "class_norm_realign")
    assert torch.allclose(class_norm_realign(w, local, **how), wanted, rtol=1e-14)


def test_realign_zeros_and_infinities():
    x = np.array([[0.0, 0.0], [np.inf, 1.0], [3.0, 4.0]])
    with np.errstate(all="ignore"):
        y = class_norm_realign(x)
        assert np.isnan(y[0]).all()
        assert np.isnan(y[1, 0])
        assert y[1, 1] == 0
        assert np.allclose(y[2], [0.6, 0.8])
        assert np.array_equal(class_norm_realign(x, tau=0.0), x)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_realign_neither_overflows_nor_vanishes(size):
    y = class_norm_realign(size * V, size * V[::-1])
    assert np.allclose(y / size, [[1.2, 1.6], [0.0, 5.0]], rtol=1e-14)


def test_realign_refusals():
    for call, error, said in [
        (lambda: class_norm_realign(V[0]), ValueError, "x must have a row that is not empty for each class"),
        (lambda: class_norm_realign(V[:, :0]), ValueError, r"x must have a row.*got \(2, 0\)"),
        (lambda: class_norm_realign(V, V[:1]), ValueError, r"other must have a row.*got \(1, 2\)"),
        (lambda: class_norm_realign(V, tau=np.inf), ValueError, "tau must be finite, got inf"),
        (lambda: class_norm_realign(V, scale=np.nan), ValueError, "scale must be finite, got nan"),
        (lambda: class_norm_realign(V, scale="2"), TypeError, "real number"),
    ]:
        with pytest.raises(error, match=said):
            call()
