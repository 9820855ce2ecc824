"""Weights in a random subspace: by hand, by whole matrices, refusals."""

import numpy as np
import pytest
import scipy.linalg

from refnorm.proj import fastfood_project, structure_aware_subspace


def test_by_hand():
    x = np.array([3.0, 0.5, -2.0])
    ones, order = np.ones((2, 2)), np.array([[1, 0], [0, 1]])
    got = structure_aware_subspace(x, np.array([[10.0, 20.0], [1.0, 1.0]]), ones * [1, -1], order, ones)
    assert np.allclose(got, [[11.5, 20.0], [-5.0, 1.0]], rtol=1e-15)


def test_is_the_projection_of_each_layer():
    rng = np.random.default_rng(0)
    signs, gains = rng.choice([-1.0, 1.0], (3, 16)), rng.normal(size=(3, 16))
    order = np.stack([rng.permutation(16) for _ in range(3)])
    x, origin, h = rng.normal(size=9), rng.normal(size=(3, 11)), scipy.linalg.hadamard(16)
    got = structure_aware_subspace(x, origin, signs, order, gains)
    for i in range(3):
        step = x[6 + i] * fastfood_project(x[:6], signs[i], order[i], gains[i], output_size=11)
        assert np.allclose(got[i], origin[i] + step, rtol=1e-14)
        whole = h @ np.diag(gains[i]) @ np.eye(16)[order[i]] @ h @ np.diag(signs[i])
        whole = whole[:11, :6] / np.sqrt(16 * gains[i] @ gains[i] * 11 / 16)
        assert np.allclose(got[i], origin[i] + x[6 + i] * (whole @ x[:6]), rtol=1e-13)


def test_refusals():
    x, at, ones, order = np.ones(3), np.ones((1, 2)), np.ones((1, 2)), np.array([[0, 1]])
    f = structure_aware_subspace
    for call, error, said in [
        (lambda: f(x[:1], at, ones, order, ones), ValueError, "more than the 1 layers"),
        (lambda: f(x, at[0], ones, order, ones), ValueError, r"origin must have shape \(layers, D\)"),
        (lambda: f(x, at, np.ones((1, 3)), np.array([[0, 1, 2]]), np.ones((1, 3))), ValueError, "power of two"),
        (lambda: f(x, at, ones, ones, ones), TypeError, "permutation must hold integers"),
        (lambda: f(x, np.ones((1, 4)), ones, order, ones), ValueError, "output_size must be 1 to 2"),
    ]:
        with pytest.raises(error, match=said):
            call()
