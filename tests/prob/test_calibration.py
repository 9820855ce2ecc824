"""Corrected probabilities by hand, refusals, and what they are in logarithms."""

import numpy as np
import pytest

from refnorm.prob import affine_prior_calibration, bayes_refined_prediction, distribution_alignment, softmax

NAN = float("nan")
X, PRIOR = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]), np.array([0.5, 0.25, 0.125])


def test_by_hand():
    assert np.allclose(affine_prior_calibration(X, PRIOR), [[0.25, 0.25, 0.5], [1 / 9, 4 / 9, 4 / 9]], rtol=1e-15)
    assert affine_prior_calibration(X, X, kind="identity").tolist() == [[0.0] * 3] * 2
    y = affine_prior_calibration(2 * X, np.array([1.0, 1.0, 2.0]), kind="identity")
    assert y.tolist() == [[0.25, 0.0, -0.25], [0.0, 0.25, -0.25]]
    y, mean = distribution_alignment(X, PRIOR, momentum=0.75)
    assert np.allclose(y, [[0.25, 0.25, 0.5], [1 / 9, 4 / 9, 4 / 9]], rtol=1e-15)
    assert np.allclose(mean, [0.375 + 0.375 / 4, 0.1875 + 0.375 / 4, 0.09375 + 0.0625], rtol=1e-15)
    assert np.allclose(bayes_refined_prediction(X, np.stack([PRIOR] * 2))[0], [8 / 11, 2 / 11, 1 / 11], rtol=1e-15)


def test_in_logarithms_it_is_a_softmax():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(5), 4), rng.dirichlet(np.ones(5), 4)
    assert np.allclose(affine_prior_calibration(p, q), softmax(np.log(p) - np.log(q)), rtol=1e-13)
    assert np.allclose(bayes_refined_prediction(p, q), softmax(np.log(p) + np.log(q)), rtol=1e-13)


def test_where_nothing_is_left():
    with np.errstate(all="ignore"):
        y = affine_prior_calibration(X, PRIOR * [0, 1, 1])
        assert np.array_equal(y, [[NAN, 0, 0]] * 2, equal_nan=True)
        assert np.isnan(bayes_refined_prediction(X, 0 * X)).all()


def test_refusals():
    for call, error, said in [
        (lambda: affine_prior_calibration(X, PRIOR[:2]), ValueError, r"prior must have shape \(3,\)"),
        (lambda: affine_prior_calibration(X, X[:1]), ValueError, r"prior must have shape \(2, 3\)"),
        (lambda: affine_prior_calibration(X, PRIOR, kind="mean"), ValueError, "kind must be one of diagonal"),
        (lambda: affine_prior_calibration(X, None), TypeError, "prior must be an array"),
        (lambda: distribution_alignment(X[0], PRIOR), ValueError, r"x must have shape \(N, C\)"),
        (lambda: distribution_alignment(X, PRIOR[:2]), ValueError, "mean must have shape"),
        (lambda: distribution_alignment(X, PRIOR, momentum=2.0), ValueError, "momentum must be in 0..1"),
        (lambda: distribution_alignment(X, PRIOR, momentum="a"), TypeError, "momentum must be a real number"),
        (lambda: bayes_refined_prediction(X, X[:1]), ValueError, "other must have shape"),
        (lambda: bayes_refined_prediction(X[:, :0], X[:, :0]), ValueError, "must not be empty"),
    ]:
        with pytest.raises(error, match=said):
            call()
