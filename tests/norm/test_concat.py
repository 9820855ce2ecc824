"""normalized_concat by hand, special values, refusals, and what released code computes."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import normalized_concat

INF = float("inf")


def test_by_hand():
    x, other = np.array([[3.0, -4.0], [0.0, 2.0]]), np.array([[2.0], [-5.0]])
    assert np.allclose(normalized_concat(x, other), [[0.3, -0.4, 0.5], [0.0, 0.5, -0.5]], rtol=1e-15)
    got = normalized_concat(x, other, weights=(1, 0))
    assert np.allclose(got, [[0.6, -0.8, 0.0], [0.0, 1.0, 0.0]], rtol=1e-15)
    got = normalized_concat(x.T, other.T, axis=0, weights=[5, 2], eps=4.0)
    assert np.allclose(got.T, [[3.0, -4.0, 1.0], [0.0, 2.5, -2.0]], rtol=1e-15)


def test_special_values():
    zeros, ones = np.zeros((1, 3)), np.ones((1, 1))
    assert normalized_concat(zeros, ones).tolist() == [[0.0, 0.0, 0.0, 0.5]]
    with np.errstate(all="ignore"):
        got = normalized_concat(zeros, ones, eps=0.0)
        assert np.isnan(got[0, :3]).all()
        assert got[0, 3] == 0.5
        got = normalized_concat(np.array([[1.0, np.nan]]), ones)
        assert np.array_equal(got, [[np.nan, np.nan, 0.5]], equal_nan=True)
    huge = np.array([[3e200, -4e200]])
    assert np.allclose(normalized_concat(huge, huge * 1e-300, eps=0.0)[0], [0.3, -0.4, 0.3, -0.4], rtol=1e-15)


def test_refusals():
    x, other = np.ones((2, 3)), np.ones((2, 4))
    for call, error, said in [
        (lambda: normalized_concat(x, other, axis=0), ValueError, r"must have shape \(2, 4\), got \(2, 3\)"),
        (lambda: normalized_concat(x, other[:1]), ValueError, "must have shape"),
        (lambda: normalized_concat(x, other[0]), ValueError, "must have shape"),
        (lambda: normalized_concat(x, other[:, :0]), ValueError, "must not be empty"),
        (lambda: normalized_concat(x, None), TypeError, "other must be an array, got None"),
        (lambda: normalized_concat(x, other, axis=(0, 1)), TypeError, "axis must be one int"),
        (lambda: normalized_concat(x, other, weights=0.5), TypeError, "weights must be two numbers, got 0.5"),
        (lambda: normalized_concat(x, other, weights=(1.0,)), ValueError, "weights must be two finite numbers"),
        (lambda: normalized_concat(x, other, weights=(1.0, INF)), ValueError, "weights must be two finite numbers"),
        (lambda: normalized_concat(x, other, eps=-1.0), ValueError, "eps must be finite and not below zero"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_equals_released_code(torch):
    """sd-dino in other words: norms along the channels, a weight each, concatenation."""
    rng = np.random.default_rng(6)
    x, other = (torch.from_numpy(rng.normal(size=(2, 5, n))).requires_grad_() for n in (7, 4))
    parts = [a / a.norm(dim=-1, keepdim=True) for a in (x, other)]
    got = normalized_concat(x, other, **refnorm.convention("code", "normalized_concat"))
    assert torch.allclose(got, torch.cat(parts, dim=-1), rtol=1e-14)
    paper = refnorm.convention("paper", "normalized_concat")
    assert torch.allclose(2 * normalized_concat(x, other, **paper), got, rtol=1e-14)
    assert not torch.allclose(normalized_concat(x, other, **paper), got, rtol=1e-2)
    assert torch.autograd.gradcheck(normalized_concat, (x, other))
