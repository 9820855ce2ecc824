"""Ghost batch norm by hand, refusals, the moments of the whole, and the codes that cut or interleave their ghosts."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import (
    batch_moments,
    batch_norm_train,
    batch_norm_train_vjp,
    ghost_batch_norm_train,
    ghost_batch_norm_train_vjp,
    merge_moments,
)

X = np.array([[1.0], [3.0], [10.0], [30.0]])


def test_by_hand():
    """In a row 1, 3 and 10, 30; taking turns 1, 10 and 3, 30."""
    y, mean, var = ghost_batch_norm_train(X, np.array([2.0]), np.array([5.0]), groups=2, eps=0.0)
    assert y[:, 0].tolist() == [3, 7, 3, 7]
    assert mean[:, 0].tolist() == [2, 20]
    assert var[:, 0].tolist() == [1, 100]
    y, mean, var = ghost_batch_norm_train(X, groups=2, interleaved=True, eps=20.25)
    assert np.allclose(y[:, 0], [-(0.5**0.5), -13.5 / (13.5**2 + 20.25) ** 0.5, 0.5**0.5, 13.5 / 202.5**0.5])
    assert mean[:, 0].tolist() == [5.5, 16.5]
    assert var[:, 0].tolist() == [20.25, 182.25]


@pytest.mark.parametrize("interleaved", [False, True])
def test_ghosts_merged_are_the_whole(interleaved):
    x = np.random.default_rng(0).normal(3, 2, (12, 3, 5))
    _, mean, var = ghost_batch_norm_train(x, groups=4, interleaved=interleaved)
    whole = batch_moments(x)
    for got, wanted in zip(merge_moments(mean, var, np.full(4, 15)), whole[:2], strict=True):
        assert np.allclose(got, wanted, rtol=1e-14)
    assert not np.allclose(var.mean(axis=0), whole[1], rtol=1e-3)  # what TensorFlow moves its running variance by


def test_one_ghost_is_batch_norm():
    x = np.random.default_rng(1).normal(size=(6, 3, 5))
    y, mean, var = ghost_batch_norm_train(x, groups=1, eps=0.3)
    for got, wanted in zip((y, mean[0], var[0]), batch_norm_train(x, eps=0.3), strict=True):
        assert np.allclose(got, wanted, rtol=1e-13, atol=1e-15)


def test_the_gradient_is_that_of_every_ghost():
    rng = np.random.default_rng(6)
    x, g = rng.normal(size=(2, 6, 3, 5))
    weight, gmean, gvar = rng.normal(size=3), *rng.normal(size=(2, 2, 3))
    dx, dw, db = ghost_batch_norm_train_vjp((g, gmean, gvar), x, weight, weight, groups=2, eps=0.1)
    parts = [
        batch_norm_train_vjp((g[i : i + 3], gmean[i // 3], gvar[i // 3]), x[i : i + 3], weight, weight, eps=0.1)
        for i in (0, 3)
    ]
    assert np.allclose(dx, np.concatenate([p[0] for p in parts]), rtol=1e-12, atol=1e-13)
    assert np.allclose(dw, parts[0][1] + parts[1][1], rtol=1e-12)
    assert np.allclose(db, parts[0][2] + parts[1][2], rtol=1e-12)


def test_a_nan_stays_in_its_ghost():
    for bad in (np.nan, np.inf):
        x = np.random.default_rng(2).normal(size=(4, 2, 3))
        x[2, 1, 0] = bad
        with np.errstate(all="ignore"):
            y, mean, var = ghost_batch_norm_train(x, groups=2)
        assert np.isnan(y[2:, 1]).all()
        assert np.isfinite(y[:2]).all()
        assert np.isfinite(y[:, 0]).all()
        assert np.isnan(var[1, 1])
        assert np.array_equal(mean[1, 1], bad, equal_nan=True)


def test_refusals():
    for call, error, said in [
        (lambda: ghost_batch_norm_train(X, groups=3), ValueError, "groups must divide the samples, got 3 groups and 4"),
        (lambda: ghost_batch_norm_train(X, groups=0), ValueError, "groups must divide the samples"),
        (lambda: ghost_batch_norm_train(X, groups=2.0), TypeError, "groups must be an int, got 2.0"),
        (lambda: ghost_batch_norm_train(X, groups=2, interleaved=1), TypeError, "interleaved must be True or False"),
        (lambda: ghost_batch_norm_train(X, groups=2, axis=0), ValueError, "axis must not be the sample axis 0"),
        (lambda: ghost_batch_norm_train(X, np.ones(2), groups=2), ValueError, r"weight must have shape \(1,\)"),
        (lambda: ghost_batch_norm_train(X, groups=2, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (
            lambda: ghost_batch_norm_train_vjp((X, X, None), X, groups=2),
            ValueError,
            "cotangent of mean must have shape",
        ),
        (lambda: ghost_batch_norm_train_vjp(X, X, groups=2), TypeError, r"must be a tuple \(y, mean, var\)"),
        (lambda: ghost_batch_norm_train(X[:0], groups=2), ValueError, "at least one element"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_tabnet_cuts(torch):
    """x.chunk(ceil(N / virtual_batch_size)), each through one BatchNorm1d."""
    x = np.random.default_rng(3).normal(size=(12, 5))
    bn = torch.nn.BatchNorm1d(5, dtype=torch.float64)
    wanted = torch.cat([bn(part) for part in torch.from_numpy(x).chunk(3, 0)]).detach().numpy()
    got = ghost_batch_norm_train(x, groups=3, **refnorm.convention("tabnet", "ghost_batch_norm_train"))[0]
    assert np.allclose(got, wanted, rtol=1e-12, atol=1e-13)


def test_ghosts_folded_into_channels_interleave(torch):
    """input.view(-1, C * num_splits, H, W), as the fast CIFAR codes have it."""
    x = np.random.default_rng(4).normal(size=(6, 3, 2, 4))
    t = torch.from_numpy(x)
    wanted = torch.nn.functional.batch_norm(t.view(-1, 3 * 2, 2, 4), None, None, training=True).view(t.shape).numpy()
    how = refnorm.convention("cifar10-fast", "ghost_batch_norm_train")
    assert np.allclose(ghost_batch_norm_train(x, groups=2, **how)[0], wanted, rtol=1e-12, atol=1e-13)
    assert not np.allclose(ghost_batch_norm_train(x, groups=2)[0], wanted, rtol=0.1)


def test_tensorflow_interleaves():
    """reshape(x, [virtual_batch_size, -1, ...]), and no moments along the axis of the ghosts, written out in NumPy."""
    x = np.random.default_rng(5).normal(size=(6, 4, 3))
    expanded = x.reshape(3, -1, 4, 3)  # virtual_batch_size 3: two ghosts
    mean, var = (f(expanded, axis=(0, 2), keepdims=True) for f in (np.mean, np.var))
    wanted = ((expanded - mean) / np.sqrt(var + 1e-3)).reshape(x.shape)
    how = refnorm.convention("tf", "ghost_batch_norm_train")
    assert np.allclose(ghost_batch_norm_train(x, groups=2, **how)[0], wanted, rtol=1e-12, atol=1e-13)
