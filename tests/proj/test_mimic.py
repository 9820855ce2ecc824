"""Sliced layers by hand, and by what a block does."""

import numpy as np
import pytest

from refnorm.proj import slice_rotated_weights


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
