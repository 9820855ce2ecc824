"""spade and coordinate_modulated_norm by hand, refusals, NaN, and the layers of released code written in torch."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import batch_norm_train, coordinate_modulated_norm, group_norm, layer_norm, spade

X = np.array([[[1.0, 3.0, 1.0, 3.0]]])  # mean 2, variance 1
ONE = np.ones((1, 1, 1))


def test_spade_by_hand():
    """The map (1, 0, -2, 0) gives (1, 0, 0, 0) by the rectifier; gains 1 + 2 h, shifts h of the left neighbour."""
    guide, left = np.array([[[1.0, 0.0, -2.0, 0.0]]]), np.array([[[1.0, 0.0, 0.0]]])
    y = spade(X, guide, ONE, 2 * ONE, left, eps=0.0)
    assert y.tolist() == [[[-3.0, 2.0, -1.0, 1.0]]]
    y = spade(X, guide, ONE, 2 * ONE, left, np.array([3.0]), np.array([-5.0]), np.array([7.0]), eps=0.0)
    # h = (4, 3, 1, 3), gains -4 + 2 h = (4, 2, -2, 2), shifts 7 + (0, 4, 3, 1)
    assert y.tolist() == [[[3.0, 13.0, 12.0, 10.0]]]
    assert np.allclose(spade(X, guide, ONE, 2 * ONE, left, eps=3.0), [[[-1.5, 1.5, -0.5, 0.5]]], rtol=1e-15)


def test_a_coarse_map_is_repeated_and_a_fine_one_thinned():
    """Of 2 sites on 4: 0 0 1 1. Of 3 on 4: 0 0 1 2. Of 6 on 4: 0 1 3 4."""
    for guide, wanted in (([5, 6], [5, 5, 6, 6]), ([5, 6, 7], [5, 5, 6, 7]), ([1, 2, 3, 4, 5, 6], [1, 2, 4, 5])):
        y = spade(X, np.array([[guide]], float), ONE, 0 * ONE, ONE, eps=0.0)
        assert (y - [[[-1, 1, -1, 1]]]).tolist() == [[wanted]]


def test_spade_is_a_norm_where_its_filters_are_nought():
    rng = np.random.default_rng(0)
    x, guide = rng.normal(size=(3, 6, 5, 4)), rng.normal(size=(3, 2, 5, 4))
    w, none = rng.normal(size=(4, 2, 3, 3)), np.zeros((6, 4, 1, 1))
    gain, shift = rng.normal(size=(2, 6))
    y = spade(x, guide, w, none, none, None, gain - 1, shift)
    assert np.allclose(y, batch_norm_train(x, gain, shift)[0], rtol=1e-12, atol=1e-12)
    y = spade(x, guide, w, none, none, None, gain - 1, shift, groups=3)
    assert np.allclose(y, group_norm(x, gain, shift, groups=3), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["code", "costg"])
def test_spade_equals_torch_written_as_released(name, torch):
    rng = np.random.default_rng(1)
    x, guide = rng.normal(size=(3, 64, 8, 6)), rng.normal(size=(3, 5, 4, 3))
    arrays = [rng.normal(size=s) / 6 for s in ((7, 5, 3, 3), (64, 7, 3, 3), (64, 7, 3, 3), 7, 64, 64)]
    options = refnorm.convention(name, "spade")
    t, m, w, gw, sw, b, gb, sb = (torch.from_numpy(a) for a in (x, guide, *arrays))
    f = torch.nn.functional
    z = f.group_norm(t, 32) if name == "costg" else f.batch_norm(t, None, None, training=True)
    h = f.conv2d(f.interpolate(m, size=(8, 6), mode="nearest"), w, b, padding=1)
    h = f.silu(h) if name == "costg" else f.relu(h)
    wanted = z * (1 + f.conv2d(h, gw, gb, padding=1)) + f.conv2d(h, sw, sb, padding=1)
    assert np.allclose(spade(x, guide, *arrays, **options), wanted.numpy(), rtol=1e-11, atol=1e-12)


# ---- a learned grid ----


def test_coordinates_by_hand():
    """Gains 1, 2, 4 at -1, 0, 1: at 0.5 it is 3, beyond 1 it stays 4. z = (-1, 1)."""
    x, u = np.array([[1.0, 3.0]] * 4), np.array([[-1.0], [0.5], [0.0], [7.0]])
    gain, shift = np.array([[1.0, 2.0, 4.0]]), np.array([[0.0, 0.0, 10.0]])
    y = coordinate_modulated_norm(x, u, gain, shift, eps=0.0)
    assert y.tolist() == [[-1.0, 1.0], [2.0, 8.0], [-2.0, 2.0], [6.0, 14.0]]
    y = coordinate_modulated_norm(x, u, gain, shift, eps=3.0)
    assert y[1].tolist() == [3.5, 6.5]
    y = coordinate_modulated_norm(np.array([[1.0, 1.0], [3.0, 3.0]]), u[:2], gain, shift, axis=(0, 1), eps=0.0)
    assert y.tolist() == [[-1.0, -1.0], [8.0, 8.0]]
    both = np.array([[1.0, 2.0, 4.0], [5.0, 5.0, 7.0]])
    assert coordinate_modulated_norm(x, u, both, 0 * both, eps=0.0)[1].tolist() == [-3.0, 6.0]


def test_the_first_coordinate_runs_along_the_first_axis():
    x, gain = np.array([[1.0, 3.0]]), np.array([[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]])
    for u, wanted in (((-1, -1), 0), ((-1, 1), 2), ((1, -1), 10), ((0, 0.5), 6.5), ((0.5, -2), 7.5)):
        y = coordinate_modulated_norm(x, np.array([u], float), gain, 0 * gain, eps=0.0)
        assert np.allclose(y, [[-wanted, wanted]], rtol=1e-15)


def test_a_nan_stays_where_it_is_looked_up():
    x, u = np.array([[1.0, 3.0]] * 3), np.array([[np.nan], [-0.5], [0.5]])
    grid = np.array([[1.0, 2.0, np.nan]])
    y = coordinate_modulated_norm(x, u, grid, 0 * grid[:, ::-1] + 1)
    assert np.isnan(y).tolist() == [[True] * 2] * 3
    y = coordinate_modulated_norm(x, u, grid, np.ones((1, 3)))
    assert np.isnan(y).tolist() == [[True] * 2, [False] * 2, [True] * 2]


def test_coordinates_equal_torch_written_as_released(torch):
    """grid_sample with the border repeated and nodes on it; it counts the axes of the grid from the last."""
    rng = np.random.default_rng(2)
    x, u = rng.normal(size=(50, 9)), rng.uniform(-1.2, 1.2, (50, 2))
    grids = rng.normal(size=(2, 1, 4, 5))
    f = torch.nn.functional
    t = torch.from_numpy(grids[:, 0])[None]
    at = torch.from_numpy(u)[None, :, None]
    gamma, beta = f.grid_sample(t, at, padding_mode="border", align_corners=True).view(2, -1, 1)
    wanted = f.instance_norm(torch.from_numpy(x)[None])[0] * gamma + beta
    options = refnorm.convention("code, images", "coordinate_modulated_norm")
    got = coordinate_modulated_norm(x, u[:, ::-1].copy(), *grids, **options)
    assert np.allclose(got, wanted.numpy(), rtol=1e-11, atol=1e-12)
    gain, shift = np.ones((1, 4, 5)), np.zeros((1, 4, 5))
    assert np.allclose(coordinate_modulated_norm(x, u, gain, shift), layer_norm(x), rtol=1e-13)


def test_video_equals_torch_written_as_released(torch):
    """A frame is normed a channel at a time, and its gain lies between those of two moments."""
    rng = np.random.default_rng(3)
    x, gain, shift = rng.normal(size=(2, 6, 5, 4)), *rng.normal(size=(2, 7, 4))
    moment = np.array([0.3, 0.95])
    z = torch.nn.functional.group_norm(torch.from_numpy(x).permute(0, 3, 1, 2), 4).permute(0, 2, 3, 1).numpy()
    left = np.floor(moment * 6).astype(int)
    t = (moment * 6 - left)[:, None]
    a, b = ((1 - t) * g[left] + t * g[left + 1] for g in (gain, shift))
    u = np.broadcast_to(2 * moment[:, None, None, None] - 1, (2, 6, 5, 1))
    options = refnorm.convention("code, video", "coordinate_modulated_norm")
    got = coordinate_modulated_norm(x, u, gain.T, shift.T, **options)
    assert np.allclose(got, z * a[:, None, None] + b[:, None, None], rtol=1e-11, atol=1e-12)


def test_refusals():
    x, m, w, g = np.ones((2, 4, 5)), np.ones((2, 3, 5)), np.ones((6, 3, 3)), np.ones((4, 6, 3))
    u, grid = np.ones((2, 4, 1)), np.ones((5, 3))
    modulate = coordinate_modulated_norm
    for call, error, said in [
        (lambda: spade(x, m[:1], w, g, g), ValueError, "guide must have 2 samples and no empty axis"),
        (lambda: spade(x, m[..., :0], w, g, g), ValueError, "guide must have 2 samples and no empty axis"),
        (lambda: spade(x, m[0], w, g, g), ValueError, r"x and guide must have shape \(N, C, \*spatial\)"),
        (lambda: spade(x[..., 0], m[..., 0], w, g, g), ValueError, r"x and guide must have shape"),
        (
            lambda: spade(x, m, w[:, :2], g, g),
            ValueError,
            r"weight must have shape \(outputs, 3, odd\), got",
        ),
        (lambda: spade(x, m, w[..., :2], g, g), ValueError, "weight must have shape"),
        (lambda: spade(x, m, w, g[:3], g), ValueError, r"gain_weight must have shape \(4, 6, odd\), got \(3, 6, 3\)"),
        (lambda: spade(x, m, w, g, g[:, :5]), ValueError, "shift_weight must have shape"),
        (lambda: spade(x, m, w, g, g, np.ones(4)), ValueError, r"bias must have shape \(6,\), got \(4,\)"),
        (lambda: spade(x, m, w, g, g, None, np.ones(6)), ValueError, r"gain_bias must have shape \(4,\)"),
        (lambda: spade(x, m, w, g, g, groups=3), ValueError, "groups must divide the channels"),
        (lambda: spade(x, m, w, g, g, activation="tanh"), ValueError, "activation must be one of relu, silu"),
        (lambda: spade(x[:0], m[:0], w, g, g), ValueError, "at least one element"),
        (lambda: spade(x, m, w, g, g, axis=0), ValueError, "axis must not be the sample axis"),
        (lambda: spade(x, m, w, g, g, eps=-1.0), ValueError, "eps"),
        (lambda: modulate(x, u, grid[:4], grid), ValueError, "gain must have shape"),
        (lambda: modulate(x, u, grid, grid[:, :2]), ValueError, r"shift must have shape \(5, 3\), got \(5, 2\)"),
        (lambda: modulate(x, u[:1], grid, grid), ValueError, r"coordinates must have shape \(2, 4, 1\)"),
        (lambda: modulate(x, np.ones((2, 4, 2)), grid, grid), ValueError, "coordinates must have shape"),
        (lambda: modulate(x[0, 0], u[0, 0], grid, grid), ValueError, r"x must have shape \(\*points, C\)"),
        (lambda: modulate(x, u, grid[:, :0], grid[:, :0]), ValueError, "not empty"),
        (lambda: modulate(x, u, grid, grid, axis=3), ValueError, "axis 3 does not exist"),
        (lambda: modulate(x, u, grid, grid, eps=-1.0), ValueError, "eps"),
    ]:
        with pytest.raises(error, match=said):
            call()
