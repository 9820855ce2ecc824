"""Masked means by hand, refusals, NaN, numpy.average, and the pooling of others under their conventions."""

import numpy as np
import pytest

import refnorm
from refnorm.pool import adaptive_avg_pool, confidence_grid_pool, masked_avg_pool, masked_avg_pool_vjp

X = np.array([[[1.0, 10.0], [5.0, 20.0], [9.0, 60.0]]])
MASK = np.array([[[True], [False], [True]]])


def test_by_hand():
    assert np.array_equal(masked_avg_pool(X, MASK, axis=1), [[5.0, 35.0]])
    assert np.array_equal(masked_avg_pool(X, MASK, axis=1, eps=3.0), [[2.0, 14.0]])
    assert np.array_equal(masked_avg_pool(X, MASK, axis=1, eps=5.0, eps_mode="max"), [[2.0, 14.0]])
    assert np.array_equal(masked_avg_pool(X, MASK, axis=1, eps=1.0, eps_mode="max"), [[5.0, 35.0]])
    weights = np.array([[[0.25], [0.5], [0.25]]])
    assert np.array_equal(masked_avg_pool(X, weights, axis=1), [[5.0, 27.5]])


def test_gradient_by_hand():
    """y = 27.5 for the second column under these weights, s = 1: dm = x - y summed over both columns."""
    weights = np.array([[[0.25], [0.5], [0.25]]])
    dx, dm = masked_avg_pool_vjp(np.array([[1.0, 2.0]]), X, weights, axis=1)
    assert np.array_equal(dx, weights * [1.0, 2.0])
    assert np.array_equal(dm, [[[-4.0 - 35.0], [-15.0], [4.0 + 65.0]]])
    dx, dm = masked_avg_pool_vjp(np.array([[1.0, 2.0]]), X, weights, axis=1, eps=2.0, eps_mode="max")
    assert np.array_equal(dx, weights * [0.5, 1.0])
    assert np.array_equal(dm, [[[10.5], [22.5], [64.5]]])
    assert masked_avg_pool_vjp(np.array([[1.0, 2.0]]), X, MASK, axis=1)[1] is None


def test_what_is_hidden_harms_nothing():
    x = X.copy()
    x[0, 1] = np.nan, np.inf
    for mask in (MASK, MASK * 1.0):
        assert np.array_equal(masked_avg_pool(x, mask, axis=1), [[5.0, 35.0]])
    with np.errstate(all="ignore"):
        assert np.isnan(masked_avg_pool(x, ~MASK & MASK, axis=1)).all()
    assert not masked_avg_pool(x, ~MASK & MASK, axis=1, eps=1e-9).any()


def test_refusals():
    for call, error, said in [
        (lambda: masked_avg_pool(X, None, axis=1), TypeError, "mask must be a boolean array"),
        (lambda: masked_avg_pool(X, [True], axis=1), TypeError, "mask must be an array"),
        (lambda: masked_avg_pool(X, np.ones((1, 3, 1), int), axis=1), TypeError, "mask must hold booleans, got int64"),
        (
            lambda: masked_avg_pool(X, MASK[..., 0], axis=1),
            ValueError,
            r"mask must have shape \(1, 3, 2\)",
        ),
        (lambda: masked_avg_pool(X, MASK[:, :1], axis=1), ValueError, r"mask must have shape \(1, 3, 1\)"),
        (lambda: masked_avg_pool(X, MASK * 1.0, axis=()), ValueError, "axis must name each axis once"),
        (lambda: masked_avg_pool(X, MASK, axis=1, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (lambda: masked_avg_pool(X, MASK, axis=1, eps_mode="sum"), ValueError, "eps_mode must be 'add' or 'max'"),
        (lambda: masked_avg_pool(X[:, :0], MASK[:, :0], axis=1), ValueError, "must not be empty"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_numpy_average():
    rng = np.random.default_rng(0)
    x, m = rng.normal(size=(4, 5, 6)), rng.random((4, 5, 6))
    np.testing.assert_allclose(masked_avg_pool(x, m, axis=(0, 2)), np.average(x, axis=(0, 2), weights=m), rtol=1e-14)
    shown = m > 0.5
    wanted = np.ma.mean(np.ma.array(x, mask=~shown), axis=1)
    np.testing.assert_allclose(masked_avg_pool(x, shown, axis=1), wanted, rtol=1e-14)


def test_sentence_transformers_as_it_is_written(torch):
    """Its mean pooling in torch, an empty row among the others."""
    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(3, 7, 4)), rng.random((3, 7)) < 0.5
    mask[1] = False
    t, m = torch.from_numpy(x), torch.from_numpy(mask)[..., None].double()
    wanted = (t * m).sum(1) / m.sum(1).clamp(min=1e-9)
    how = refnorm.convention("sentence-transformers", "masked_avg_pool")
    np.testing.assert_allclose(masked_avg_pool(x, mask[..., None], axis=1, **how), wanted.numpy(), rtol=1e-14)


def test_autograd(torch):
    rng = np.random.default_rng(2)
    x, m, g = rng.normal(size=(3, 7, 4)), rng.random((3, 7, 1)), rng.normal(size=(3, 4))
    t, w = torch.from_numpy(x).requires_grad_(), torch.from_numpy(m).requires_grad_()
    y = (t * w).sum(1) / (w.sum(1) + 0.3)
    wanted = torch.autograd.grad(y, (t, w), torch.from_numpy(g))
    for got, want in zip(masked_avg_pool_vjp(g, x, m, axis=1, eps=0.3), wanted, strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-12, atol=1e-14)


# ---- by the cells of a grid ----


def test_cells_by_hand():
    x, c = np.array([[[1.0, 5.0, 7.0, np.nan]]]), np.array([[[0.5, 0.5, 1.0, 0.0]]])
    y, share = confidence_grid_pool(x, c, output_size=2)
    assert (y.tolist(), share.tolist()) == ([[[3.0, 7.0]]], [[[0.5, 0.5]]])
    assert confidence_grid_pool(x, c, output_size=2, average=False)[0].tolist() == [[[1.5, 3.5]]]
    assert confidence_grid_pool(x, c, output_size=2, eps=0.5)[0].tolist() == [[[1.5, 3.5]]]


def test_cells_as_the_released_code_has_them(torch):
    """CDCLoss: adaptive means of the weighed features and of the weights, normalized to length 1 afterwards."""
    rng = np.random.default_rng(3)
    x, c = torch.from_numpy(rng.normal(size=(2, 4, 9, 10))), torch.from_numpy(rng.random((2, 1, 9, 10)))
    wanted = torch.nn.functional.adaptive_avg_pool2d(c * x, 7)
    y, share = confidence_grid_pool(x, c, output_size=7, **refnorm.convention("cma", "confidence_grid_pool"))
    torch.testing.assert_close(y, wanted, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(share, adaptive_avg_pool(c, output_size=7), rtol=1e-12, atol=0)
    other, _ = confidence_grid_pool(x, c, output_size=7)
    unit = torch.nn.functional.normalize
    torch.testing.assert_close(unit(other, dim=1), unit(wanted, dim=1), rtol=1e-11, atol=1e-12)


def test_cells_refuse():
    x, c = np.ones((1, 2, 4)), np.ones((1, 1, 4))
    for call, error, said in [
        (lambda: confidence_grid_pool(x, x, output_size=2), ValueError, "confidence must have shape"),
        (lambda: confidence_grid_pool(x, c, output_size=2, average=1), TypeError, "average must be True or False"),
        (lambda: confidence_grid_pool(x, c, output_size=2, eps=-1.0), ValueError, "eps must be finite"),
        (lambda: confidence_grid_pool(x, c, output_size=(2, 2)), ValueError, "output_size must have one entry"),
    ]:
        with pytest.raises(error, match=said):
            call()
