"""Nearest rotations by hand, and against SciPy."""

import numpy as np
import pytest

from refnorm.proj import orthogonal_procrustes, semantic_calibration


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


def test_calibration_by_hand():
    """Two classes of two: each goes to the weighted mean of its new places, and keeps its own differences."""
    x, d = np.array([[3.0, 4.0], [0.0, 2.0], [5.0, 0.0]]), np.array([[0.0, 2.0], [1.0, 0.0], [0.0, -3.0]])
    ids, heads = np.array([0, 0, 1]), np.array([[0.0, 5.0], [7.0, 0.0]])
    share = np.e / (np.e + 1)  # of the first, which is where its head is; the second is square to it
    shift = np.array([1 - share, share]) - np.array([0.3, 0.9])
    wanted = np.array([[0.6, 0.8] + shift, [0.0, 1.0] + shift, [0.0, -1.0]])
    wanted = 2 * wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    got = semantic_calibration(x, d, heads, ids, segments=2, aligned=False, scale=2.0)
    assert np.allclose(got, wanted, rtol=1e-14, atol=1e-15)


def test_calibration_undoes_a_turn():
    """Features that were turned alone come back to the new ones, where classes are of one member each."""
    rng = np.random.default_rng(4)
    d, turn = rng.normal(size=(6, 3)), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    none = np.full(6, -1)
    got = semantic_calibration(d @ turn, d, np.ones((1, 3)), none, segments=1)
    unit = d / np.linalg.norm(d, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    assert np.allclose(got, centred / np.linalg.norm(centred, axis=1, keepdims=True), rtol=1e-12)
    alone = semantic_calibration(d @ turn, d, np.ones((6, 3)), np.arange(6), segments=6)
    assert np.allclose(alone, unit, rtol=1e-12)


def test_calibration_refuses():
    x, ids = np.ones((4, 2)), np.zeros(4, int)
    f = semantic_calibration
    for call, error, said in [
        (lambda: f(x, x[:3], x[:1], ids, segments=1), ValueError, "target must have shape"),
        (lambda: f(x, x, x[:2], ids, segments=1), ValueError, "weight must have shape"),
        (lambda: f(x, x, x[:1], x[:, 0], segments=1), TypeError, "ids must hold integers"),
        (lambda: f(x, x, x[:1], ids, segments=1, aligned=1), TypeError, "aligned must be True or False"),
        (lambda: f(x[:0], x[:0], x[:1], ids[:0], segments=1), ValueError, "not empty"),
    ]:
        with pytest.raises(error, match=said):
            call()
