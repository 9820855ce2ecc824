"""Numbers and masses on a support: by hand, refusals, and what interpolation says."""

import numpy as np
import pytest

from refnorm.prob import categorical_project, hl_gauss_project, hl_gauss_project_vjp, two_hot_project

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


def test_normal_masses_by_hand():
    y = hl_gauss_project(np.array([0.0]), low=-2.0, high=2.0, count=4, std=1.0)
    one, two = 0.6826894921370859, 0.9544997361036416  # within one and two standard deviations
    assert np.allclose(y, [[two - one, one, one, two - one]] / np.float64(2 * two), rtol=1e-15)


def test_normal_masses_far_outside():
    how = {"low": -1.0, "high": 1.0, "count": 4, "std": 0.5}
    y = hl_gauss_project(np.array([INF, -INF, 1e300, 90.0]), **how)
    assert y[:3].tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1]]
    # a tail falls by exp(-u - u^2 / 2z^2) over a step of u / z: here z is 178 and a bin is 1 wide
    assert np.allclose(y[3, 2], np.exp(-178.5) * (178 / 179), rtol=1e-4)
    assert np.isnan(hl_gauss_project(np.array([NAN]), **how)).all()
    thin, broad = how | {"std": 1e-6}, how | {"std": 1e6}
    assert hl_gauss_project(np.array([0.25]), **thin).tolist() == [[0, 0, 1, 0]]
    assert np.allclose(hl_gauss_project(np.array([0.25]), **broad), 0.25, rtol=1e-12)


def test_normal_masses_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    x, edges = np.random.default_rng(2).normal(0, 2, 30), np.linspace(-3, 2, 12)
    a, b = (-3 - x) / 0.3, (2 - x) / 0.3
    wanted = np.diff([stats.truncnorm.cdf(e, a, b, loc=x, scale=0.3) for e in edges], axis=0).T
    got = hl_gauss_project(x, low=-3.0, high=2.0, count=11, std=0.3)
    assert np.allclose(got, wanted, rtol=1e-9, atol=1e-12)


def test_mean_of_centres_is_the_number():
    x, centres = np.linspace(-1, 1, 21), np.linspace(-3.875, 3.875, 32)
    got = hl_gauss_project(x, low=-4.0, high=4.0, count=32, std=0.75 * 0.25)
    assert np.max(np.abs(got @ centres - x)) < 5e-6 * 0.25


def test_gradient_by_hand():
    """Of two bins, the second has 1/2 at 0, and a slope of phi(0) / (std (2 Phi(2) - 1)) less that of the ends, 0."""
    g = hl_gauss_project_vjp(np.array([[0.0, 1.0]]), np.zeros(1), low=-1.0, high=1.0, count=2, std=0.5)
    assert np.allclose(g, (1 - np.exp(-2)) / np.sqrt(2 * np.pi) / 0.5 / 0.9544997361036416, rtol=1e-14)


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
        (lambda: hl_gauss_project(x, low=0.0, high=1.0, count=2, std=0.0), ValueError, "std must be finite and above"),
        (lambda: hl_gauss_project(x, low=0.0, high=1.0, count=2, std=1e10), ValueError, "within a factor of 1e9"),
        (lambda: hl_gauss_project(x, low=0.0, high=1.0, count=2, std="1"), TypeError, "std must be a real number"),
        (lambda: hl_gauss_project(x, low=1.0, high=1.0, count=2, std=1.0), ValueError, "low below high"),
    ]:
        with pytest.raises(error, match=said):
            call()
