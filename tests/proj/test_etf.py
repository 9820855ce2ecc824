"""Simplex frames by hand, and by their closed forms."""

import numpy as np
import pytest

from refnorm.proj import equiangular_basis, mutual_coherence, simplex_etf, simplex_vertices, sparse_etf_energy


@pytest.mark.parametrize("k", [2, 3, 7])
def test_a_frame_has_the_cosines_of_a_simplex(k):
    u = np.linalg.qr(np.random.default_rng(k).normal(size=(9, k)))[0]
    y = simplex_etf(u)
    wanted = (k * np.eye(k) - 1) / (k - 1)
    assert np.allclose(y.T @ y, wanted, atol=1e-14)
    assert not np.allclose(u.T @ u, wanted, atol=1e-3)
    assert np.isclose(float(mutual_coherence(y)), 1 / (k - 1), atol=1e-14)
    assert np.isclose(float(sparse_etf_energy(0.1 * y, clip=1.0)), -np.arccos(-1 / (k - 1)), atol=1e-6)


def test_by_hand():
    assert np.allclose(simplex_etf(np.eye(2)), np.sqrt(0.5) * np.array([[1, -1], [-1, 1]]), rtol=3e-16)
    assert np.isclose(float(mutual_coherence(np.array([[1.0, 3.0], [0.0, -4.0]]))), 0.6, rtol=1e-15)
    assert float(mutual_coherence(np.array([[1.0, 0.0], [2.0, 0.0]]))) == 0
    x = np.array([[2.0, 0.0], [0.0, 1.0]])
    assert np.isclose(float(sparse_etf_energy(x, norm=1.0)), 1 - np.pi / 2, rtol=1e-15)


def test_coherence_keeps_the_bound_of_welch():
    x = np.random.default_rng(0).normal(size=(4, 9))
    assert float(mutual_coherence(x)) >= np.sqrt((9 - 4) / (4 * 8))


def test_nan_is_not_swallowed():
    x = np.ones((3, 4))
    x[0, 0] = np.nan
    assert np.isnan(mutual_coherence(x))
    assert np.isnan(sparse_etf_energy(x))
    assert np.isnan(simplex_etf(x)[0]).all()
    assert np.isfinite(simplex_etf(x)[1:]).all()


@pytest.mark.parametrize("f", [simplex_etf, mutual_coherence, sparse_etf_energy])
def test_refusals(f):
    for bad in (np.ones(3), np.ones((3, 1)), np.ones((0, 3)), np.ones((2, 3, 4))):
        with pytest.raises(ValueError, match="x must have shape"):
            f(bad)


def test_options_are_refused():
    with pytest.raises(ValueError, match="norm"):
        sparse_etf_energy(np.ones((2, 2)), norm=np.nan)
    for clip in (0.0, 1.5):
        with pytest.raises(ValueError, match="clip"):
            sparse_etf_energy(np.ones((2, 2)), clip=clip)


@pytest.mark.parametrize("d", [1, 2, 7, 100])
def test_corners_have_the_cosines_of_a_simplex(d):
    y = simplex_vertices(np.zeros(d), scale=2.0)
    assert np.allclose(y @ y.T, 4 * ((d + 1) * np.eye(d + 1) - 1) / d, atol=1e-13)
    assert np.allclose(simplex_vertices(np.full(d, 5.0), scale=2.0), y + 5, rtol=1e-14)
    for bad, said in [({"scale": np.inf}, "scale"), ({"scale": np.nan}, "scale")]:
        with pytest.raises(ValueError, match=said):
            simplex_vertices(np.zeros(d), **bad)
    with pytest.raises(ValueError, match="axis -1 must not be empty"):
        simplex_vertices(np.zeros((2, 0)))


def test_rows_turn_away_from_one_another():
    x = np.array([[1.0, 0.0], [0.6, 0.8]])
    assert np.allclose(equiangular_basis(x, threshold=0.5, step=0.25, count=1), [[0.7, -0.4], [0.1, 0.8]])
    assert equiangular_basis(2 * x, threshold=0.6).tolist() == x.tolist()
    assert equiangular_basis(0 * x, threshold=0.6).tolist() == [[0, 0], [0, 0]]
    x = np.random.default_rng(3).normal(size=(6, 6))
    y = equiangular_basis(x, threshold=0.05, step=0.01, count=600)
    assert float(mutual_coherence(y.T)) <= 0.0501 < 0.2 < float(mutual_coherence(x.T))


@pytest.mark.parametrize(
    ("options", "error"),
    [({"threshold": 1.0}, ValueError), ({"threshold": 0.5, "step": -1.0}, ValueError),
     ({"threshold": 0.5, "count": 0}, ValueError), ({"threshold": 0.5, "count": 1.0}, TypeError)],
)  # fmt: skip
def test_steps_are_refused(options, error):
    with pytest.raises(error):
        equiangular_basis(np.ones((2, 2)), **options)
    with pytest.raises(ValueError, match="x must have shape"):
        equiangular_basis(np.ones(2), threshold=0.5)
