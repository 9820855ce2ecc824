"""Shrinkage by hand, at its edges, and against torch and a minimiser."""

import numpy as np
import pytest

from refnorm.proj import singular_value_threshold, soft_threshold


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


def test_singular_values_by_hand():
    turned = np.array([[0.0, 3.0], [-0.25, 0.0], [0.0, 0.0]])
    assert singular_value_threshold(turned).tolist() == [[0, 2.5], [0, 0], [0, 0]]
    assert singular_value_threshold(turned, threshold=0.125).tolist() == [[0, 2.875], [-0.125, 0], [0, 0]]
    assert singular_value_threshold(turned, threshold=np.inf).tolist() == [[0, 0], [0, 0], [0, 0]]
    both = singular_value_threshold(np.stack([turned, 2 * turned]), threshold=1.0)
    assert both.tolist() == [[[0, 2], [0, 0], [0, 0]], [[0, 5], [0, 0], [0, 0]]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_is_nan_and_no_other(value):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    y = singular_value_threshold(x)
    x[0, 1, 1] = value
    got = singular_value_threshold(x)
    assert np.isnan(got[0]).all()
    assert got[1].tolist() == y[1].tolist()


def test_is_the_proximal_map_of_the_nuclear_norm():
    """The subgradient of t |y|_* at y holds x - y: U V^T on the range of y, and of norm t at most beside it."""
    x = np.random.default_rng(1).normal(size=(5, 4))
    y = singular_value_threshold(x, threshold=1.5)
    u, s, vt = np.linalg.svd(y)
    r = int(np.sum(s > 1e-12))
    assert 0 < r < 4
    rest = (x - y) / 1.5
    assert np.allclose(u[:, :r].T @ rest, vt[:r], atol=1e-12)
    assert np.linalg.norm(rest - u[:, :r] @ vt[:r], 2) <= 1


def test_refusals_of_matrices():
    for shape in [(3,), (0, 3), (3, 0)]:
        with pytest.raises(ValueError, match="x must have shape"):
            singular_value_threshold(np.ones(shape))
    with pytest.raises(ValueError, match="threshold"):
        singular_value_threshold(np.ones((2, 2)), threshold=-1.0)
