"""learned_region_norm by hand, refusals, NaN, and the released code's way of computing it with torch."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import learned_region_norm, region_norm

X = np.array([[[1.0, -9.0, 3.0, -5.0]]])  # 1 and 3 above 0: mean 2, deviation 1; below: mean -7, deviation 2
ONE, STEEP = np.ones((1, 1, 1)), np.array([[[100.0], [0.0]]])


def test_by_hand():
    y = learned_region_norm(X, STEEP, 2 * ONE, 5 * ONE, np.array([1.0]), np.array([10.0]), eps=0.0)
    assert y.tolist() == [[[11.0, 8.0, 19.0, 12.0]]]  # gains 4 and 2, shifts 15 and 10
    y = learned_region_norm(X, STEEP, 0 * ONE, 0 * ONE, eps=3.0)
    assert np.allclose(y, [[[-0.5, -2 / 7**0.5, 0.5, 2 / 7**0.5]]], rtol=1e-15)
    y = learned_region_norm(X, STEEP, 0 * ONE, 0 * ONE, eps=1.5, eps_mode="plane")  # 3 of the half
    assert np.allclose(y, [[[-0.5, -2 / 7**0.5, 0.5, 2 / 7**0.5]]], rtol=1e-15)


def test_mean_and_maximum_by_hand():
    """Channels (1, 3) and (3, -3) have means 2 and 0, maxima 3 and 3. s = 1/2 is at the threshold 1/2."""
    x = np.array([[[1.0, 3.0], [3.0, -3.0]]])
    weight = np.log(3.0) * np.array([[[0.5], [0.0]]])
    y = learned_region_norm(x, weight, 0 * ONE, ONE, threshold=0.5, eps=1.0)
    apart = 2**-0.5 + 3 / 10**0.5  # one region of both: 1 over sqrt(2) and 3 over sqrt(10)
    assert np.allclose(y[:, 0] - y[:, 1], [[-apart, apart]], rtol=1e-15)
    y = learned_region_norm(x, weight, 0 * ONE, ONE, threshold=0.6, eps=1.0)  # each a region of one site: the shift
    assert np.allclose(y, [[[0.75, 0.5]] * 2], rtol=1e-15)
    with np.errstate(invalid="ignore"):  # the empty region, of deviation 0
        y = learned_region_norm(x, weight[:, ::-1], 0 * ONE, ONE, threshold=2.0, eps=0.0)
    shift = 3**1.5 / (1 + 3**1.5)
    assert np.allclose(y, [[[-1 + shift, 1 + shift], [1 + shift, -1 + shift]]], rtol=1e-14)


def test_a_nan_is_below_the_threshold():
    x = X.copy()
    x[0, 0, 0] = np.nan
    with np.errstate(all="ignore"):
        y = learned_region_norm(x, STEEP, ONE, 0 * ONE)
    assert np.isnan(y).tolist() == [[[True, True, False, True]]]
    assert learned_region_norm(X[:0], STEEP, ONE, ONE).shape == (0, 1, 4)


def test_is_region_norm_by_its_own_mask():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(3, 4, 6, 5)), rng.normal(size=(1, 2, 1, 1))
    s = 1 / (1 + np.exp(-weight[0, 0] * x.mean(axis=1) - weight[0, 1] * x.max(axis=1)))
    for how in ({}, {"per_sample": True}, {"eps_mode": "plane"}):
        wanted = region_norm(x, s[:, None] >= 0.6, eps=0.1, **how)
        got = learned_region_norm(x, weight, 0 * weight[:, :1], 0 * weight[:, :1], threshold=0.6, eps=0.1, **how)
        assert np.allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_equals_torch_written_as_released(torch):
    """Each region is filled with its mean elsewhere, batch-normed as a whole, and multiplied by sqrt(S / N)."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 8, 9, 10))
    arrays = [rng.normal(size=s) / 3 for s in ((1, 2, 7, 7), (1, 1, 7, 7), (1, 1, 7, 7), 1, 1)]
    t, w, gw, sw, gb, sb = (torch.from_numpy(a) for a in (x, *arrays))
    f = torch.nn.functional
    s = torch.sigmoid(f.conv2d(torch.cat([t.mean(1, keepdim=True), t.amax(1, keepdim=True)], 1), w, padding=3))
    z = 0
    for m in ((s >= 0.8).double(), (s < 0.8).double()):
        count = m.sum()
        mean = (t * m).sum((0, 2, 3)) / count
        filled = t * m + (1 - m) * mean[None, :, None, None]
        z = z + f.batch_norm(filled, None, None, training=True) * (count / m.numel()).sqrt()
    wanted = z * (1 + f.conv2d(s, gw, gb, padding=3)) + f.conv2d(s, sw, sb, padding=3)
    options = refnorm.convention("code", "learned_region_norm")
    assert np.allclose(learned_region_norm(x, *arrays, **options), wanted.numpy(), rtol=1e-11, atol=1e-12)


def test_no_gradient_of_the_threshold(torch):
    rng = np.random.default_rng(2)
    given = [
        torch.from_numpy(rng.normal(size=s)).requires_grad_() for s in ((2, 3, 6), (1, 2, 3), (1, 1, 3), (1, 1, 3))
    ]
    assert torch.autograd.gradcheck(lambda *a: learned_region_norm(*a, threshold=0.5, eps=0.1), given)


def test_refusals():
    x, w, g = np.ones((2, 4, 5)), np.ones((1, 2, 3)), np.ones((1, 1, 3))
    for call, error, said in [
        (lambda: learned_region_norm(x, g, g, g), ValueError, r"weight must have shape \(1, 2, odd\), got \(1, 1, 3\)"),
        (lambda: learned_region_norm(x, w, w, g), ValueError, "gain_weight must have shape"),
        (lambda: learned_region_norm(x, w, g, g[..., :2]), ValueError, "shift_weight must have shape"),
        (lambda: learned_region_norm(x, w, g, g, np.ones(4)), ValueError, r"gain_bias must have shape \(1,\), got"),
        (lambda: learned_region_norm(x, w, g, g, None, np.ones(4)), ValueError, "shift_bias must have shape"),
        (lambda: learned_region_norm(x, w, g, g, threshold="a"), TypeError, "threshold must be a real number, got 'a'"),
        (lambda: learned_region_norm(x, w, g, g, eps_mode="all"), ValueError, "eps_mode must be 'region' or 'plane'"),
        (lambda: learned_region_norm(x, w, g, g, axis=0), ValueError, "axis must not be the sample axis"),
        (lambda: learned_region_norm(x[..., :0], w, g, g), ValueError, "at least one element"),
        (lambda: learned_region_norm(x, w, g, g, eps=-1.0), ValueError, "eps"),
    ]:
        with pytest.raises(error, match=said):
            call()
