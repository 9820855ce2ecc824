"""alpha_batch_norm by hand, refusals, and what torch's layers give whose statistics are mixed."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import alpha_batch_norm, batch_norm, batch_norm_train

X = np.array([[1.0], [3.0]])  # mean 2, variance 1 biased, 2 unbiased
FOUR, SEVEN = np.array([4.0]), np.array([7.0])


def test_by_hand():
    """alpha = 3/4: mean 3.5, variance 5.5; unbiased 5.75."""
    how = dict(alpha=0.75, eps=3.5)
    assert np.allclose(alpha_batch_norm(X, FOUR, SEVEN, **how), [[-2.5 / 3], [-0.5 / 3]], rtol=1e-15)
    y = alpha_batch_norm(X, FOUR, SEVEN, np.array([6.0]), np.array([1.0]), **how)
    assert np.allclose(y, [[-4.0], [0.0]], rtol=1e-15, atol=1e-15)
    y = alpha_batch_norm(X, FOUR, SEVEN, alpha=0.75, eps=0.5, correction=1)
    assert np.allclose(y, [[-1.0], [-0.2]], rtol=1e-15)


def test_between_two_batch_norms():
    rng = np.random.default_rng(0)
    x, mean, var = rng.normal(2, 3, (4, 3, 5)), rng.normal(size=3), rng.uniform(1, 2, 3)
    assert np.allclose(alpha_batch_norm(x, mean, var, alpha=1), batch_norm(x, mean, var), rtol=1e-13)
    assert np.allclose(alpha_batch_norm(x, mean, var, alpha=0), batch_norm_train(x)[0], rtol=1e-13)


def test_as_a_layer_of_torch_that_is_adapted(torch):
    """The statistics of a batch norm are exchanged for a mixture with those that a momentum of 1 stores."""
    rng = np.random.default_rng(1)
    x, mean, var = rng.normal(2, 3, (4, 3, 5)), rng.normal(size=3), rng.uniform(1, 2, 3)
    t = torch.from_numpy(x)
    target = torch.nn.BatchNorm1d(3, momentum=1.0).double()
    target(t)
    mixed = [0.9 * torch.from_numpy(a) + 0.1 * b for a, b in ((mean, target.running_mean), (var, target.running_var))]
    wanted = torch.nn.functional.batch_norm(t, *mixed)
    options = refnorm.convention("test-time-adaptation", "alpha_batch_norm")
    assert np.allclose(alpha_batch_norm(x, mean, var, **options), wanted.detach().numpy(), rtol=1e-12)
    options = refnorm.convention("paper", "alpha_batch_norm")
    assert not np.allclose(alpha_batch_norm(x, mean, var, **options), wanted.detach().numpy(), rtol=1e-4)


def test_refusals():
    x, c = np.ones((2, 3, 4)), np.ones(3)
    for call, error, said in [
        (lambda: alpha_batch_norm(x, c[:2], c), ValueError, r"mean must have shape \(3,\), got \(2,\)"),
        (lambda: alpha_batch_norm(x, c, c[:2]), ValueError, "var must have shape"),
        (lambda: alpha_batch_norm(x, c, None), TypeError, "var must be an array, got None"),
        (lambda: alpha_batch_norm(x, c, c, c[:2]), ValueError, "weight must have shape"),
        (lambda: alpha_batch_norm(x, c, c, alpha=1.5), ValueError, "alpha must be in 0..1, got 1.5"),
        (lambda: alpha_batch_norm(x, c, c, alpha="a"), TypeError, "alpha must be a real number, got str"),
        (lambda: alpha_batch_norm(x, c, c, correction=8), ValueError, "correction must be below the 8 elements"),
        (lambda: alpha_batch_norm(x[:0], c, c), ValueError, "at least one element"),
        (lambda: alpha_batch_norm(x, c, c, axis=(1,)), TypeError, "axis must be one int"),
        (lambda: alpha_batch_norm(x, c, c, eps=-1.0), ValueError, "eps"),
    ]:
        with pytest.raises(error, match=said):
            call()
