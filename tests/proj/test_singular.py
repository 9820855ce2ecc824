"""Maps by singular triples by hand, and against NumPy's decomposition."""

import numpy as np
import pytest

from refnorm.proj import svd_linear, svd_linear_vjp

U, S, V = np.array([[1.0], [0.0]]), np.array([2.0]), np.array([[0.5], [1.0]])


def test_by_hand():
    x = np.array([2.0, 4.0])
    assert svd_linear(x, U, S, V).tolist() == [10, 0]
    assert svd_linear(x, U, S, V, np.eye(2), np.array([0.0, 1.0])).tolist() == [12, 5]
    dx, du, ds, dv, drest, dbias = svd_linear_vjp(np.array([1.0, 2.0]), x, U, S, V)
    assert (dx.tolist(), du.tolist(), ds.tolist()) == ([1, 2], [[10], [20]], [5])
    assert (dv.tolist(), drest, dbias) == ([[4], [8]], None, None)


def test_a_decomposition_maps_as_its_matrix():
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(5, 7)), rng.normal(size=(3, 7))
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    assert np.allclose(svd_linear(x, u, s, vt.T), x @ w.T, rtol=1e-12, atol=1e-13)
    rest = w - (u[:, :2] * s[:2]) @ vt[:2]
    assert np.allclose(svd_linear(x, u[:, :2], s[:2], vt[:2].T, rest), x @ w.T, rtol=1e-12, atol=1e-13)


def test_refusals():
    x = np.ones((3, 2))
    for bad, said in [
        ((U, S[:0], V), "s must"), ((U.T, S, V), "u must"), ((U, S, V.T), "v must"),
        ((U, S, V, np.ones((2, 3))), "rest"), ((U, S, V, None, np.ones(3)), "bias"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=said):
            svd_linear(x, *bad)
