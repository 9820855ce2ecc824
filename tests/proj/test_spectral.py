"""A layer on modes by hand, and against einsum."""

import numpy as np
import pytest

from refnorm.proj import spectral_mode_mixing


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
