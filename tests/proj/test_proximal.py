"""Shrinkage by hand, at its edges, and against torch."""

import numpy as np
import pytest

from refnorm.proj import soft_threshold


def test_by_hand():
    assert soft_threshold(np.array([2.0, -0.75, 0.25, 0.5])).tolist() == [1.5, -0.25, 0, 0]
    assert soft_threshold(np.array([2.0, -3.0]), threshold=0.0).tolist() == [2, -3]
    assert soft_threshold(np.array([np.inf, -np.inf])).tolist() == [np.inf, -np.inf]
    assert np.isnan(soft_threshold(np.array([np.nan]))[0])
    assert soft_threshold(np.array([3.0, -2.0]), threshold=np.inf).tolist() == [0, 0]


def test_is_torch_softshrink(torch):
    x = torch.randn(50, dtype=torch.float64, requires_grad=True)
    for threshold in (0.0, 0.5, 1.25):
        wanted = torch.nn.functional.softshrink(x, threshold)
        got = soft_threshold(x, threshold=threshold)
        assert torch.equal(got, wanted)
        assert torch.equal(torch.autograd.grad(got.sum(), x)[0], torch.autograd.grad(wanted.sum(), x)[0])


def test_is_the_proximal_map():
    """No other y has a smaller (y - x)^2 / 2 + t |y|."""
    x = np.linspace(-2, 2, 41)
    others = np.linspace(-3, 3, 2401)[:, None]
    cost = lambda y: (y - x) ** 2 / 2 + 0.75 * np.abs(y)
    assert np.all(cost(soft_threshold(x, threshold=0.75)) <= cost(others) + 1e-15)
    assert not np.all(cost(soft_threshold(x, threshold=0.5)) <= cost(others) + 1e-15)


def test_refusals():
    for bad, error in [(-0.5, ValueError), (np.nan, ValueError), ("1", TypeError), (None, TypeError)]:
        with pytest.raises(error, match="threshold"):
            soft_threshold(np.ones(3), threshold=bad)
