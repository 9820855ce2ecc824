"""Sliced layers by hand, and by what a block does."""

import numpy as np
import pytest

from refnorm.proj import atomic_feature_mimicking, slice_rotated_weights


def test_by_hand():
    turn = np.array([[0.0, 1.0], [1.0, 0.0]])
    x, out, b = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0, 6.0])
    parts = [a.tolist() for a in slice_rotated_weights(x, out, turn, np.eye(2), b, k=1)]
    assert parts == [[[2]], [[3]], [5], [[0]]]
    parts = [a.tolist() for a in slice_rotated_weights(x, out, np.eye(2), turn, k=2)]
    assert parts == [[[1, 2]], [[4], [3]], [0, 0], [[0, 1], [1, 0]]]


def test_a_block_does_what_it_did():
    rng = np.random.default_rng(0)
    into, out, b, x = (rng.normal(size=s) for s in [(5, 4), (4, 5), (4,), (3, 4)])
    p, q = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
    wanted = x + np.tanh(x @ into.T) @ out.T + b
    w, v, c, shortcut = slice_rotated_weights(into, out, p, q, b, k=4)
    got = (x @ p) @ shortcut + np.tanh((x @ p) @ w.T) @ v.T + c
    assert np.allclose(got, wanted @ q, rtol=1e-12, atol=1e-13)


def test_refusals():
    x, out, q = np.ones((3, 2)), np.ones((2, 3)), np.eye(2)
    for bad, said in [
        ((x[0], out, q, q), "x must"), ((x, x, q, q), "other must"), ((x, out, np.eye(3), q), "rotation"),
        ((x, out, q, x), "basis"), ((x, out, q, q, np.ones(3)), "bias"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=said):
            slice_rotated_weights(*bad, k=1)
    for k in (0, 3):
        with pytest.raises(ValueError, match="k must be"):
            slice_rotated_weights(x, out, q, q, k=k)


def test_mimicking_by_hand():
    w, mean, cov = np.array([[1.0], [2.0]]), np.array([3.0, 5.0]), np.array([[4.0, 0.0], [0.0, 9.0]])
    w1, b1, w2, b2 = atomic_feature_mimicking(w, mean, cov, np.array([7.0, -1.0]), rank=1)
    assert (w1.tolist(), b1.tolist(), w2.tolist(), b2.tolist()) == ([[2]], [-1], [[0], [1]], [3, 0])


def test_mimicking_loses_the_variances_cut_off_as_pca_does():
    rng = np.random.default_rng(5)
    x, w, b = rng.normal(size=(50, 6)) + 2, rng.normal(size=(4, 6)), rng.normal(size=4)
    y = x @ w.T + b
    cov = np.cov(y.T, bias=True)
    w1, b1, w2, b2 = atomic_feature_mimicking(w, y.mean(axis=0), cov, b, rank=2)
    guess = (x @ w1.T + b1) @ w2.T + b2
    assert np.isclose(np.mean(np.sum((guess - y) ** 2, axis=1)), np.sum(np.linalg.eigvalsh(cov)[:2]), rtol=1e-12)
    decomposition = pytest.importorskip("sklearn.decomposition")
    pca = decomposition.PCA(2, svd_solver="full").fit(y)
    assert np.allclose(guess, pca.inverse_transform(pca.transform(y)), atol=1e-12)


def test_refusals_of_mimicking():
    w = np.ones((3, 2))
    for arrays, said in (
        ([w[0], w[:, 0], w], "x must"),
        ([w, w[0], np.eye(3)], "mean"),
        ([w, w[:, 0], np.eye(2)], "var"),
        ([w, w[:, 0], np.eye(3), w[0]], "bias"),
    ):
        with pytest.raises(ValueError, match=said):
            atomic_feature_mimicking(*arrays)
    with pytest.raises(ValueError, match="rank must be 1 to 3"):
        atomic_feature_mimicking(w, w[:, 0], np.eye(3), rank=4)
