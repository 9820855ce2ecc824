"""Pyramids of bins by hand, refusals, and against torch and SciPy."""

import numpy as np
import pytest

import refnorm
from refnorm._lanes import cpu_level
from refnorm.pool import (
    spatial_pyramid_code_pool,
    spatial_pyramid_pool,
    spatial_pyramid_pool_vjp,
    spatial_pyramid_roi_pool,
)

X = np.arange(9.0).reshape(1, 1, 3, 3)


def test_by_hand():
    assert spatial_pyramid_pool(X, levels=(1, 2)).tolist() == [[8, 4, 5, 7, 8]]
    assert spatial_pyramid_pool(X, levels=(2, 1), reduce="mean").tolist() == [[2, 3, 5, 6, 4]]
    assert spatial_pyramid_pool(X, levels=(1, 2), tokens=True).tolist() == [[[8], [4], [5], [7], [8]]]
    assert spatial_pyramid_pool(X, levels=(2,), binning="window").tolist() == [[4, 5, 7, 8]]
    two = np.concatenate([X, -X], axis=1)
    assert spatial_pyramid_pool(two, levels=(1, 2)).tolist() == [[8, 0, 4, 5, 7, 8, 0, -1, -3, -4]]
    assert spatial_pyramid_pool(two, levels=(1,), tokens=True).tolist() == [[[8, 0]]]


def test_windows_of_the_paper():
    """13 cells give 1, 2, 3 and 6 bins; 10 cells give 9 windows for 6; 14 leave one out for 4."""
    line = np.arange(13.0).reshape(1, 1, 13)
    for level in (1, 2, 3, 6):
        assert spatial_pyramid_pool(line, levels=(level,), binning="window").shape == (1, level)
    assert spatial_pyramid_pool(line[..., :10], levels=(6,), binning="window").shape == (1, 9)
    line = np.arange(14.0).reshape(1, 1, 14)
    assert spatial_pyramid_pool(line, levels=(4,), binning="window").tolist() == [[3, 6, 9, 12]]
    dx = spatial_pyramid_pool_vjp(np.ones((1, 4)), line, levels=(4,), binning="window", reduce="mean")
    assert (4 * dx).tolist() == [[[1, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 1, 0]]]


def test_gradient_by_hand():
    x = np.array([[[5.0, 7.0, 7.0]]])
    g = np.array([[1.0, 10.0, 100.0]])
    assert spatial_pyramid_pool_vjp(g, x, levels=(1, 2)).tolist() == [[[0, 111, 0]]]
    assert spatial_pyramid_pool_vjp(3 * g, x, levels=(1, 2), reduce="mean").tolist() == [[[16, 166, 151]]]
    nan = np.array([[[np.nan, 1.0, -np.inf, -np.inf]]])
    assert spatial_pyramid_pool_vjp(g, nan, levels=(1, 2)).tolist() == [[[11, 0, 100, 0]]]


@pytest.mark.parametrize("reduce", ["max", "mean"])
def test_equals_torch(reduce, torch):
    pool = {"max": torch.nn.functional.adaptive_max_pool2d, "mean": torch.nn.functional.adaptive_avg_pool2d}[reduce]
    x = torch.randn(2, 3, 7, 10, dtype=torch.float64, requires_grad=True)
    wanted = torch.cat([pool(x, n).flatten(1) for n in (1, 2, 3, 6)], dim=1)
    y = spatial_pyramid_pool(x, reduce=reduce)
    torch.testing.assert_close(y, wanted, rtol=1e-13, atol=1e-14)
    g = torch.randn_like(wanted)
    (slope,) = torch.autograd.grad(wanted, x, g)
    torch.testing.assert_close(spatial_pyramid_pool_vjp(g, x.detach(), reduce=reduce), slope, rtol=1e-12, atol=1e-13)


def test_boxes_by_hand():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    first = np.array([0])

    def pooled(*box, **options):
        return spatial_pyramid_roi_pool(x, np.array([box]), first, levels=(1,), **options)[0, 0]

    assert pooled(8.0, 8.0, 40.0, 56.0) == 14  # columns 1 to 2, rows 1 to 3
    assert pooled(0.0, 0.0, 63.0, 63.0, kind="code") == 15
    assert pooled(0.0, 0.0, 63.0, 63.0, kind="code", reduce="mean") == 7.5
    assert pooled(3.0, 3.0, 4.0, 4.0) == 0  # from 1 to 0: the cell in the middle, 0
    assert pooled(900.0, 900.0, 999.0, 999.0) == 15
    assert pooled(-99.0, -99.0, -50.0, -40.0) == 0
    assert np.isnan(pooled(np.nan, 8.0, 40.0, 56.0))
    assert pooled(1.0, 1.0, 5.0, 7.0, stride=2) == 14


def test_codes_equal_scipy():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(300, 2)), rng.random((300, 2))
    for reduce in ("max", "mean"):
        y = spatial_pyramid_code_pool(x, u, levels=(1, 4), reduce=reduce)
        wanted = stats.binned_statistic_dd(u, list(x.T), reduce, bins=(4, 4), range=[(0, 1)] * 2).statistic
        np.testing.assert_allclose(y[1:].T.reshape(2, 4, 4), wanted, rtol=1e-12)
        np.testing.assert_allclose(y[0], getattr(x, reduce)(axis=0), rtol=1e-12)
    assert spatial_pyramid_code_pool(x[:0], u[:0], levels=(2,)).tolist() == [[0, 0]] * 4


def test_refusals():
    box, ids, u = np.zeros((2, 4)), np.array([0, 0]), np.zeros((9, 2))
    for call, error, said in [
        (lambda: spatial_pyramid_pool(X[0, 0]), ValueError, "x must have shape"),
        (lambda: spatial_pyramid_pool(X, levels=3), TypeError, "levels must be a tuple of ints"),
        (lambda: spatial_pyramid_pool(X, levels=(1.0,)), TypeError, "levels must be a tuple of ints"),
        (lambda: spatial_pyramid_pool(X, levels=()), ValueError, "levels must hold"),
        (lambda: spatial_pyramid_pool(X, levels=(0,)), ValueError, "levels must hold"),
        (lambda: spatial_pyramid_pool(X, levels=(4,), binning="window"), ValueError, "at most the 3 cells"),
        (lambda: spatial_pyramid_pool(X, reduce="sum"), ValueError, "reduce must be"),
        (lambda: spatial_pyramid_pool(X, binning="all"), ValueError, "binning must be"),
        (lambda: spatial_pyramid_pool(X, tokens=1), TypeError, "tokens must be True or False"),
        (lambda: spatial_pyramid_roi_pool(X, box[:, :3], ids), ValueError, "boxes must have shape"),
        (lambda: spatial_pyramid_roi_pool(X, box, ids[:1]), ValueError, "ids must have shape"),
        (lambda: spatial_pyramid_roi_pool(X, box, ids * 1.0), TypeError, "ids must hold integers"),
        (lambda: spatial_pyramid_roi_pool(X[0], box, ids), ValueError, "x must have shape"),
        (lambda: spatial_pyramid_roi_pool(X, box, ids, stride=0), ValueError, "stride must be"),
        (lambda: spatial_pyramid_roi_pool(X, box, ids, kind="all"), ValueError, "kind must be"),
        (lambda: spatial_pyramid_code_pool(X[0, 0], u), ValueError, "coordinates must have shape"),
        (lambda: spatial_pyramid_code_pool(X, u), ValueError, "x must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_wide_planes_are_taken_in_pieces(lane):
    """Wider than a kernel's line; the last piece begins inside a bin."""
    if lane == "kernel" and cpu_level() is None:
        pytest.skip("no kernels are compiled here")
    x = np.random.default_rng(5).normal(size=(1, 2, 3, 2500))
    with refnorm.lane(lane):
        y = spatial_pyramid_pool(x, levels=(1, 3))
    wanted = [x.max(axis=(2, 3)).ravel()]
    ends = [(0, 834), (833, 1667), (1666, 2500)]
    wanted.append(np.array([[[x[0, c, i, a:b].max() for a, b in ends] for i in range(3)] for c in range(2)]).ravel())
    assert np.array_equal(y[0], np.concatenate(wanted))


def test_a_grid_too_fine_for_the_kernel_is_right_too():
    x = np.random.default_rng(6).normal(size=(1, 1, 140, 140))
    y = spatial_pyramid_pool(x, levels=(70,), reduce="mean")
    assert np.allclose(y.reshape(70, 70), x.reshape(70, 2, 70, 2).mean(axis=(1, 3)), rtol=1e-14, atol=1e-16)
