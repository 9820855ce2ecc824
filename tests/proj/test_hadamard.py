"""walsh_hadamard_transform and fastfood_project by hand, at their edges, and against SciPy, SymPy and torch."""

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

import refnorm
from refnorm._lanes import cpu_level
from refnorm.proj import (
    fastfood_project,
    fastfood_project_vjp,
    walsh_hadamard_transform,
    walsh_hadamard_transform_vjp,
)

LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])


# ---- numbers by hand ----


@LANES
def test_by_hand(lane):
    x = np.array([1.0, 2.0, 3.0, 5.0])
    with refnorm.lane(lane):
        assert walsh_hadamard_transform(x).tolist() == [11.0, -3.0, -5.0, 1.0]
        assert walsh_hadamard_transform(x, scale=0.5).tolist() == [5.5, -1.5, -2.5, 0.5]
        assert walsh_hadamard_transform(x.reshape(2, 2), axis=0).tolist() == [[4.0, 7.0], [-2.0, -3.0]]
        assert walsh_hadamard_transform(np.array([[7.0]]), scale=2.0).tolist() == [[14.0]]
        assert walsh_hadamard_transform_vjp(x, 0 * x, scale=2.0).tolist() == [22.0, -6.0, -10.0, 2.0]


@LANES
def test_fastfood_by_hand(lane):
    """B x = (3, -1), H gives (2, 4), P (4, 2), G (4, 4), H (8, 0); sqrt(2 * 5) = sqrt(10), with D = 1 sqrt(5)."""
    x, b, p, g = np.array([3.0, 1.0]), np.array([1.0, -1.0]), np.array([1, 0]), np.array([1.0, 2.0])
    with refnorm.lane(lane):
        assert np.allclose(fastfood_project(x, b, p, g), np.array([8.0, 0.0]) / 10**0.5, rtol=1e-15)
        assert np.allclose(fastfood_project(x, b, p, g, output_size=1), [8 / 5**0.5], rtol=1e-15)
        assert np.allclose(fastfood_project(x[:1], b, p, g), np.array([9.0, -3.0]) / 10**0.5, rtol=1e-15)


@LANES
def test_fastfood_gradient_by_hand(lane):
    """u = P H B x = (4, 2) and y_0 = (g_0 u_0 + g_1 u_1) / sqrt(2 (g_0^2 + g_1^2)) = 3, so dg_k = (u_k - 3) / 2."""
    x, b, p, g = np.array([3.0, 1.0]), np.array([1.0, -1.0]), np.array([1, 0]), np.array([1.0, 1.0])
    with refnorm.lane(lane):
        dx, db, dp, dg = fastfood_project_vjp(np.array([1.0, 0.0]), x, b, p, g)
    assert dp is None
    assert np.allclose(dx, [1.0, 0.0], atol=1e-15)
    assert np.allclose(db, [3.0, 0.0], atol=1e-15)
    assert np.allclose(dg, [0.5, -0.5], atol=1e-15)


@LANES
def test_repeated_indices_gather_and_add_back(lane):
    rng = np.random.default_rng(0)
    x, b, g, ct = rng.normal(size=(5, 100)), rng.normal(size=128), rng.normal(size=128), rng.normal(size=(5, 70))
    p = np.repeat(rng.permutation(128)[:8], 16)
    h = hadamard(128)
    with refnorm.lane(lane):
        y = fastfood_project(x, b, p, g, output_size=70)
        dx, *_ = fastfood_project_vjp(ct, x, b, p, g, output_size=70)
    linear = (h * g @ h[p] * b)[:70, :100] / np.sqrt((g * g).sum() * 70)
    assert np.allclose(y, x @ linear.T, rtol=1e-12, atol=1e-12)
    assert np.allclose(dx, ct @ linear, rtol=1e-12, atol=1e-12)


# ---- edges ----


@LANES
def test_a_constant_row_leaves_nothing_but_its_sum(lane):
    x = np.full((3, 1024), 0.1)
    with refnorm.lane(lane):
        y = walsh_hadamard_transform(x, scale=0.7)
    assert (y[:, 1:] == 0).all()
    assert np.allclose(y[:, 0], 71.68, rtol=1e-15)


@LANES
def test_sums_that_cancel_keep_their_digits_in_float64(lane):
    """Plain butterflies lose the difference of two halves of mean 1e6: 200 ulp of it."""
    x = np.random.default_rng(1).normal(1e6, 1, (4, 4096))
    wanted = oracles.exact("walsh_hadamard_transform", [x], {})[0]
    with refnorm.lane(lane):
        y = walsh_hadamard_transform(x)
    assert oracles.ulps(y, wanted).max() <= 2
    a, b = x[:, :2048].sum(axis=-1), x[:, 2048:].sum(axis=-1)
    assert oracles.ulps(a - b, wanted[:, 2048]).max() > 4


@LANES
@pytest.mark.parametrize("n", [4, 64, 1024])
def test_nothing_overflows_on_the_way(lane, n):
    x = np.full((2, n), 1.5e308)
    x[1, n // 2 :] *= -1
    with refnorm.lane(lane), np.errstate(over="ignore"):
        y = walsh_hadamard_transform(x, scale=1 / n)
    wanted = np.zeros((2, n))
    wanted[0, 0] = wanted[1, n // 2] = 1.5e308
    assert np.array_equal(y, wanted)


@LANES
@pytest.mark.parametrize("n", [8, 64, 512])
def test_nan_and_infinity_take_their_row_and_no_other(lane, n):
    x = np.random.default_rng(2).normal(size=(3, n)).astype("float32")
    for bad, all_of in ((np.nan, np.isnan), (np.inf, np.isinf), (-np.inf, np.isinf)):
        for dtype in ("float32", "float64"):
            given_x = x.astype(dtype)
            given_x[1, n // 3] = bad
            with refnorm.lane(lane), np.errstate(all="ignore"):
                y = walsh_hadamard_transform(given_x)
            assert all_of(y[1]).all()
            assert np.isfinite(y[[0, 2]]).all()


@LANES
def test_gains_of_any_size_and_none(lane):
    rng = np.random.default_rng(3)
    x, b, p, g = rng.normal(size=(2, 5)), rng.choice([-1.0, 1.0], 8), rng.permutation(8), rng.normal(size=8)
    with refnorm.lane(lane), np.errstate(all="ignore"):
        y = fastfood_project(x, b, p, g)
        for size in (1e-200, 1e200):
            assert np.allclose(fastfood_project(x, b, p, size * g), y, rtol=1e-13)
        assert np.isnan(fastfood_project(x, b, p, 0 * g)).all()


@LANES
def test_refusals(lane):
    x, b, p, g = np.ones((2, 3)), np.ones(4), np.arange(4), np.ones(4)
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: walsh_hadamard_transform(x), ValueError, "size of axis -1 must be a power of two, got 3"),
            (lambda: walsh_hadamard_transform(x[:, :0]), ValueError, "must be a power of two, got 0"),
            (lambda: walsh_hadamard_transform(x, axis=2), ValueError, "axis 2 does not exist in an array of 2 axes"),
            (lambda: walsh_hadamard_transform(x, axis=(0, 1)), TypeError, "axis must be one int"),
            (lambda: walsh_hadamard_transform(x, axis=0, scale="n"), TypeError, "scale a number, got 0 and 'n'"),
            (lambda: walsh_hadamard_transform(np.ones(())), ValueError, "does not exist in an array of 0 axes"),
            (lambda: fastfood_project(x, b[:3], p, g), ValueError, "size of signs must be a power of two, got 3"),
            (lambda: fastfood_project(x, b[None], p, g), ValueError, r"signs must have one axis, got shape \(1, 4\)"),
            (lambda: fastfood_project(x, b, p[:3], g), ValueError, r"permutation must have shape \(4,\), got \(3,\)"),
            (lambda: fastfood_project(x, b, g, g), TypeError, "permutation must hold integers, got float64"),
            (lambda: fastfood_project(x, b, p, g[:2]), ValueError, r"gains must have shape \(4,\), got \(2,\)"),
            (lambda: fastfood_project(np.ones((2, 5)), b, p, g), ValueError, r"1 to 4 elements.* got shape \(2, 5\)"),
            (lambda: fastfood_project(x[:, :0], b, p, g), ValueError, "1 to 4 elements"),
            (lambda: fastfood_project(x, b, p, g, output_size=5), ValueError, "output_size must be 1 to 4.* got 5"),
            (lambda: fastfood_project(x, b, p, g, output_size=0), ValueError, "output_size must be 1 to 4.* got 0"),
            (lambda: fastfood_project(x, b, p, g, output_size=2.0), TypeError, "output_size must be an int, got 2.0"),
            (lambda: fastfood_project(x, b, p, g, out=np.ones((2, 3))), ValueError, r"out must have shape \(2, 4\)"),
            (lambda: fastfood_project(x, b, p, None), TypeError, "gains must be an array, got None"),
            (lambda: fastfood_project(x, None, p, g), TypeError, "signs must be an array, got None"),
            (lambda: fastfood_project_vjp(b, None, b, p, g), TypeError, "x must be an array, got None"),
            (lambda: fastfood_project(x, b, p + 1, g), IndexError, "4"),
        ]:
            with pytest.raises(error, match=said):
                call()


# ---- any sizes, any strides ----


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 12),
    st.integers(1, 40),
    st.sampled_from(["float16", "float32", "float64"]),
    st.sampled_from(["rows", "columns", "backwards", "gaps", "turned out"]),
)
def test_any_rows(levels, many, dtype, layout):
    """Tiles, blocks, short rows and columns all give what the matrix gives, in place too."""
    n = 1 << levels
    x = np.random.default_rng(4).normal(size=(many, n)).astype(dtype)
    wanted = x.astype("float64") @ hadamard(n) * n**-0.5
    x = {
        "columns": np.asfortranarray(x),
        "backwards": x[:, ::-1].copy()[:, ::-1],
        "gaps": np.repeat(x, 2, 1)[:, ::2],
    }.get(layout, x)
    out = np.zeros((n, many), dtype).T if layout == "turned out" else np.zeros((many, n), dtype)
    tolerance = max(4 * float(np.finfo(dtype).eps), 1e-12)  # NumPy's product is no truth in float64
    for lane in ("formula", "kernel") if cpu_level() else ("formula",):
        with refnorm.lane(lane):
            y = walsh_hadamard_transform(x, scale=n**-0.5, out=out)
            assert y is out
            assert np.allclose(y, wanted, rtol=tolerance, atol=tolerance)
            again = x.copy(order="K")
            assert np.array_equal(walsh_hadamard_transform(again, scale=n**-0.5, out=again), y)


@LANES
def test_large_rows(lane):
    """Rows far beyond the caches: H H = n, exactly on whole numbers."""
    x = np.random.default_rng(5).integers(-99, 99, (2, 1 << 20)).astype("float64")
    with refnorm.lane(lane):
        assert np.array_equal(walsh_hadamard_transform(walsh_hadamard_transform(x), scale=2.0**-20), x)
        y = walsh_hadamard_transform(x.astype("float32"))
    assert np.array_equal(y[:, 0], x.sum(axis=-1).astype("float32"))
    assert np.array_equal(y[:, 3], (x * np.tile([1, -1, -1, 1], 1 << 18)).sum(axis=-1).astype("float32"))


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_written_past_the_caches(dtype):
    """From 32 MiB on other stores are used: the same bits as in small calls, for rows, columns and projections."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(4640, 2048)).astype(dtype)
    b, p, g = rng.choice([-1.0, 1.0], 2048).astype(dtype), rng.permutation(2048), rng.normal(size=2048).astype(dtype)
    few = x[4321:4329].copy()
    with refnorm.lane("kernel"):
        assert np.array_equal(walsh_hadamard_transform(x)[4321:4329], walsh_hadamard_transform(few))
        columns = walsh_hadamard_transform(x.T.copy(), axis=0)
        assert np.array_equal(columns[:, 4321:4329].T, walsh_hadamard_transform(few))
        assert np.array_equal(fastfood_project(x, b, p, g)[4321:4329], fastfood_project(few, b, p, g))
        cut = fastfood_project(x, b, p, g, output_size=2031)
        assert np.array_equal(cut[4321:4329], fastfood_project(few, b, p, g, output_size=2031))


# ---- other people's implementations ----


@LANES
def test_equals_scipy_and_sympy(lane):
    sympy = pytest.importorskip("sympy.discrete.transforms", reason="SymPy is not installed")
    x = np.random.default_rng(6).integers(-9, 9, size=(3, 32)).astype("float64")
    options = refnorm.convention("scipy", "walsh_hadamard_transform")
    with refnorm.lane(lane):
        y = walsh_hadamard_transform(x, **options)
        assert np.array_equal(y, x @ hadamard(32))
        assert y[0].tolist() == [float(v) for v in sympy.fwht(x[0].astype(int).tolist())]


@LANES
def test_equals_torch(lane, torch):
    """The chain written with torch's products, forward and gradient; gains, signs and data all get one."""
    rng = np.random.default_rng(7)
    arrays = rng.normal(size=(4, 3, 50)), rng.normal(size=64), rng.normal(1, 1, size=64)
    x, b, g = (torch.from_numpy(a).requires_grad_() for a in arrays)
    p = rng.permutation(64)
    h = torch.from_numpy(hadamard(64).astype("float64"))
    u = ((torch.nn.functional.pad(x, (0, 14)) * b) @ h)[..., torch.from_numpy(p)] * g @ h
    y = u[..., :40] / torch.sqrt(64 * (g * g).sum()) / (40 / 64) ** 0.5
    ct = rng.normal(size=y.shape)
    wanted = torch.autograd.grad(y, (x, b, g), torch.from_numpy(ct))
    with refnorm.lane(lane):
        assert np.allclose(
            fastfood_project(arrays[0], arrays[1], p, arrays[2], output_size=40), y.detach().numpy(), rtol=1e-12
        )
        dx, db, _, dg = fastfood_project_vjp(ct, arrays[0], arrays[1], p, arrays[2], output_size=40)
    for ours, theirs in zip((dx, db, dg), wanted, strict=True):
        assert np.allclose(ours, theirs.numpy(), rtol=1e-11, atol=1e-12)


def test_the_norm_is_kept_on_average():
    """Over 2000 draws of signs, permutation and gains the mean squared norm of y is that of x, to 3 in a hundred."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=20)
    ratios = [
        (
            fastfood_project(x, rng.choice([-1.0, 1.0], 32), rng.permutation(32), rng.normal(size=32), output_size=10)
            ** 2
        ).sum()
        for _ in range(2000)
    ]
    assert abs(np.mean(ratios) / (x**2).sum() - 1) < 0.03
