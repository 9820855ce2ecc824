"""A layer on modes by hand, and against einsum."""

import numpy as np
import pytest

from refnorm.proj import spectral_mode_mixing, spectral_weight_std


def test_by_hand():
    x, a, b = np.array([[[1.0, 2.0]]]), np.array([[[3.0, 4.0]]]), np.array([[[1.0], [0.0]], [[1.0], [0.0]]])
    assert spectral_mode_mixing(x, a, b, activation="none").tolist() == [[[12, 2]]]
    assert spectral_mode_mixing(x, -a, b, activation="relu", residual=False).tolist() == [[[0, 0]]]


def test_is_einsum():
    rng = np.random.default_rng(0)
    x, a, b = (rng.normal(size=s) for s in [(4, 3, 5), (3, 3, 5), (5, 5, 3)])
    wanted = x + np.einsum("bix,xyi->biy", np.sin(np.einsum("bix,iox->box", x, a)), b)
    assert np.allclose(spectral_mode_mixing(x, a, b), wanted, rtol=1e-12, atol=1e-13)


def test_refusals():
    x = np.ones((2, 3, 4))
    good = np.ones((3, 3, 4)), np.ones((4, 4, 3))
    with pytest.raises(ValueError, match="x must have shape"):
        spectral_mode_mixing(x[0], *good)
    with pytest.raises(ValueError, match="weight"):
        spectral_mode_mixing(x, good[1], good[1])
    with pytest.raises(ValueError, match="other"):
        spectral_mode_mixing(x, good[0], good[0])
    with pytest.raises(ValueError, match="activation"):
        spectral_mode_mixing(x, *good, activation="gelu")
    with pytest.raises(TypeError, match="residual"):
        spectral_mode_mixing(x, *good, residual=1)


def test_weights_keep_the_variance():
    """By the squares of the linear map from weights to outputs, and not by drawing."""
    assert spectral_weight_std(n=64, modes=4, channels=4) == 2
    assert spectral_weight_std(n=64, modes=4, channels=4, transform="rfft") == 1
    n, m = 12, 5
    k, t = np.arange(n)[:, None], np.arange(n)
    dct = np.cos(np.pi * (t + 0.5) * k / n) * np.where(k == 0, np.sqrt(1 / n), np.sqrt(2 / n))
    variance = spectral_weight_std(n=n, modes=m, channels=1) ** 2
    assert np.isclose(variance * np.sum(dct[:m] ** 2) / n, 1, rtol=1e-14)
    # a white signal has n in every mode of rfft; each unit of a weight's two parts moves the output by irfft
    variance = n * spectral_weight_std(n=n, modes=m, channels=1, transform="rfft") ** 2
    moved = [np.fft.irfft(part * np.eye(n // 2 + 1)[k], n) for k in range(m) for part in (1, 1j)]
    assert np.isclose(variance * np.sum(np.square(moved)) / n, (4 * m - 3) / (4 * m), rtol=1e-14)


def test_refusals_of_sizes():
    for options, said in (
        ({"modes": 0}, "modes"),
        ({"modes": 9}, "modes must be 1 to 8"),
        ({"modes": 6, "transform": "rfft"}, "modes must be 1 to 5"),
        ({"channels": 0}, "channels"),
        ({"transform": "fft"}, "transform"),
    ):
        with pytest.raises(ValueError, match=said):
            spectral_weight_std(**({"n": 8, "modes": 2, "channels": 1} | options))
    with pytest.raises(TypeError):
        spectral_weight_std(n=8.0, modes=2, channels=1)
