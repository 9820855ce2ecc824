"""The denoiser of a mixture of subspaces by hand, and by the density of a mixture of normals."""

import numpy as np
import pytest

from refnorm.proj import k_subspaces, subspace_mixture_denoiser


def test_by_hand():
    axes = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert subspace_mixture_denoiser(np.array([4.0, 0.0]), axes[:1]).tolist() == [2, 0]
    assert np.allclose(subspace_mixture_denoiser(np.array([2.0, 2.0]), axes), [0.5, 0.5], rtol=1e-15)
    assert np.allclose(subspace_mixture_denoiser(np.array([2.0, 2.0]), axes, np.array([3.0, 1.0])), [0.75, 0.25])
    far = subspace_mixture_denoiser(np.array([100.0, 1.0]), axes, scale=2.0)
    assert np.allclose(far, [40, 0], atol=1e-12)


def test_is_the_score_of_the_mixture():
    """E[x0 | x] = (x + g^2 grad log p(x)) / s."""
    multivariate_normal = pytest.importorskip("scipy.stats").multivariate_normal
    rng = np.random.default_rng(0)
    u = np.stack([np.linalg.qr(rng.normal(size=(4, 2)))[0].T for _ in range(3)])
    x, p, s, g = rng.normal(size=4), np.array([0.5, 0.3, 0.2]), 1.25, 0.5

    def log_density(x):
        each = [multivariate_normal(np.zeros(4), s * s * q.T @ q + g * g * np.eye(4)).pdf(x) for q in u]
        return np.log(p @ each)

    step = 1e-5 * np.eye(4)
    slope = np.array([(log_density(x + h) - log_density(x - h)) / 2e-5 for h in step])
    wanted = (x + g * g * slope) / s
    assert np.allclose(subspace_mixture_denoiser(x, u, p, scale=s, std=g), wanted, rtol=1e-7)


def test_refusals():
    x = np.ones((2, 3))
    for bad in (np.ones((2, 3)), np.ones((2, 1, 4)), np.ones((0, 1, 3))):
        with pytest.raises(ValueError, match="basis must have shape"):
            subspace_mixture_denoiser(x, bad)
    with pytest.raises(ValueError, match="weights"):
        subspace_mixture_denoiser(x, np.ones((2, 1, 3)), np.ones(3))
    for options in ({"scale": 0.0}, {"std": -1.0}, {"std": np.inf}):
        with pytest.raises(ValueError, match=next(iter(options))):
            subspace_mixture_denoiser(x, np.ones((2, 1, 3)), **options)


def test_a_round_of_k_subspaces_by_hand():
    x = np.array([[3.0, 1.0], [6.0, 2.0], [0.0, 5.0]])
    basis, energy, ids = k_subspaces(x, np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.6, 0.8]]]))
    assert ids.tolist() == [0, 0, 1]
    assert energy.tolist() == [9.0, 36.0, 25.0]
    assert np.allclose(basis[:2], [[[0.9**0.5, 0.1**0.5]], [[0.0, 1.0]]], rtol=1e-15, atol=1e-15)
    assert basis[2].tolist() == [[0.6, 0.8]]  # nobody's: kept


def test_k_subspaces_finds_planes():
    """Points of two planes in five dimensions: the energy never falls, and ends at all there is."""
    rng = np.random.default_rng(3)
    planes = np.linalg.qr(rng.normal(size=(2, 5, 2)))[0].mT
    x = np.concatenate([rng.normal(size=(30, 2)) @ plane for plane in planes])
    basis = np.linalg.qr(planes.mT + 0.3 * rng.normal(size=(2, 5, 2)))[0].mT
    energies = []
    for _ in range(15):
        basis, energy, ids = k_subspaces(x, basis)
        energies.append(energy.sum())
    assert np.all(np.diff(energies) >= -1e-12 * energies[-1])
    assert np.isclose(energies[-1], (x * x).sum(), rtol=1e-12)
    assert (ids[:30] == ids[0]).all()
    assert (ids[30:] == 1 - ids[0]).all()


def test_k_subspaces_refuses():
    x, basis = np.ones((4, 3)), np.ones((2, 1, 3))
    for call, said in [
        (lambda: k_subspaces(x[0], basis), r"shape \(n, d\), not empty, got \(3,\)"),
        (lambda: k_subspaces(x, basis[0]), r"basis must have shape \(subspaces, r, 3\)"),
        (lambda: k_subspaces(x[:1], np.ones((2, 2, 3))), "at most 1 rows"),
    ]:
        with pytest.raises(ValueError, match=said):
            call()
