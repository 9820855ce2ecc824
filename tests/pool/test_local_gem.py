"""Generalized means of parts by hand, refusals, and against torch."""

import numpy as np
import pytest

from refnorm.pool import gem_pool, regional_gem_pool, scale_gem_pool, strip_gem_pool


def test_by_hand():
    line = np.array([[[1.0, 3.0, 8.0]]])
    np.testing.assert_allclose(regional_gem_pool(line, window=3, p=1), [[[5 / 3, 3.5, 19 / 3]]], rtol=1e-15)
    np.testing.assert_allclose(regional_gem_pool(line, window=1), line, rtol=1e-15)
    x = np.array([[[3.0, 4.0]], [[0.0, -2.0]], [[0.0, 0.0]]])
    assert scale_gem_pool(x).tolist() == [[0.6, 0.8]]
    np.testing.assert_allclose(scale_gem_pool(x[:2], p=1), [[1.5, 1.0]], rtol=1e-15)
    np.testing.assert_allclose(scale_gem_pool(x[:2], p=2), [[14.5**0.5 - 2, 18**0.5 - 2]], rtol=1e-15)
    frames = np.array([[[1.0, 5.0], [3.0, 2.0]], [[0.0, 7.0], [4.0, 1.0]]])[None, None]
    np.testing.assert_allclose(strip_gem_pool(frames, split=(2, 1, 1), p=1), [[[3.5, 4.0, 3.0]]], rtol=1e-14)


def test_regional_as_the_released_code_has_it(torch):
    """rgem.py: the map over the root of the window's size, reflected, through LPPool2d; half and half."""
    x = torch.rand(2, 3, 9, 8, dtype=torch.float64)
    around = torch.nn.functional.pad(x / 25 ** (1 / 2.5), (2, 2, 2, 2), mode="reflect")
    wanted = 0.5 * torch.nn.LPPool2d(2.5, 5, stride=1)(around) + 0.5 * x
    torch.testing.assert_close(regional_gem_pool(x), wanted, rtol=1e-13, atol=0)


def test_scales_as_the_released_code_has_them(torch):
    x = torch.randn(3, 2, 5, dtype=torch.float64)
    torch.testing.assert_close(scale_gem_pool(x), torch.nn.functional.normalize(x, dim=-1).amax(0), rtol=1e-13, atol=0)
    g = x.min()
    wanted = (x - g).pow(10).mean(0).pow(1 / 10) + g
    torch.testing.assert_close(scale_gem_pool(x, p=10), wanted, rtol=1e-12, atol=1e-13)


def test_strips_are_means_of_the_maximum():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 6, 5))
    m = x.max(axis=2)
    parts = [m[:, :, :6], m[:, :, :2], m[:, :, 2:6]]
    wanted = [gem_pool(part, axis=(2, 3), p=p, eps=0.1) for part, p in zip(parts, (1.0, 4.0, -2.0), strict=True)]
    for p in ((1.0, 4.0, -2.0), np.array([1.0, 4.0, -2.0])):
        got = strip_gem_pool(x, split=(6, 2, 4), p=p, eps=0.1)
        np.testing.assert_allclose(got, np.stack(wanted, axis=2), rtol=1e-14)


def test_refusals():
    line, x, frames = np.ones((1, 1, 3)), np.ones((2, 1, 3)), np.ones((1, 1, 2, 4, 3))
    for call, error, said in [
        (lambda: regional_gem_pool(line, window=2), ValueError, "window must be odd"),
        (lambda: regional_gem_pool(line, window=7), ValueError, "window must reach less than the 3 cells"),
        (lambda: regional_gem_pool(line, window=3.0), TypeError, "window must be an int"),
        (lambda: regional_gem_pool(line, window=3, p=0), ValueError, "p must be finite and above zero"),
        (lambda: scale_gem_pool(x[0]), ValueError, "x must have shape"),
        (lambda: scale_gem_pool(x, p=np.inf), ValueError, "p must be finite and above zero"),
        (lambda: strip_gem_pool(frames[0], split=(4,)), ValueError, "x must have shape"),
        (lambda: strip_gem_pool(frames, split=(3,)), ValueError, "split must fill the 4 rows"),
        (lambda: strip_gem_pool(frames, split=(3, 2, 3)), ValueError, "split must fill the 4 rows"),
        (lambda: strip_gem_pool(frames, split=()), ValueError, "split must fill the 4 rows"),
        (lambda: strip_gem_pool(frames, split=4), TypeError, "split must be a tuple of ints"),
        (lambda: strip_gem_pool(frames, split=(4,), p=(1.0, 2.0)), ValueError, "p must have shape"),
        (lambda: strip_gem_pool(frames, split=(4,), p=(np.inf,)), ValueError, "p must be finite"),
        (lambda: strip_gem_pool(frames, split=(4,), eps=0), ValueError, "eps must be above zero"),
    ]:
        with pytest.raises(error, match=said):
            call()
