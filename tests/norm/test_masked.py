"""masked_batch_norm by hand, refusals, NaN, and torch's BatchNorm1d on the shown sites gathered, as SparK does it."""

import numpy as np
import pytest

from refnorm.norm import masked_batch_norm

X = np.array([[[1.0, 50.0, 3.0]], [[5.0, 7.0, 90.0]]])
MASK = np.array([[[True, False, True]], [[True, True, False]]])


def test_by_hand():
    """Shown are 1, 3, 5, 7: mean 4, variance 5."""
    y = masked_batch_norm(X, MASK, np.array([3.0]), np.array([2.0]), eps=4.0)
    assert np.allclose(y, [[[-1.0, 0.0, 1.0]], [[3.0, 5.0, 0.0]]], rtol=1e-15)


def test_what_is_hidden_harms_nothing():
    for bad in (np.nan, np.inf):
        x = X.copy()
        x[0, 0, 1] = bad
        with np.errstate(all="ignore"):
            assert np.array_equal(masked_batch_norm(x, MASK, eps=4.0), masked_batch_norm(X, MASK, eps=4.0))
            x[0, 0, 0] = bad
            y = masked_batch_norm(x, MASK, eps=4.0)
        assert np.array_equal(np.isnan(y), MASK)
    assert not masked_batch_norm(X, np.zeros_like(MASK), None, np.ones(1)).any()


def test_refusals():
    for call, error, said in [
        (lambda: masked_batch_norm(X, None), TypeError, "mask must be a boolean array of the library of x"),
        (lambda: masked_batch_norm(X, MASK * 1.0), TypeError, "mask must hold booleans, got float64"),
        (lambda: masked_batch_norm(X, MASK[:, :, :2]), ValueError, r"mask must have shape \(2, 1, 3\)"),
        (lambda: masked_batch_norm(X, MASK, np.ones(2)), ValueError, r"weight must have shape \(1,\)"),
        (lambda: masked_batch_norm(X, MASK, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (lambda: masked_batch_norm(X, MASK, axis=0), ValueError, "axis must not be the sample axis 0"),
        (lambda: masked_batch_norm(X[:, :, :0], MASK[:, :, :0]), ValueError, "at least one element"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_torch_on_the_gathered_sites(torch):
    rng = np.random.default_rng(0)
    x, mask = rng.normal(3, 2, (4, 3, 5, 6)), rng.random((4, 1, 5, 6)) < 0.3
    weight, bias = rng.normal(size=(2, 3))
    t = torch.from_numpy(np.moveaxis(x, 1, -1)[mask[:, 0]])
    wanted = torch.nn.functional.batch_norm(
        t, None, None, torch.from_numpy(weight), torch.from_numpy(bias), training=True, eps=0.2
    )
    got = masked_batch_norm(x, mask, weight, bias, eps=0.2)
    assert np.allclose(np.moveaxis(got, 1, -1)[mask[:, 0]], wanted.numpy(), rtol=1e-13, atol=1e-13)
    assert not np.moveaxis(got, 1, -1)[~mask[:, 0]].any()
