"""Numbers and masses on a support: by hand, refusals, and what interpolation says."""

import numpy as np
import pytest

from refnorm.prob import categorical_project, two_hot_project

NAN, INF = float("nan"), float("inf")


def test_by_hand():
    y = two_hot_project(np.array([0.75, 9.0, -INF, 2.0, 1.0]), low=0.0, high=2.0, count=3)
    assert y.tolist() == [[0.25, 0.75, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert np.isnan(two_hot_project(np.array([NAN]), low=0.0, high=2.0, count=3)).all()
    p, z = np.array([[0.5, 0.5]]), np.array([[0.5, 1.25]])
    assert categorical_project(p, z, low=0.0, high=2.0, count=3).tolist() == [[0.25, 0.625, 0.125]]


def test_small_shares_keep_their_digits():
    y = two_hot_project(np.array([1e-30, -1e-30]), low=-1.0, high=1.0, count=3)
    assert y.tolist() == [[0, 1, 1e-30], [1e-30, 1, 0]]


def test_is_the_interpolation_of_unit_vectors():
    x, atoms = np.random.default_rng(0).normal(0, 2, 50), np.linspace(-3, 3, 11)
    wanted = np.stack([np.interp(x, atoms, row) for row in np.eye(11)], axis=-1)
    assert np.allclose(two_hot_project(x, low=-3, high=3, count=11), wanted, rtol=1e-12, atol=1e-14)


def test_an_update_of_c51():
    """As dopamine writes it: a kernel of triangles, summed."""
    rng = np.random.default_rng(1)
    p, reward, discount = rng.dirichlet(np.ones(9), 5), rng.normal(size=(5, 1)), rng.uniform(size=(5, 1))
    support = np.linspace(-2, 2, 9)
    z = reward + discount * support
    kernel = np.clip(1 - np.abs(np.clip(z, -2, 2)[:, None, :] - support[:, None]) / 0.5, 0, 1)
    assert np.allclose(categorical_project(p, z, low=-2.0, high=2.0, count=9), (kernel * p[:, None]).sum(-1))
    still = categorical_project(p, np.broadcast_to(support, p.shape), low=-2.0, high=2.0, count=9)
    assert np.array_equal(still, p)


def test_refusals():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: two_hot_project(x, low=1.0, high=1.0, count=3), ValueError, "low below high"),
        (lambda: two_hot_project(x, low=-INF, high=1.0, count=3), ValueError, "must be finite"),
        (lambda: two_hot_project(x, low="0", high=1.0, count=3), TypeError, "low must be a real number"),
        (lambda: two_hot_project(x, low=0.0, high=1.0, count=1), ValueError, "count must be at least 2"),
        (lambda: two_hot_project(x, low=0.0, high=1.0, count=2.0), TypeError, "count must be an int"),
        (lambda: categorical_project(x, x[:1], low=0.0, high=1.0, count=2), ValueError, "atoms must have shape"),
        (lambda: categorical_project(x[:, :0], x[:, :0], low=0.0, high=1.0, count=2), ValueError, "must not be empty"),
    ]:
        with pytest.raises(error, match=said):
            call()
