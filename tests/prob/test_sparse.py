"""entmax by hand, at its edges, and against the simplex, softmax and its own optimality."""

import numpy as np
import pytest

import refnorm
from refnorm.prob import entmax, entmax_vjp, softmax
from refnorm.proj import project_simplex, project_simplex_vjp

NAN, INF = float("nan"), float("inf")


def test_by_hand():
    """alpha 1.5: (1 - t)^2 + (0.4 - t)^2 = 1 for scores 2 and 0.8, t = 0.7 - sqrt(0.41); alpha 3: roots."""
    t = 0.7 - np.sqrt(0.5 - 0.09)
    assert np.allclose(entmax(np.array([2.0, 0.8, -2.0])), [(1 - t) ** 2, (0.4 - t) ** 2, 0], rtol=1e-15)
    assert entmax(np.array([1.0, 0.5, -2.0]), alpha=2.0).tolist() == [0.75, 0.25, 0.0]
    # w1 - w2 = 1/2 and sqrt(w1) + sqrt(w2) = 1: the roots are 3/4 and 1/4
    assert np.allclose(entmax(np.array([0.25, 0.0]), alpha=3.0), [0.75, 0.25], rtol=1e-15)
    assert np.allclose(entmax(np.zeros((2, 5)), alpha=1.25), 0.2, rtol=1e-15)
    assert entmax(np.array([[7.0], [-1e9]]), alpha=1.75).tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("alpha", [1.25, 1.5, 1.9, 3.0, 4.0])
def test_scores_and_powers_differ_alike(alpha):
    x = np.random.default_rng(0).normal(0, 2, (50, 9))
    y = entmax(x, alpha=alpha)
    assert np.allclose(y.sum(axis=1), 1, rtol=1e-14)
    for row, shares in zip(x, y, strict=True):
        inside = shares > 0
        level = (alpha - 1) * row[inside] - shares[inside] ** (alpha - 1)
        assert np.allclose(level, level[0], rtol=1e-12, atol=1e-13)
        assert ((alpha - 1) * row[~inside] <= level[0] + 1e-13).all()


def test_between_softmax_and_the_simplex():
    x = np.random.default_rng(1).normal(size=(6, 9))
    assert np.array_equal(entmax(x, alpha=2), project_simplex(x))
    g = np.random.default_rng(2).normal(size=(6, 9))
    assert np.allclose(entmax_vjp(g, x, alpha=2), project_simplex_vjp(g, x), rtol=1e-13, atol=1e-15)
    assert np.allclose(entmax(x, alpha=1.001), softmax(x), atol=1e-3)
    options = refnorm.convention("sparsemax", "entmax")
    assert np.array_equal(entmax(x, axis=0, **options), project_simplex(x, axis=0))


def test_special_rows():
    x = np.array([[0.0, -INF, -INF], [INF, 0.0, 0.0], [NAN, 0.0, 0.0], [-INF, -INF, -INF]])
    for alpha in (1.25, 1.5, 2.0, 3.0):
        with np.errstate(all="ignore"):
            y = entmax(x, alpha=alpha)
        assert np.array_equal(y, [[1, 0, 0], *[[NAN] * 3] * 3], equal_nan=True)


def test_refusals():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: entmax(x, alpha=1.0), ValueError, "alpha must be finite and above one, got 1.0"),
        (lambda: entmax(x, alpha=INF), ValueError, "alpha must be finite"),
        (lambda: entmax(x, alpha="2"), TypeError, "alpha must be a real number, got str"),
        (lambda: entmax(x[:, :0]), ValueError, "must not be empty"),
        (lambda: entmax_vjp(x, x, axis=2), ValueError, "axis 2 does not exist"),
    ]:
        with pytest.raises(error, match=said):
            call()
