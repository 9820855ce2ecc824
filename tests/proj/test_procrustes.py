"""Nearest rotations by hand, and against SciPy."""

import numpy as np
import pytest

from refnorm.proj import orthogonal_procrustes


def test_by_hand():
    x, target = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 1.0], [2.0, 0.0]])
    assert orthogonal_procrustes(x, target).tolist() == [[0, 1], [1, 0]]
    assert orthogonal_procrustes(x, target, proper=True).tolist() == [[0, -1], [1, 0]]
    assert orthogonal_procrustes(np.array([[2.0]]), np.array([[-3.0]])).tolist() == [[-1]]
    assert orthogonal_procrustes(np.array([[2.0]]), np.array([[-3.0]]), proper=True).tolist() == [[1]]


def test_finds_the_turn_that_was_made():
    rng = np.random.default_rng(0)
    x, turn = rng.normal(size=(2, 9, 4)), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert np.allclose(orthogonal_procrustes(x, x @ turn), turn, atol=1e-13)
    assert np.allclose(orthogonal_procrustes(1e-200 * x, 1e200 * x @ turn), turn, atol=1e-13)
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    assert np.allclose(orthogonal_procrustes(x, x @ turn, proper=True), turn, atol=1e-13)


def test_is_scipys():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(1)
    x, target = rng.normal(size=(2, 8, 5))
    wanted, total = linalg.orthogonal_procrustes(x, target)
    got = orthogonal_procrustes(x, target)
    assert np.allclose(got, wanted, atol=1e-13)
    assert np.isclose(np.sum(x @ got * target), total, rtol=1e-13)


def test_is_scipys_rotation():
    transform = pytest.importorskip("scipy.spatial.transform")
    rng = np.random.default_rng(2)
    turned_over = set()
    for _ in range(8):
        x, target = rng.normal(size=(2, 4, 3))
        wanted = transform.Rotation.align_vectors(target, x)[0].as_matrix().T
        assert np.allclose(orthogonal_procrustes(x, target, proper=True), wanted, atol=1e-12)
        turned_over.add(bool(np.linalg.det(orthogonal_procrustes(x, target)) < 0))
    assert turned_over == {True, False}


def test_refusals():
    x = np.ones((4, 3))
    with pytest.raises(ValueError, match="x must have shape"):
        orthogonal_procrustes(x[0], x[0])
    with pytest.raises(ValueError, match="x must have shape"):
        orthogonal_procrustes(x[:0], x[:0])
    with pytest.raises(ValueError, match="target must have shape"):
        orthogonal_procrustes(x, x[:3])
    with pytest.raises(TypeError, match="proper"):
        orthogonal_procrustes(x, x, proper=1)
