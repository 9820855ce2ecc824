"""Soft assignments and their target by hand, their limits, refusals."""

import numpy as np
import pytest
import scipy.stats

from refnorm.prob import dec_target_distribution, softmax, student_t_assignment


def test_by_hand():
    x, center = np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]])
    assert np.allclose(student_t_assignment(x, center), [[2 / 3, 1 / 3], [2 / 7, 5 / 7]], rtol=1e-15)
    assert np.allclose(student_t_assignment(x[:1], center, nu=3.0), [[16 / 25, 9 / 25]], rtol=1e-15)
    q = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert np.allclose(dec_target_distribution(q), [[0.625, 0.375], [5 / 32, 27 / 32]], rtol=1e-15)
    assert dec_target_distribution(np.array([[1.0, 0.0], [1.0, 0.0]])).tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_ratios_are_those_of_students_density():
    x, center = np.array([[0.3]]), np.array([[-1.0], [0.0], [2.5]])
    for nu in (1.0, 2.5, 30.0):
        density = scipy.stats.t.pdf(x[0] - center[:, 0], nu)
        assert np.allclose(student_t_assignment(x, center, nu=nu), density / density.sum(), rtol=1e-12)


def test_many_degrees_of_freedom_are_a_softmax():
    rng = np.random.default_rng(0)
    x, center = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    half = ((x[:, None] - center) ** 2).sum(axis=-1) / 2
    assert np.allclose(student_t_assignment(x, center, nu=1e8), softmax(-half), rtol=1e-6)


def test_far_points():
    x = np.array([[1e200, 0.0], [1e200, 1e200]])
    y = student_t_assignment(x, np.zeros((3, 2)))
    assert np.allclose(y, 1 / 3, rtol=1e-15)
    with np.errstate(invalid="ignore"):
        assert np.isnan(dec_target_distribution(np.array([[0.0, 0.0], [0.5, 0.5]]))[0]).all()


def test_refusals():
    x, c = np.ones((2, 3)), np.ones((4, 3))
    for call, error, said in [
        (lambda: student_t_assignment(x, c[:, :2]), ValueError, r"center must have shape \(K, 3\)"),
        (lambda: student_t_assignment(x, c[:0]), ValueError, "K at least 1"),
        (lambda: student_t_assignment(x[:, :0], c[:, :0]), ValueError, "must not be empty"),
        (lambda: student_t_assignment(x, c, nu=0.0), ValueError, "nu must be finite and above zero"),
        (lambda: student_t_assignment(x, c, nu="1"), TypeError, "nu must be a real number"),
        (lambda: dec_target_distribution(x[0]), ValueError, r"x must have shape \(N, K\)"),
        (lambda: dec_target_distribution(x[:, :0]), ValueError, "must not be empty"),
    ]:
        with pytest.raises(error, match=said):
            call()
