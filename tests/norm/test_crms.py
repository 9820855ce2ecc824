"""crms_norm and compress_zero_mean by hand, at their edges, and against the RMS norm of the whole vector."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import compress_zero_mean, crms_norm, crms_norm_vjp, layer_norm, rms_norm


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_by_hand(lane):
    """(3, 1, 0, -4) has the mean square 6.5; with eps = 2.5 the root is 3."""
    x = np.array([[3.0, 1.0, 0.0]])
    with refnorm.lane(lane):
        assert crms_norm(x, eps=2.5).tolist() == [[1.0, 1 / 3, 0.0]]
        assert np.allclose(crms_norm(x, eps=0.0), x / 6.5**0.5, rtol=1e-15)
        assert crms_norm(np.zeros((1, 3))).tolist() == [[0.0, 0.0, 0.0]]
        assert np.isnan(crms_norm(np.zeros((1, 3)), eps=0.0)).all()


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_equals_the_rms_norm_and_the_layer_norm_of_the_whole(lane):
    x = np.random.default_rng(1).normal(3.0, 1.0, (5, 9))
    short = compress_zero_mean(x - x.mean(axis=1, keepdims=True))
    with refnorm.lane(lane):
        got = crms_norm(short, eps=0.3)
    assert np.allclose(got, rms_norm(compress_zero_mean(short, inverse=True), eps=0.3)[:, :-1], rtol=1e-14)
    assert np.allclose(compress_zero_mean(got, inverse=True), layer_norm(x, eps=0.3), rtol=1e-13)
    assert not np.allclose(got, rms_norm(short, eps=0.3), rtol=1e-3)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 4e307])
def test_squares_and_sums_neither_overflow_nor_vanish(lane, scale):
    x = np.array([[3.0, 1.0, 2.0]])
    with refnorm.lane(lane):
        wanted = crms_norm(x, eps=0.0)
        assert np.allclose(crms_norm(x * scale, eps=0.0), wanted, rtol=1e-15, atol=0)
        assert np.allclose(
            crms_norm(x * scale, eps=1e-6), wanted if scale > 1 else x * scale / 1e-3, rtol=1e-15, atol=0
        )


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_infinities(lane):
    with refnorm.lane(lane), np.errstate(all="ignore"):
        y = crms_norm(np.array([[1.0, np.inf, -2.0], [np.inf, -np.inf, 0.0]], dtype="float32"))
    assert np.isnan(y).tolist() == [[False, True, False], [True, True, True]]
    assert y[0, 0] == y[0, 2] == 0


def test_refusals():
    x = np.ones((2, 3), "float32")
    for call, error, said in [
        (lambda: crms_norm(np.ones((2, 0))), ValueError, "must not be empty"),
        (lambda: crms_norm(x, eps=-1.0), ValueError, "eps must be finite"),
        (lambda: crms_norm(x, axis=2), ValueError, "axis 2 does not exist"),
        (lambda: compress_zero_mean(x[:, :1]), ValueError, "at least two entries"),
        (lambda: compress_zero_mean(x, axis=(0,)), TypeError, "axis must be one int"),
        (lambda: compress_zero_mean(x, inverse=1), TypeError, "inverse must be True or False, got 1"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_infinity_is_put_back():
    assert compress_zero_mean(np.array([np.inf, 1.0]), inverse=True).tolist() == [np.inf, 1.0, -np.inf]
    assert np.isnan(compress_zero_mean(np.array([np.inf, -np.inf]), inverse=True)[2])


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_gradient_by_hand(lane):
    """The root is 3, the sum 4, the tilt 1/4: (1, 0, 0) - (7, 5, 4) / 12, over 3."""
    x = np.array([[3.0, 1.0, 0.0]])
    with refnorm.lane(lane):
        dx = crms_norm_vjp(np.array([[1.0, 0.0, 0.0]]), x, eps=2.5)
    assert np.allclose(dx, [[5 / 36, -5 / 36, -4 / 36]], rtol=1e-15)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("n", [1, 3, 37, 1030])
def test_gradient_equals_torch(torch, lane, n):
    rng = np.random.default_rng(5)
    x, g = rng.normal(0.5, 1.0, (4, n)), rng.normal(size=(4, n))
    t = torch.from_numpy(x).requires_grad_()
    q = ((t * t).sum(-1, keepdim=True) + t.sum(-1, keepdim=True) ** 2) / (n + 1)
    (t / (q + 0.3).sqrt()).backward(torch.from_numpy(g))
    wanted = t.grad.numpy()
    with refnorm.lane(lane):
        assert np.allclose(crms_norm_vjp(g, x, eps=0.3), wanted, rtol=1e-12, atol=1e-13)
        back = crms_norm_vjp(g[:, ::-1].astype("f")[:, ::-1], x.astype("f"), eps=0.3)
        assert np.allclose(back, wanted, rtol=1e-5, atol=1e-6)
        inside = crms_norm_vjp(np.ascontiguousarray(g.T), np.ascontiguousarray(x.T), axis=0, eps=0.3)
        assert np.allclose(inside.T, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("scale", [1e-200, 1e200, 2e307])
def test_gradient_is_of_the_inverse_scale(lane, scale):
    x, g = np.array([[3.0, 1.0, 2.0]]), np.array([[1.0, -2.0, 0.5]])
    with refnorm.lane(lane):
        wanted = crms_norm_vjp(g, x, eps=0.0)
        assert np.allclose(crms_norm_vjp(g, x * scale, eps=0.0) * scale, wanted, rtol=1e-14, atol=0)
