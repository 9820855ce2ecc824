"""Norms of shown sites by hand, refusals, NaN, and the codes of SparK (on gathered sites) and UniDepth."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import masked_batch_norm, scale_shift_normalize

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


# ---- outliers left out ----

MAP = np.array([[1.0, 3.0, 1.0, 3.0, 90.0, 7.0]])
ON = np.array([[True, True, True, True, True, False]])


def test_outliers_by_hand():
    """Shown: mean 19.6, deviation 35.2, 90 is 2 of them away. What is left has mean 2 and variance 1."""
    y, z, left = scale_shift_normalize(MAP, 10 * MAP, ON, eps=3.0)
    assert left.tolist() == [[True, True, True, True, False, False]]
    assert np.allclose(y, (MAP - 2) / 2, rtol=1e-15)
    assert np.allclose(z, (10 * MAP - 20) / 103**0.5, rtol=1e-15)
    y, _, left = scale_shift_normalize(MAP, 10 * MAP, ON, threshold=2.1, eps=0.0)
    assert np.array_equal(left, ON)
    assert np.allclose(y, (MAP - 19.6) / 1239.84**0.5, rtol=1e-15)
    _, _, left = scale_shift_normalize(MAP, MAP, ON, threshold=0.5, floor=40.0**2)  # nearer than 20
    assert left.tolist() == [[True, True, True, True, False, False]]


def test_one_map_is_enough_to_leave_a_site_out():
    other = np.array([[1.0, 1.0, 2.0, 2.0, 1.0, -9.0]])
    left = scale_shift_normalize(MAP, other, ON)[2]
    assert left.tolist() == [[True, True, True, True, False, False]]
    assert np.array_equal(left, scale_shift_normalize(other, MAP, ON)[2])


def test_nothing_shown_and_bad_values():
    nothing = np.zeros_like(ON)
    y, _, left = scale_shift_normalize(MAP, MAP, nothing, eps=0.25)
    assert not left.any()
    assert np.allclose(y, 2 * MAP, rtol=1e-15)
    plain = scale_shift_normalize(MAP, MAP, ON)
    for bad in (np.nan, np.inf):
        x = MAP.copy()
        x[0, 5] = bad
        with np.errstate(all="ignore"):
            y, _, left = scale_shift_normalize(x, MAP, ON)
            assert np.array_equal(y[0, :5], plain[0][0, :5])
            assert np.array_equal(y[0, 5], bad, equal_nan=True)
            assert np.array_equal(left, plain[2])
            x[0, 0] = bad
            assert not scale_shift_normalize(x, MAP, ON)[2].any()


def test_refusals_of_maps():
    for call, error, said in [
        (lambda: scale_shift_normalize(MAP, MAP[:, :2], ON), ValueError, r"other must have shape \(1, 6\)"),
        (lambda: scale_shift_normalize(MAP, None, ON), TypeError, "other must be an array, got None"),
        (lambda: scale_shift_normalize(MAP, MAP, ON[0]), ValueError, r"mask must have shape \(1, 6\)"),
        (lambda: scale_shift_normalize(MAP, MAP, ON * 1), TypeError, "mask must hold booleans"),
        (lambda: scale_shift_normalize(MAP, MAP, ON, axis=2), ValueError, "axis 2 does not exist"),
        (lambda: scale_shift_normalize(MAP, MAP, ON, floor=-1.0), ValueError, "finite and not below zero, got -1.0"),
        (lambda: scale_shift_normalize(MAP, MAP, ON, threshold=np.nan), ValueError, "got nan"),
        (lambda: scale_shift_normalize(MAP[:, :0], MAP[:, :0], ON[:, :0]), ValueError, "must not be empty"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_unidepth_does_the_same(torch):
    """The steps of its ssi, written with torch."""

    def moments(a, mask, dim):
        m = mask.to(a.dtype)
        n = m.sum(dim=dim, keepdim=True).clamp(min=1.0)
        mean = (a * m).sum(dim=dim, keepdim=True) / n
        return mean, (m * (a - mean) ** 2).sum(dim=dim, keepdim=True) / n

    torch.manual_seed(0)
    maps = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    mask, dim = torch.rand(3, 7, 9) < 0.6, [-2, -1]
    left = mask
    for a in maps:
        mean, var = moments(a, mask, dim)
        std = var.clip(min=1e-6).sqrt()
        left = left & (a > mean - 1.96 * std) & (a < mean + 1.96 * std)
    assert left.sum() < mask.sum()
    got = scale_shift_normalize(*maps, mask, **refnorm.convention("code", "scale_shift_normalize"))
    for a, y in zip(maps, got, strict=False):
        mean, var = moments(a, left, dim)
        assert torch.allclose(y, (a - mean) / torch.sqrt(var + 1e-4), rtol=1e-12, atol=1e-13)
    assert torch.equal(got[2], left)
