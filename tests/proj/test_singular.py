"""Maps by singular triples by hand, and against NumPy's decomposition."""

import numpy as np
import pytest

from refnorm.proj import sample_singular_directions, svd_linear, svd_linear_vjp

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


def test_draws_by_hand():
    x, u = np.array([1.0, 2.0, 5.0]), np.exp(-np.array([1.0, 1.0, 3.0]))
    p, places = sample_singular_directions(x, u, k=3, alpha=0.0)
    assert (p.tolist(), places.tolist()) == ([0.125, 0.25, 0.625], [1, 2, 0])
    p, places = sample_singular_directions(x, u, k=1, alpha=1.0)
    assert (np.allclose(p, 1 / 3, rtol=1e-15), places.tolist()) == (True, [0])


def test_chances_are_those_of_draws_one_by_one():
    """Of two out of three: the first by its share, the second by its share of what is left."""
    rng, x = np.random.default_rng(0), np.array([1.0, 3.0, 4.0])
    p, places = sample_singular_directions(np.tile(x, (40_000, 1)), rng.uniform(size=(40_000, 3)), k=2)
    a, b, c = p[0]
    assert np.allclose([a, b, c], 1 / 6 + x / 16, rtol=1e-15)
    wanted = {(0, 1): a * b / (1 - a), (1, 0): b * a / (1 - b), (2, 1): c * b / (1 - c)}
    for (i, j), chance in wanted.items():
        assert abs(np.mean((places == [i, j]).all(axis=1)) - chance) < 0.01


def test_draws_refuse():
    x = np.ones((2, 3))
    for k in (0, 4):
        with pytest.raises(ValueError, match="k must be from"):
            sample_singular_directions(x, x, k=k)
    with pytest.raises(ValueError, match="u must"):
        sample_singular_directions(x, x[0], k=1)
    for alpha in (-0.5, 1.5, np.nan):
        with pytest.raises(ValueError, match="alpha"):
            sample_singular_directions(x, x, k=1, alpha=alpha)
