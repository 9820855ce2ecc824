"""The denoiser of a mixture of subspaces by hand, and by the density of a mixture of normals."""

import numpy as np
import pytest

from refnorm.proj import subspace_mixture_denoiser


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
