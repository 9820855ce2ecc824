"""generalized_divisive_norm: numbers by hand, refusals, special values, and the layers of CompressAI written out."""

import numpy as np
import pytest

import refnorm
from refnorm._lanes import load
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


@pytest.mark.skipif(load("refnorm.norm.divisive") is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("size", [1.0, 1e-25, 1e25, 1e120])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((2, 3, 7, 11), 1), ((3, 5, 49), 1), ((70, 9), 1), ((9, 130), 0), ((2, 10, 14, 6), -1), ((1, 67, 101), 1),
     ((2, 1, 300), 1), ((5, 4, 2, 2), 1), ((1, 300, 60), 1), ((3, 2, 5, 4), 2)],
)  # fmt: skip
def test_lanes_agree(shape, axis, size):
    """On tiles of any width, whole and cut, and where the squares leave the range of float or of double."""
    rng = np.random.default_rng(3)
    n = shape[axis]
    for dtype, digits in (("float32", 1.2e-7), ("float64", 1e-13)):
        if size == 1e120 and dtype == "float32":
            continue
        x, g = ((size * rng.normal(size=shape)).astype(dtype) for _ in range(2))
        x[..., ::2] *= np.asarray(1e-3, dtype)
        g = (g / np.asarray(size, dtype)).astype(dtype)
        w, b = rng.uniform(size=(n, n)).astype(dtype), rng.uniform(0.5, 2.0, n).astype(dtype)
        for inverse, simplified in FORMS:
            options = {"axis": axis, "inverse": inverse, "simplified": simplified}
            both = []
            for lane in ("formula", "kernel"):
                with refnorm.lane(lane), np.errstate(all="ignore"):
                    y = generalized_divisive_norm(x, w, b, **options)
                    both.append((y, *generalized_divisive_norm_vjp(g, x, w, b, **options)))
            for name, one, other in zip(("y", "x", "w", "b"), *both, strict=True):
                finite = np.isfinite(one) & np.isfinite(other)
                assert np.array_equal(one[~finite], other[~finite], equal_nan=True), (name, options)
                scale = np.abs(one) if name == "y" else np.max(np.abs(one[finite]), initial=0)
                if name == "x":  # what cancels is measured by its larger part
                    scale = max(scale, np.max(np.abs(g * (both[0][0] / x))))
                off = np.abs(other[finite].astype("float64") - one[finite])
                room = digits * (scale[finite] if name == "y" else 4 * scale) + np.finfo(dtype).smallest_subnormal
                assert (off <= room).all(), (name, options, dtype)


@pytest.mark.skipif(load("refnorm.norm.divisive") is None, reason="no kernels are compiled here")
def test_a_site_that_is_no_number_harms_no_other():
    """A quick root that fails is taken again, with its whole block."""
    rng = np.random.default_rng(4)
    x, w, b = rng.normal(size=(1, 6, 200)).astype("f"), rng.uniform(size=(6, 6)).astype("f"), np.ones(6, "f")
    holes = x.copy()
    holes[0, 2, 17], holes[0, 3, 50], holes[0, 5, 51], holes[0, :, 52] = np.nan, np.inf, 3e38, 0
    with refnorm.lane("kernel"), np.errstate(all="ignore"):
        wanted, got = generalized_divisive_norm(x, w, b), generalized_divisive_norm(holes, w, b)
    with refnorm.lane("formula"), np.errstate(all="ignore"):
        formula = generalized_divisive_norm(holes, w, b)
    whole = np.delete(np.arange(200), [17, 50, 51, 52])
    assert np.allclose(got[..., whole], wanted[..., whole], rtol=1e-7, atol=0)
    assert np.allclose(got, formula, rtol=1e-7, atol=0, equal_nan=True)
    negative = generalized_divisive_norm(x, -w, b)
    with refnorm.lane("formula"), np.errstate(all="ignore"):
        assert np.array_equal(np.isnan(negative), np.isnan(generalized_divisive_norm(x, -w, b)))
