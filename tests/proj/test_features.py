"""Features by hand, by the kernels they stand for, and against NumPy's QR."""

import math

import numpy as np
import pytest

from refnorm.proj import (
    orthogonal_gaussian_matrix,
    positive_random_features,
    relu_random_features,
    taylor_softmax_features,
)


def test_by_hand():
    g = np.array([[1.0, 5.0]])
    assert positive_random_features(np.array([[0.0, 0.0], [2.0, 0.0]]), g).tolist() == [[1], [1]]
    x, g = np.array([1.0, 2.0]), np.array([[2.0, 0.0]] * 2 + [[0.0, -1.0]] * 2)
    assert relu_random_features(x, g).tolist() == [1, 1, 0, 0]
    assert relu_random_features(x, g, floor=3.0).tolist() == [1.5, 1.5, 1.5, 1.5]
    r = math.sqrt(0.5)
    y = taylor_softmax_features(np.array([1.0, 2.0]), degree=2)
    assert np.allclose(y, [1, 1, 2, r, 2 * r, 2 * r, 4 * r], rtol=1e-15)
    blocks = np.array([[[0.0, 1.0], [-2.0, 7.0]]])
    assert orthogonal_gaussian_matrix(np.array([[3.0, 4.0], [0.0, 2.0]]), blocks).tolist() == [[0, -5], [2, 0]]


def test_kernels_on_average():
    rng = np.random.default_rng(0)
    x, y = 0.5 * rng.normal(size=(2, 4))
    g = rng.normal(size=(400_000, 4))
    assert abs(positive_random_features(x, g) @ positive_random_features(y, g) - np.exp(x @ y)) < 0.01
    sizes = np.linalg.norm(x) * np.linalg.norm(y)
    angle = np.arccos(x @ y / sizes)
    kernel = sizes * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    assert abs(relu_random_features(x, g) @ relu_random_features(y, g) - kernel) < 0.01


def test_series_comes_near_the_exponential():
    x, y = 0.5 * np.random.default_rng(1).normal(size=(2, 3))
    found = [taylor_softmax_features(x, degree=d) @ taylor_softmax_features(y, degree=d) for d in range(8)]
    assert abs(found[-1] - np.exp(x @ y)) < 1e-6
    assert abs(found[0] - 1) < 1e-15


def test_rows_of_q():
    rng = np.random.default_rng(2)
    x, block = rng.normal(size=(6, 6)), rng.normal(size=(1, 6, 6))
    q, r = np.linalg.qr(block[0])
    wanted = (q * np.sign(np.diag(r))).T * np.linalg.norm(x, axis=1)[:, None]
    assert np.allclose(orthogonal_gaussian_matrix(x, block), wanted, rtol=1e-12, atol=1e-13)


def test_refusals():
    x = np.ones((2, 3))
    for f in (positive_random_features, relu_random_features):
        with pytest.raises(ValueError, match="directions"):
            f(x, x.T)
    with pytest.raises(ValueError, match="floor"):
        relu_random_features(x, x, floor=np.inf)
    with pytest.raises(ValueError, match="degree"):
        taylor_softmax_features(x, degree=-1)
    with pytest.raises(TypeError):
        taylor_softmax_features(x, degree=1.0)
    with pytest.raises(ValueError, match="directions must have shape"):
        orthogonal_gaussian_matrix(x, np.ones((1, 2, 3)))
    with pytest.raises(ValueError, match="directions must hold"):
        orthogonal_gaussian_matrix(np.ones((4, 3)), np.ones((1, 3, 3)))
    with pytest.raises(ValueError, match="x must have shape"):
        orthogonal_gaussian_matrix(np.ones(3), np.ones((1, 3, 3)))
