"""Cosine transforms by hand and against SciPy, and a layer on modes against einsum."""

import numpy as np
import pytest

from refnorm.proj import dct, spectral_mode_mixing, spectral_truncate, spectral_weight_std


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


def test_transforms_by_hand():
    x = np.array([1.0, 2.0, 3.0])
    assert dct(x, kind=1, norm="backward").tolist() == [8, -2, 0]
    assert dct(x, norm="backward")[[0, 2]].tolist() == [12, 0]
    assert np.allclose(dct(x, norm="backward")[1], 2 * (1 - 3) * np.cos(np.pi / 6), rtol=1e-15)
    assert np.allclose(dct(x, kind=3, norm="forward")[1], (0.5 - 3) / 3, rtol=1e-15)
    assert dct(np.full(5, 0.1, "f"))[1:].tolist() == [0, 0, 0, 0]
    assert spectral_truncate(np.array([1.0, 5.0, 6.0]), k=1).tolist() == [4, 4, 4]
    assert spectral_truncate(np.array([1.0, 5.0, 6.0]), k=1, kind="high").tolist() == [-3, 1, 2]
    assert spectral_truncate(np.array([[1.0], [5.0], [6.0]]), k=2, axis=0).round(12).tolist() == [[1.5], [4], [6.5]]


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_is_what_scipy_gives(kind, norm):
    fft = pytest.importorskip("scipy.fft")
    rng = np.random.default_rng(0)
    for n in (2, 3, 8, 30):
        x = rng.normal(size=(5, n, 2))
        wanted = fft.dct(x, type=kind, axis=1, norm=norm)
        assert np.allclose(dct(x, axis=1, kind=kind, norm=norm), wanted, rtol=1e-13, atol=1e-13 * n)
        back = {1: 1, 2: 3, 3: 2, 4: 4}[kind]
        other = {"ortho": "ortho", "backward": "forward", "forward": "backward"}[norm]
        assert np.allclose(dct(wanted, axis=1, kind=back, norm=other), x, rtol=1e-13, atol=1e-13 * n)


def test_low_modes_are_those_of_scipy():
    fft = pytest.importorskip("scipy.fft")
    x = np.random.default_rng(1).normal(size=(4, 11))
    wanted = fft.idct(fft.dct(x)[:, :5], n=11)
    assert np.allclose(spectral_truncate(x, k=5), wanted, rtol=1e-13, atol=1e-14)
    assert np.allclose(spectral_truncate(x, k=5, kind="high"), x - wanted, rtol=1e-13, atol=1e-14)


def test_fewer_digits_are_lost_than_by_a_fast_transform():
    fft = pytest.importorskip("scipy.fft")
    n, x = 257, np.random.default_rng(2).normal(size=(3, 257))
    places = (2 * np.arange(n)[:, None] + 1) * (2 * np.arange(n) + 1) % (8 * n)
    cosines = np.cos(places * (np.arctan(np.longdouble(1)) / n))
    exact = np.sqrt(np.longdouble(2) / n) * np.sum(x[:, None, :] * cosines, axis=-1)
    ours, theirs = (np.mean((y - exact) ** 2) ** 0.5 for y in (dct(x, kind=4), fft.dct(x, type=4, norm="ortho")))
    assert ours < theirs / 2


def test_transforms_refuse():
    x = np.ones((2, 3))
    with pytest.raises(TypeError, match="axis must be one int"):
        dct(x, axis=(0, 1))
    for kind in (0, 5):
        with pytest.raises(ValueError, match="kind"):
            dct(x, kind=kind)
    with pytest.raises(ValueError, match="kind"):
        dct(np.ones(1), kind=1)
    with pytest.raises(ValueError, match="norm must be one of"):
        dct(x, norm=None)
    for k in (0, 4):
        with pytest.raises(ValueError, match="k must be"):
            spectral_truncate(x, k=k)
    with pytest.raises(ValueError, match="kind"):
        spectral_truncate(x, k=1, kind="middle")
    for f in (dct, lambda a: spectral_truncate(a, k=1)):
        with pytest.raises(ValueError, match="empty"):
            f(np.ones((2, 0)))
