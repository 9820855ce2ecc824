"""gem_pool: numbers by hand, exponents by array, refusals, special values, and other people's implementations."""

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refnorm
from refnorm._lanes import cpu_level
from refnorm.pool import gem_pool, gem_pool_vjp

LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])
EXPONENTS = [
    -20.0,
    -6.0,
    -2.5,
    -1,
    -0.3,
    -1e-3,
    -1e-6,
    -1e-13,
    0,
    1e-13,
    1e-6,
    4e-4,
    0.02,
    0.5,
    1,
    2,
    3,
    4,
    4.6,
    5,
    6,
    7,
    50.0,
]
BOTH = ("formula", "kernel") if cpu_level() else ("formula",)


@LANES
@pytest.mark.parametrize(
    ("p", "wanted"),
    [
        (1, 7 / 3),
        (2, 7**0.5),
        (3, (73 / 3) ** (1 / 3)),
        (0, 2.0),
        (0.0, 2.0),
        (-1, 12 / 7),
        (0.5, ((3 + 2**0.5) / 3) ** 2),
        (-2.0, (16 / 7) ** 0.5),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_by_hand(lane, p, wanted, dtype):
    with refnorm.lane(lane):
        y = gem_pool(np.array([[1.0, 2.0, 4.0]], dtype), axis=1, p=p)
    assert np.allclose(y, [wanted], rtol=1e-7 if dtype == "float32" else 2e-15, atol=0)


@LANES
def test_eps_holds_up_what_is_raised(lane):
    x = np.array([[-5.0, 0.0, 0.25, 4.0]])
    with refnorm.lane(lane):
        assert np.allclose(gem_pool(x, axis=1, p=1, eps=0.5), [5.5 / 4])
        assert np.allclose(gem_pool(x, axis=1, p=-1, eps=0.5), [4 / 6.25])


@LANES
def test_one_axis_left_none(lane):
    x = np.array([1.0, 2.0, 4.0])
    with refnorm.lane(lane):
        assert gem_pool(x, axis=0, p=0).shape == ()
        assert np.allclose(gem_pool(x, axis=0, p=0), 2)
        out = np.zeros(())
        assert gem_pool(x, axis=0, p=0, out=out) is out
        assert np.allclose(gem_pool_vjp(np.array(3.0), x, axis=0, p=1), [1, 1, 1])


@LANES
@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("layout", ["rows", "channels"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_exponent(lane, p, layout, dtype):
    """The error does not grow as p vanishes, whatever lies side by side in memory."""
    x = np.random.default_rng(0).gamma(2.0, 1.0, (2, 67, 37)).astype(dtype)
    x = x if layout == "rows" else np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
    (wanted,) = oracles.exact("gem_pool", [x], {"axis": 2, "p": p})
    with refnorm.lane(lane):
        off = oracles.ulps(gem_pool(x, axis=2, p=p), wanted)
    assert off.max() <= (4 if dtype == "float64" else 0.51)


@LANES
@pytest.mark.parametrize("p", [-15.0, -7.0, -1.0, -1e-4, 0, 1e-4, 0.4, 1, 3, 7.0, 15.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_power_overflows_or_vanishes(lane, p, dtype):
    size = 1e37 if dtype == "float32" else 1e300
    with refnorm.lane(lane), np.errstate(over="ignore"):
        for scale in (size, 1 / size):
            x = (scale * np.random.default_rng(1).uniform(0.5, 2.0, (3, 40))).astype(dtype)
            (wanted,) = oracles.exact("gem_pool", [x], {"axis": 1, "p": p, "eps": 2.0**-1022})
            off = oracles.ulps(gem_pool(x, axis=1, p=p, eps=2.0**-1022), wanted)
            assert off.max() <= (4 if dtype == "float64" else 0.51)
        far = np.array([[1 / size, size]], dtype)  # their quotient leaves the normal numbers
        (wanted,) = oracles.exact("gem_pool", [far], {"axis": 1, "p": p, "eps": 2.0**-1022})
        assert np.allclose(
            gem_pool(far, axis=1, p=p, eps=2.0**-1022), wanted.astype(dtype), rtol=1e-6 if dtype == "float32" else 2e-13
        )


@LANES
@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("layout", ["rows", "channels"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity(lane, p, layout, dtype):
    x = np.random.default_rng(2).gamma(2.0, 1.0, (1, 5, 41)).astype(dtype)
    x[0, 1, 7] = np.nan
    x[0, 2, 40] = np.inf
    x[0, 3] = -np.inf
    x[0, 4] = np.inf
    x = x if layout == "rows" else np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
    with refnorm.lane(lane), np.errstate(all="ignore"):
        y = gem_pool(x, axis=2, p=p)[0]
        mixed = np.array(x)
        mixed[0, 2, 0] = np.nan
        assert np.isnan(gem_pool(mixed, axis=2, p=p)[0, 2])
    assert np.isfinite(y[0])
    assert np.isnan(y[1])
    if p < -1e-3:  # an infinity adds nothing
        rest = gem_pool(x[:, 2:3, :40], axis=2, p=p)[0, 0]
        assert np.isclose(y[2], rest * (40 / 41) ** (1 / p), rtol=1e-5)
    elif p >= 0:
        assert y[2] == np.inf
    assert np.isclose(y[3], 1e-6, rtol=1e-6)
    assert y[4] == np.inf


# ---- one exponent a channel ----


@LANES
@pytest.mark.parametrize("layout", ["rows", "channels"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_exponents_by_array_are_those_one_by_one(lane, layout, dtype):
    each = np.array(EXPONENTS * 13)[:291].astype(dtype)  # more than are taken together, unlike ones side by side
    x = np.random.default_rng(3).gamma(2.0, 1.0, (2, 291, 11)).astype(dtype)
    x = x if layout == "rows" else np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
    with refnorm.lane(lane):
        y = gem_pool(x, axis=2, p=each)
        assert np.array_equal(y, gem_pool(x, axis=2, p=tuple(float(p) for p in each)))
        for channel in range(0, 291, 17):
            alone = gem_pool(x, axis=2, p=float(each[channel]))[:, channel]
            assert np.array_equal(y[:, channel], alone)


@LANES
def test_groups_are_repeated_exponents(lane):
    """Ko et al. 2022: tokens (B, N, C), one exponent for each group of channels."""
    x = np.random.default_rng(4).normal(size=(2, 7, 6))
    p = np.array([2.0, 5.0])
    with refnorm.lane(lane):
        y = gem_pool(x, axis=1, p=np.repeat(p, 3))
        assert np.allclose(y[:, :3], gem_pool(x[:, :, :3], axis=1, p=2.0))
        assert np.allclose(y[:, 3:], gem_pool(x[:, :, 3:], axis=1, p=5.0))


@LANES
@pytest.mark.parametrize("layout", ["rows", "channels"])
def test_the_cotangent_of_exponents(lane, layout):
    """Central differences in long double, on both lanes; at 0 the limit."""
    each = np.array([-20.0, -2.5, -1.0, -1e-3, 0.0, 1e-6, 0.3, 1.0, 3.0, 4.6, 30.0])
    rng = np.random.default_rng(5)
    x, g = rng.normal(1.0, 1.0, (3, 11, 40)), rng.normal(size=(3, 11))
    x = x if layout == "rows" else np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
    h = oracles.WIDE(1e-6)
    wide = x.astype(oracles.WIDE)

    def at(p):
        (y,) = oracles.exact("gem_pool", [wide], {"axis": 2, "p": tuple(p), "eps": 0.1})
        return y

    wanted = ((at(each + h) - at(each - h)) / (2 * h) * g).sum(axis=0)
    with refnorm.lane(lane):
        dx, dp = gem_pool_vjp(g, x, axis=2, p=each, eps=0.1)
        for dtype in ("float32", "float64"):
            d, e = gem_pool_vjp(g.astype(dtype), x.astype(dtype), axis=2, p=each.astype(dtype), eps=0.1)
            assert d.dtype == e.dtype == dtype
            assert np.allclose(e, dp, rtol=1e-4, atol=1e-6)
    assert np.allclose(dp, wanted.astype(float), rtol=1e-7, atol=1e-9)
    assert np.allclose(dx, gem_pool_vjp(g, x, axis=2, p=tuple(each), eps=0.1), rtol=1e-12)


def test_exponents_of_their_own_dtype(torch):
    """A learned exponent may be wider than the data; a gradient wanted of it keeps the formula."""
    x = torch.rand(2, 3, 8).bfloat16()
    p = torch.tensor([1.5, 2.5, 3.0], requires_grad=True)
    y = gem_pool(x, axis=2, p=p)
    assert y.dtype == torch.bfloat16
    assert y.requires_grad
    with pytest.raises(RuntimeError, match="a gradient is wanted"), refnorm.lane("kernel"):
        gem_pool(x, axis=2, p=p)
    with refnorm.lane(BOTH[-1]):
        assert torch.equal(gem_pool(x, axis=2, p=p.detach()), y.detach())
        dx, dp = gem_pool_vjp(y.detach(), x, axis=2, p=p.detach())
    assert dx.dtype == torch.bfloat16
    assert dp.dtype == torch.float32


@pytest.mark.parametrize("each", [(0.0, 0.5, -2.0), (1e-12, 1.0, 3.0)])
def test_gradients_are_what_torch_and_jax_make_of_the_formula(each, torch, jax):
    """Kinks included: elements at eps and below, ties of the largest, p = 0."""
    x = np.random.default_rng(6).normal(size=(2, 3, 7))
    x[0, :, 2] = 0.25
    x[1, :, 3:5] = 2.0
    p, g = np.array(each), np.random.default_rng(7).normal(size=(2, 3))
    given = [torch.from_numpy(a).requires_grad_() for a in (x, p)]
    wanted = torch.autograd.grad(gem_pool(given[0], axis=2, p=given[1], eps=0.25), given, torch.from_numpy(g))
    with jax.enable_x64(True):
        also = jax.jit(lambda v, w, c: jax.vjp(lambda a, b: gem_pool(a, axis=2, p=b, eps=0.25), v, w)[1](c))(x, p, g)
    for lane in BOTH:
        with refnorm.lane(lane):
            got = gem_pool_vjp(g, x, axis=2, p=p, eps=0.25)
        for ours, theirs, too in zip(got, wanted, also, strict=True):
            assert np.allclose(ours, theirs.numpy(), rtol=1e-9, atol=1e-11)
            assert np.allclose(ours, too, rtol=1e-9, atol=1e-11)
        assert (got[0][0, :, 2] == 0).all()  # at eps


def test_gradcheck_with_learned_exponents(torch):
    x = torch.rand(2, 3, 5, dtype=torch.float64, requires_grad=True)
    p = torch.tensor([0.7, 3.0, -1.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: gem_pool(a, axis=2, p=b), (x, p))
    torch._dynamo.reset()
    compiled = torch.compile(lambda a, b: gem_pool(a, axis=2, p=b), fullgraph=True, backend="eager")
    assert torch.allclose(compiled(x.detach(), p.detach()), gem_pool(x, axis=2, p=p).detach(), rtol=1e-14)


# ---- refusals ----


@LANES
def test_refusals(lane):
    x = np.ones((2, 3, 4), "float32")
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: gem_pool(x), TypeError, "axis"),
            (lambda: gem_pool(x, axis=3), ValueError, "axis 3 does not exist"),
            (lambda: gem_pool(x, axis=2, eps=0.0), ValueError, "eps must be above zero"),
            (lambda: gem_pool(x, axis=2, eps=-1.0), ValueError, "eps"),
            (lambda: gem_pool(x, axis=2, p=float("inf")), ValueError, "p must be finite, got inf"),
            (lambda: gem_pool(x, axis=2, p=float("nan")), ValueError, "p must be finite, got nan"),
            (lambda: gem_pool(x, axis=2, p=(1.0, float("nan"), 2.0)), ValueError, "p must be finite, got nan"),
            (lambda: gem_pool(x, axis=2, p=(1.0, 2.0)), ValueError, r"p must have shape \(3,\).*got \(2,\)"),
            (lambda: gem_pool(x, axis=2, p=np.ones(4, "float32")), ValueError, r"shape \(3,\).*got \(4,\)"),
            (lambda: gem_pool(x[0, 0], axis=0, p=np.ones(1, "float32")), ValueError, "p must have shape"),
            (lambda: gem_pool(x, axis=2, p=("1", 2, 3)), TypeError, "p must hold real numbers, got str"),
            (lambda: gem_pool(x, axis=2, p=np.arange(3)), TypeError, "gem_pool: p must hold real floating"),
            (lambda: gem_pool(x, axis=2, p="3"), TypeError, "gem_pool: p must be an array"),
            (lambda: gem_pool(np.ones((2, 0)), axis=1), ValueError, "must not be empty"),
            (lambda: gem_pool_vjp(x, x, axis=2), ValueError, r"cotangent must have shape \(2, 3\)"),
        ]:
            with pytest.raises(error, match=said):
                call()


def test_refuses_exponents_of_another_library(torch):
    with pytest.raises(TypeError, match=r"numpy.*torch"):
        gem_pool(np.ones((2, 3)), axis=1, p=torch.ones(2))


# ---- other people's implementations ----

X = np.random.default_rng(8).normal(size=(2, 6, 5, 4))


def cirtorch_gem(torch, x, p, eps):
    return torch.nn.functional.avg_pool2d(x.clamp(min=eps).pow(p), x.shape[2:]).pow(1 / p)[..., 0, 0]


def superglobal_gemp(torch, x, p, eps):
    return torch.nn.functional.adaptive_avg_pool2d(x.clamp(min=eps).pow(p), 1).pow(1 / p).flatten(1)


@pytest.mark.parametrize(("name", "theirs"), [("cirtorch", cirtorch_gem), ("superglobal", superglobal_gemp)])
def test_equals_released_code(name, theirs, torch):
    options = refnorm.convention(name, "gem_pool")
    given = torch.from_numpy(X).requires_grad_()
    y = theirs(torch, given, **options)
    assert np.allclose(gem_pool(X, axis=(2, 3), **options), y.detach().numpy(), rtol=1e-13)
    g = np.random.default_rng(9).normal(size=y.shape)
    (wanted,) = torch.autograd.grad(y, given, torch.from_numpy(g))
    assert np.allclose(gem_pool_vjp(g, X, axis=(2, 3), **options), wanted.numpy(), rtol=1e-11, atol=1e-14)
    other = refnorm.convention({"cirtorch": "superglobal", "superglobal": "cirtorch"}[name], "gem_pool")
    assert not np.allclose(gem_pool(X, axis=(2, 3), **other), y.detach().numpy(), rtol=1e-2)


@pytest.mark.parametrize("p", [-3.0, -1, 0, 0.5, 1, 2.5])
def test_equals_scipy_power_mean(p):
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    x = np.abs(X)
    assert np.allclose(gem_pool(x, axis=(2, 3), p=p), stats.pmean(x.reshape(2, 6, 20), p, axis=2), rtol=1e-12)


def test_is_torch_lp_pool_over_the_root_of_n(torch):
    x = torch.from_numpy(np.abs(X))
    wanted = torch.nn.functional.lp_pool2d(x, 3.0, (5, 4))[..., 0, 0] / 20 ** (1 / 3)
    assert np.allclose(gem_pool(np.abs(X), axis=(2, 3)), wanted.numpy(), rtol=1e-13)


def test_large_exponents_approach_the_maximum():
    assert np.allclose(gem_pool(X, axis=(2, 3), p=1e6), X.max(axis=(2, 3)), rtol=1e-5)
    assert np.allclose(gem_pool(X, axis=(2, 3), p=-1e6, eps=0.5), np.maximum(X, 0.5).min(axis=(2, 3)), rtol=1e-5)


# ---- any call ----


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.sampled_from(EXPONENTS),
    st.sampled_from([1e-6, 0.3, 2.0]),
    st.sampled_from(["float32", "float64"]),
    st.data(),
)
def test_any_call(shape, p, eps, dtype, data):
    axis = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    order = data.draw(st.permutations(range(len(shape))))
    x = np.random.default_rng(10).normal(size=shape).astype(dtype).transpose(order).copy().transpose(np.argsort(order))
    options = {"p": p, "eps": eps, "axis": axis}
    (wanted,) = oracles.exact("gem_pool", [x], options)
    gradients = []
    for lane in BOTH:
        with refnorm.lane(lane):
            y = gem_pool(x, **options)
            assert y.shape == wanted.shape
            assert np.allclose(y, wanted.astype(float), rtol=1e-7 if dtype == "float32" else 5e-15, atol=0)
            gradients.append(gem_pool_vjp(np.asarray(np.cos(y)), x, **options))
            assert gradients[-1].shape == x.shape
    assert np.allclose(gradients[0], gradients[-1], rtol=1e-6 if dtype == "float32" else 1e-12, atol=1e-14)
