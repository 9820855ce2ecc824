"""Scalings by rows and columns: by hand, their limits, refusals, and the loops of released codes."""

import numpy as np
import pytest
import scipy.optimize
from oracles.prob.scaling import sinkhorn as oracle

import refnorm
from refnorm.prob import sinkhorn, sinkhorn_assignment, sinkhorn_vjp, softmax
from refnorm.prob.scaling import kernels, scaled_by_kernel


def test_by_hand():
    x = np.log(np.array([[1.0, 1.0], [3.0, 1.0]]))
    plan, sums = sinkhorn(x, tau=1.0, iterations=1)  # rows 1/2 1/2 and 3/4 1/4, then columns by 5/4 and 3/4
    assert np.allclose(plan, [[0.4, 2 / 3], [0.6, 1 / 3]], rtol=1e-15)
    assert np.allclose(sums, [16 / 15, 14 / 15], rtol=1e-15)
    shares, sums = sinkhorn_assignment(x, tau=1.0, iterations=1)  # columns 1/4 3/4 and 1/2 1/2, then rows
    assert np.allclose(shares, [[1 / 3, 2 / 3], [0.6, 0.4]], rtol=1e-15)
    assert np.allclose(sums, [14 / 15, 16 / 15], rtol=1e-15)
    g = np.array([[1.0, 0.0], [0.0, 0.0]])
    dx = sinkhorn_vjp((g, None), np.zeros((2, 2)), tau=1.0, iterations=1)
    assert np.allclose(dx, np.array([[1, -1], [-1, 1]]) / 8, rtol=1e-15)


def test_sums_of_the_limit():
    x = np.random.default_rng(0).normal(size=(2, 4, 6))
    plan, sums = sinkhorn(x, tau=0.5, iterations=300)
    assert np.allclose(sums, 1, rtol=1e-9)
    assert np.allclose(plan.sum(axis=-1), 1, rtol=1e-9)
    assert np.allclose(plan.sum(axis=-2), 4 / 6, rtol=1e-14)
    _, early = sinkhorn(x, tau=0.5, iterations=2)
    assert (abs(early - 1) > 1e-3).any(axis=-1).all()  # and says so
    shares, sums = sinkhorn_assignment(x, tau=0.5, iterations=300)
    assert np.allclose(shares, plan, rtol=1e-7)
    assert np.allclose(sums, 1, rtol=1e-9)


def test_a_low_temperature_gives_the_best_permutation():
    x = np.random.default_rng(1).normal(size=(5, 5))
    plan, sums = sinkhorn(x, tau=0.01, iterations=3000)
    assert np.allclose(sums, 1, rtol=1e-3)
    assert np.array_equal(np.argmax(plan, axis=1), scipy.optimize.linear_sum_assignment(-x)[1])
    assert np.isfinite(sinkhorn(1e6 * x, tau=1e-3)[0]).all()


def test_forbidden_pairs():
    x = np.array([[0.0, -np.inf], [0.0, 0.0]])
    with np.errstate(invalid="ignore"):
        plan, sums = sinkhorn(x, tau=1.0, iterations=1)
    assert np.allclose(plan, [[2 / 3, 0], [1 / 3, 1]], rtol=1e-15)
    assert np.allclose(sums, [2 / 3, 4 / 3])


def test_factors_that_run_away_leave_the_kernel():
    """Two rows want one column, and one row the other two: each iteration doubles a factor, up to e^500."""
    x = np.array([[0.0, -5.0, -5.0], [0.0, -5.0, -5.0], [-5.0, 0.0, 0.0]])
    wanted = oracle(x, tau=0.01, iterations=400)
    if kernels is not None:
        for iterations, stays in [(100, True), (400, False)]:
            assert (scaled_by_kernel(x, 0.01, iterations, 3, 3) is not None) == stays
    plan, sums = sinkhorn(x, tau=0.01, iterations=400)
    assert np.allclose(plan, wanted[0], rtol=1e-10, atol=1e-300)
    assert np.allclose(sums, wanted[1], rtol=1e-10)


def test_pot():
    ot = pytest.importorskip("ot")
    x = np.random.default_rng(4).normal(size=(6, 6))
    rows = np.full(6, 1 / 6)
    theirs = ot.sinkhorn(rows, rows, -x.T, reg=0.5, numItermax=20, stopThr=0, warn=False).T  # it scales columns first
    assert np.allclose(sinkhorn(x, tau=0.5, iterations=20)[0], 6 * theirs, rtol=1e-12)


def test_the_loops_of_swav():
    """sinkhorn_knopp as vissl, swav and others write it."""
    x = np.random.default_rng(2).normal(size=(7, 4)) / 5
    q = np.exp(x / 0.05).T
    q /= q.sum()
    for _ in range(3):
        q /= q.sum(axis=1, keepdims=True) * len(q)
        q /= q.sum(axis=0, keepdims=True) * q.shape[1]
    wanted = (q * q.shape[1]).T
    shares, sums = sinkhorn_assignment(x, **refnorm.convention("swav", "sinkhorn_assignment"))
    assert np.allclose(shares, wanted, rtol=1e-12)
    assert np.allclose(sums, wanted.sum(axis=0) * 4 / 7, rtol=1e-12)


def test_the_balance_of_supernets():
    """Softmax of rows, divided by the means of columns, rows normalized: again and again."""
    w = np.random.default_rng(3).normal(size=(6, 3))
    p = softmax(4 * w)
    for _ in range(400):
        p = p / p.mean(axis=0)
        p = p / p.sum(axis=1, keepdims=True)
    assert np.allclose(sinkhorn(w, tau=1 / 4, iterations=400)[0], p, rtol=1e-9)


def test_refusals():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: sinkhorn(x[0]), ValueError, r"shape \(..., R, C\), got \(3,\)"),
        (lambda: sinkhorn(x[:0]), ValueError, "not empty"),
        (lambda: sinkhorn(x, tau=0.0), ValueError, "tau must be finite and above zero"),
        (lambda: sinkhorn(x, tau=None), TypeError, "tau must be a real number"),
        (lambda: sinkhorn(x, iterations=0), ValueError, "iterations must be at least 1"),
        (lambda: sinkhorn_assignment(x, iterations=1.0), TypeError, "iterations must be an int"),
        (lambda: sinkhorn_vjp((x[:1], None), x), ValueError, "cotangent of the plan must have shape"),
        (lambda: sinkhorn_vjp((None, x), x), ValueError, "cotangent of the sums must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()
