"""Robust fits of classes: by hand, against scikit-learn's factors, refusals."""

import numpy as np
import pytest

from refnorm.prob import robust_class_gaussian


def test_by_hand():
    x = np.array([[0.0], [1.0], [2.0], [3.0], [40.0], [7.0]])
    ids = np.array([0, 0, 0, 0, 0, 1])
    mean, var, mask = robust_class_gaussian(x, ids, segments=3, k=2)
    assert mask.tolist() == [True, True, True, True, False, True]
    assert mean[:2].tolist() == [[1.5], [7.0]]
    assert np.allclose(var[0], 5 / 3, rtol=1e-15)
    assert np.isnan(mean[2]).all()
    assert np.isnan(var[1:]).all()


def test_points_on_one_another():
    """Five at one place have factor 1; whoever has them for neighbours is infinitely far off."""
    x = np.array([[2.0, 1.0]] * 5 + [[3.0, 1.0]])
    mean, var, mask = robust_class_gaussian(x, np.zeros(6, int), segments=1, k=3)
    assert mask.tolist() == [True] * 5 + [False]
    assert mean.tolist() == [[2.0, 1.0]]
    assert not var.any()


def test_what_is_not_finite_is_an_outlier():
    x = np.random.default_rng(0).normal(size=(9, 2))
    x[4, 1] = np.nan
    x[7, 0] = np.inf
    rest = np.delete(np.arange(9), [4, 7])
    mean, var, mask = robust_class_gaussian(x, np.zeros(9, int), segments=1, k=3, threshold=9.0)
    assert np.flatnonzero(mask).tolist() == rest.tolist()
    assert np.allclose(mean[0], x[rest].mean(axis=0), rtol=1e-14)
    assert np.allclose(var[0], np.cov(x[rest].T), rtol=1e-13)


@pytest.mark.parametrize("k", [3, 20])
def test_equals_scikit_learn(k):
    neighbors = pytest.importorskip("sklearn.neighbors")
    rng = np.random.default_rng(1)
    x, ids = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    x[::7] *= 5
    mean, var, mask = robust_class_gaussian(x, ids, segments=2, k=k)
    for c in range(2):
        own = ids == c
        inside = neighbors.LocalOutlierFactor(n_neighbors=k).fit_predict(x[own]) == 1
        assert mask[own].tolist() == inside.tolist()
        assert 0 < inside.sum() < own.sum()
        assert np.allclose(mean[c], x[own][inside].mean(axis=0), rtol=1e-13)
        assert np.allclose(var[c], np.cov(x[own][inside].T), rtol=1e-12)


def test_refusals():
    f, x, ids = robust_class_gaussian, np.ones((4, 2)), np.zeros(4, int)
    for call, error, said in [
        (
            lambda: f(x[0], ids[:2], segments=1),
            ValueError,
            r"shape \(N, D\), not empty, got \(2,\)",
        ),
        (lambda: f(x[:0], ids[:0], segments=1), ValueError, "not empty"),
        (lambda: f(x, ids[:3], segments=1), ValueError, "ids must have shape"),
        (lambda: f(x, x[:, 0], segments=1), TypeError, "ids must hold integers"),
        (lambda: f(x, ids, segments=0), ValueError, "segments must be at least 1"),
        (lambda: f(x, ids, segments=1, k=0), ValueError, "k must be at least 1"),
        (lambda: f(x, ids, segments=1, k=2.0), TypeError, "k must be an int"),
        (
            lambda: f(x, ids, segments=1, threshold=-1),
            ValueError,
            "threshold must not be below zero",
        ),
        (
            lambda: f(x, ids, segments=1, correction="n"),
            TypeError,
            "correction must be a real number",
        ),
    ]:
        with pytest.raises(error, match=said):
            call()
