"""Point sets by hand, refusals, and what released code computes."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import gaussian_splat_normalize, knn_feature_norm, unit_sphere_normalize

NAN, INF = float("nan"), float("inf")
CLOUD = np.array([[4.0, 5.0], [-2.0, 5.0], [1.0, 5.0]])  # about (1, 5), the farthest 3 away


def test_sphere_by_hand():
    wanted = [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]
    assert unit_sphere_normalize(CLOUD).tolist() == wanted
    assert unit_sphere_normalize(np.stack([CLOUD, 4 * CLOUD + 1])).tolist() == [wanted, wanted]
    assert unit_sphere_normalize(CLOUD, eps=1.0).tolist() == [[0.75, 0.0], [-0.75, 0.0], [0.0, 0.0]]
    diagonal = unit_sphere_normalize(np.array([[3.0, 4.0], [-3.0, -4.0]]))
    assert np.allclose(diagonal, [[0.6, 0.8], [-0.6, -0.8]], rtol=1e-15)


def test_sphere_special_sets():
    same = np.full((4, 3), 2.5)
    with np.errstate(all="ignore"):
        assert np.isnan(unit_sphere_normalize(same)).all()
        for value in (NAN, INF, -INF):
            x = np.stack([CLOUD, CLOUD])
            x[0, 1, 0] = value
            got = unit_sphere_normalize(x)
            assert np.isnan(got[0]).all()
            assert np.isfinite(got[1]).all()
    assert unit_sphere_normalize(same, eps=0.5).tolist() == np.zeros((4, 3)).tolist()
    for scale in (1e-200, 1e200):
        assert np.allclose(unit_sphere_normalize(scale * CLOUD), unit_sphere_normalize(CLOUD), rtol=1e-14, atol=1e-16)
    with refnorm.compute("native"):
        got = unit_sphere_normalize((1e-30 * CLOUD).astype("float32"))
    assert np.allclose(got, unit_sphere_normalize(CLOUD), atol=1e-6)


def test_neighbours_by_hand():
    x, center = np.array([[[[1.0, 0.0], [3.0, 2.0]]]]), np.array([[[1.0, 2.0]]])
    got = knn_feature_norm(x, center, eps=0.0)  # differences 0, -2, 2, 0: variance 8 / 3
    s = np.sqrt(8 / 3)
    assert np.allclose(got, [[[[0, -2 / s, 1, 2], [2 / s, 0, 1, 2]]]], rtol=1e-15)
    weight, bias = np.array([s, s, 10.0, 100.0]), np.arange(4.0)
    got = knn_feature_norm(x, center, weight, bias, eps=0.0)
    assert np.allclose(got, [[[[0, -1, 12, 203], [2, 1, 12, 203]]]], rtol=1e-15)
    assert np.allclose(knn_feature_norm(x, center, eps=s)[0, 0, 1, 0], 1 / s, rtol=1e-15)


def test_neighbours_special_values():
    same = np.ones((1, 2, 3, 1))
    assert knn_feature_norm(same, np.zeros((1, 2, 1)), eps=0.5)[..., 0].tolist() == [[[2.0] * 3] * 2]
    x = np.random.default_rng(1).normal(size=(2, 2, 3, 2))
    x[0, 0, 0, 0] = NAN
    with np.errstate(all="ignore"):
        got = knn_feature_norm(x, np.ones((2, 2, 2)))
    assert np.isnan(got[..., :2]).all()
    assert (got[..., 2:] == 1).all()


def test_refusals():
    x, center = np.ones((2, 3, 4, 5)), np.ones((2, 3, 5))
    for call, error, said in [
        (lambda: unit_sphere_normalize(np.ones(3)), ValueError, r"shape \(..., N, D\), got \(3,\)"),
        (lambda: unit_sphere_normalize(np.ones((0, 3))), ValueError, "must hold points"),
        (lambda: unit_sphere_normalize(CLOUD, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (lambda: knn_feature_norm(x[0], center), ValueError, r"x must have shape \(B, G, K, C\), got \(3, 4, 5\)"),
        (lambda: knn_feature_norm(x[:0], center[:0]), ValueError, "two numbers at least"),
        (lambda: knn_feature_norm(x[:1, :1, :1, :1], center[:1, :1, :1]), ValueError, "two numbers at least"),
        (lambda: knn_feature_norm(x, center[:1]), ValueError, r"center must have shape \(2, 3, 5\)"),
        (lambda: knn_feature_norm(x, center, np.ones(5)), ValueError, r"weight must have shape \(10,\), got \(5,\)"),
        (lambda: knn_feature_norm(x, center, None, np.ones(5)), ValueError, r"bias must have shape \(10,\)"),
        (lambda: knn_feature_norm(x, center, eps="1"), TypeError, "eps must be a real number"),
        (lambda: knn_feature_norm(x, None), TypeError, "center must be an array, got None"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_gradients(torch, jax):
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.normal(size=(2, 5, 3))).requires_grad_()
    assert torch.autograd.gradcheck(unit_sphere_normalize, x)
    given = [torch.from_numpy(rng.normal(size=s)).requires_grad_() for s in ((2, 2, 3, 2), (2, 2, 2), (4,), (4,))]
    assert torch.autograd.gradcheck(lambda *a: knn_feature_norm(*a, eps=0.5), given)
    cloud = torch.tensor(CLOUD, requires_grad=True)  # one point lies on the mean: no length has a slope there
    assert torch.isfinite(torch.autograd.grad(unit_sphere_normalize(cloud).square().sum(), cloud)[0]).all()
    with jax.enable_x64(True):
        got = jax.jit(jax.vmap(unit_sphere_normalize))(jax.numpy.asarray(x.detach().numpy()))
        slope = jax.grad(lambda v: (unit_sphere_normalize(v) ** 2).sum())(jax.numpy.asarray(CLOUD))
    assert np.allclose(got, unit_sphere_normalize(x.detach().numpy()), rtol=1e-12)
    assert np.isfinite(slope).all()


# ---- Gaussian splats ----

PAIR = np.array([[4.0, 1.0], [0.0, 1.0]])  # about (2, 1), both 2 away
TURNS = np.array([[-3.0, 4.0, 0.0, 0.0], [0.0, 0.0, -2.0, 0.0]])


def splats(**options):
    scales = np.log(np.array([[6.0, 4.0], [2.0, 4.0]]))
    return gaussian_splat_normalize(PAIR, scales, TURNS, np.log([3.0, 1.0]), np.array([[1.0], [9.0]]), **options)


def test_splats_by_hand():
    x, scale, rotation, opacity, sh, mean, radius = splats(eps=0.0)
    assert x.tolist() == [[1.0, 0.0], [-1.0, 0.0]]
    assert np.allclose(scale, [[3.0, 2.0], [1.0, 2.0]], rtol=1e-15)
    assert np.allclose(rotation, [[0.6, -0.8, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0]], rtol=1e-15)
    assert np.allclose(opacity, [0.75, 0.5], rtol=1e-15)
    assert sh.tolist() == [[1.0], [9.0]]
    assert (mean.tolist(), radius.tolist()) == ([0.0, 0.0], 1.0)
    x, scale, rotation, opacity, sh, mean, radius = splats(kinds=("opacity", "scale", "sh"), eps=3.0)
    assert np.allclose(scale, [[1.0, 0.0], [-1.0, 0.0]], rtol=1e-15, atol=1e-15)  # 6 and 2 about 4, in units of 2
    assert np.allclose([*mean, radius], [2.0, 2.0, 1.0], rtol=1e-15)
    assert np.allclose(rotation[0], [3 / 8, -0.5, 0.0, 0.0], rtol=1e-15)
    assert np.allclose(opacity, [0.5, 0.0], rtol=1e-15)
    assert np.allclose(sh[:, 0], np.array([1 / np.sqrt(np.pi), 1.0]) / np.sqrt(3), rtol=1e-15)


def test_splats_all_in_one_place():
    same = np.ones((3, 2))
    with np.errstate(all="ignore"):
        x, scale, *_ = gaussian_splat_normalize(same, same, np.ones((3, 4)), np.ones(3), same)
        assert np.isnan(x).all()
        assert np.isposinf(scale).all()
        bad = np.stack([PAIR, PAIR])
        bad[0, 0, 0] = NAN
        two = np.stack([TURNS, TURNS])
        x, scale, rotation, *_ = gaussian_splat_normalize(bad, np.ones_like(bad), two, np.ones((2, 2)), bad)
    assert np.isnan(x[0]).all()
    assert np.isnan(scale[0]).all()
    assert np.isfinite(x[1]).all()
    assert np.isfinite(scale[1]).all()
    assert np.isfinite(rotation).all()


def test_what_is_no_splat_is_refused():
    x, q, z = np.ones((5, 3)), np.ones((5, 4)), np.ones(5)
    splat = gaussian_splat_normalize
    for call, error, said in [
        (lambda: splat(x, x[:4], q, z, x), ValueError, r"log_scale must have shape \(5, 3\), got \(4, 3\)"),
        (lambda: splat(x, x, x, z, x), ValueError, r"rotation must have shape \(5, 4\), got \(5, 3\)"),
        (lambda: splat(x, x, q, x, x), ValueError, r"opacity must have shape \(5,\), got \(5, 3\)"),
        (lambda: splat(x, x, q, z, x[:4]), ValueError, r"sh must have shape \(5, 3\), got \(4, 3\)"),
        (lambda: splat(x, x, q, z, None), TypeError, "sh must be an array, got None"),
        (lambda: splat(x, x, q, z, x, kinds=("rotation",)), ValueError, "kinds must be a tuple of some of opacity,"),
        (lambda: splat(x, x, q, z, x, kinds="sh"), ValueError, "kinds must be a tuple of some of opacity, scale, sh"),
        (lambda: splat(x, x, q, z, x, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (lambda: splat(x[:0], x[:0], q[:0], z[:0], x[:0]), ValueError, "must hold points"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_splats_as_released(torch):
    """Written in torch as the released code has it; its sign of 0 is 0, so there are no half turns in it."""
    rng = np.random.default_rng(5)
    given = [rng.normal(size=s) for s in ((9, 3), (9, 3), (9, 4), (9,), (9, 3))]
    given[4] *= 3
    options = refnorm.convention("code, all", "gaussian_splat_normalize")
    x, scale, q, o, sh = (torch.from_numpy(a) for a in given)
    x = x - x.mean(0)
    m = x.norm(dim=1).max()
    scale = scale.exp() / m
    mean = scale.mean(0)
    radius = (scale - mean).norm(dim=1).max()
    q = q / (q.norm(dim=1, keepdim=True) + 1e-9) * q[:, :1].sign()
    sh = 2 * (0.28209479177387814 * sh).clamp(-0.5, 0.5) / 3**0.5
    wanted = x / m, (scale - mean) / radius, q, 2 * o.sigmoid() - 1, sh, mean, radius
    for ours, theirs in zip(gaussian_splat_normalize(*given, **options), wanted, strict=True):
        assert np.allclose(ours, theirs.numpy(), rtol=1e-12, atol=1e-14)


# ---- released code, in other words ----


def test_pc_norm():
    x = np.random.default_rng(3).normal(5.0, 2.0, (12, 3))
    c = x - np.mean(x, axis=0)
    wanted = c / np.max(np.sqrt(np.sum(c**2, axis=1)))
    assert np.allclose(unit_sphere_normalize(x, **refnorm.convention("code", "unit_sphere_normalize")), wanted)


def test_k_norm(torch):
    rng = np.random.default_rng(4)
    x, center = torch.from_numpy(rng.normal(size=(2, 3, 4, 5))), torch.from_numpy(rng.normal(size=(2, 3, 5)))
    mean = center.unsqueeze(-2)
    scaled = (x - mean) / (torch.std(x - mean) + 1e-5)
    wanted = torch.cat([scaled, mean.expand_as(x)], dim=-1)
    options = refnorm.convention("code", "knn_feature_norm")
    assert torch.allclose(knn_feature_norm(x, center, **options), wanted, rtol=1e-13)
    biased = (x - mean) / (torch.std(x - mean, correction=0) + 1e-5)
    assert not torch.allclose(knn_feature_norm(x, center, **options)[..., :5], biased, rtol=1e-4)
