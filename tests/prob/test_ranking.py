"""Soft ranks by hand, at their edges, refusals, and the isotonic regression of scikit-learn."""

import numpy as np
import pytest

from refnorm.prob import soft_rank, soft_rank_vjp

NAN, INF = float("nan"), float("inf")


def test_by_hand():
    x = np.array([3.0, -1.0, 3.5, 9.0])
    assert soft_rank(x).tolist() == [2.25, 1.0, 2.75, 4.0]  # 3 and 3.5 share ranks 2 and 3
    assert soft_rank(x, tau=0.5).tolist() == [2.0, 1.0, 3.0, 4.0]
    assert np.allclose(soft_rank(x, tau=1e9), 2.5, rtol=1e-8)
    assert soft_rank(np.array([2.0, 2.0, 2.0])).tolist() == [2.0, 2.0, 2.0]
    assert soft_rank(np.array([7.0])).tolist() == [1.0]


def test_large_numbers_hide_no_small_ones():
    x = np.array([1e300, 0.25, 0.0, -1e300, -1e300])
    assert soft_rank(x, tau=0.5).tolist() == [5.0, 3.75, 3.25, 1.5, 1.5]


def test_edges():
    x = np.array([[0.0, NAN, 1.0], [INF, 0.0, 1.0], [5.0, 0.0, 10.0]])
    with np.errstate(invalid="ignore"):
        assert np.array_equal(soft_rank(x), [[NAN] * 3, [NAN] * 3, [2, 1, 3]], equal_nan=True)


def test_isotonic_regression_of_scikit_learn():
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(0)
    for tau in (0.05, 0.3, 2.0):
        x = rng.normal(size=40)
        order = np.argsort(-x)
        s = x[order] / tau
        wanted = np.empty(40)
        wanted[order] = s - isotonic.isotonic_regression(s - np.arange(40, 0, -1), increasing=False)
        assert np.allclose(soft_rank(x, tau=tau), wanted, rtol=1e-11)


def test_is_the_nearest_of_mixed_permutations():
    x, rng = np.array([0.3, 0.1, 1.9, 1.0]), np.random.default_rng(0)
    y = soft_rank(x)
    others = rng.permuted(np.tile(np.arange(1.0, 5), (500, 3, 1)), axis=-1)
    mixed = np.einsum("ij,ijk->ik", rng.dirichlet(np.ones(3), 500), others)
    assert (((mixed - x) ** 2).sum(axis=-1) >= ((y - x) ** 2).sum()).all()


def test_gradient_by_hand():
    g, x = np.array([2.0, 7.0, 0.0, 7.0]), np.array([3.0, -1.0, 3.5, 9.0])
    assert soft_rank_vjp(g, x).tolist() == [1.0, 0.0, -1.0, 0.0]
    assert soft_rank_vjp(g, x, tau=16.0).tolist() == [-0.125, 0.1875, -0.25, 0.1875]


def test_refusals():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: soft_rank(x[:, :0]), ValueError, "must not be empty"),
        (lambda: soft_rank(x, tau=0.0), ValueError, "tau must be finite and above zero"),
        (lambda: soft_rank(x, tau="1"), TypeError, "tau must be a real number"),
        (lambda: soft_rank_vjp(x[:1], x), ValueError, "cotangent must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()
