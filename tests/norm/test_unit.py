"""lp_normalize: numbers by hand, refusals, special values, and other people's implementations."""

import os
import subprocess
import sys

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refnorm
from refnorm._lanes import cpu_level
from refnorm.norm import lp_normalize, lp_normalize_vjp

INF = float("inf")
POWERS = [0.5, 1, 1.7, 2, 3, 4, 5, 6, 9.5, INF]
LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])


@LANES
@pytest.mark.parametrize(
    ("p", "wanted"),
    [
        (1, [3 / 7, -4 / 7, 0.0]),
        (2, [0.6, -0.8, 0.0]),
        (3.0, [3 / 91 ** (1 / 3), -4 / 91 ** (1 / 3), 0.0]),
        (0.5, [3 / (2 + 3**0.5) ** 2, -4 / (2 + 3**0.5) ** 2, 0.0]),
        (INF, [0.75, -1.0, 0.0]),
    ],
)
def test_by_hand(lane, p, wanted):
    with refnorm.lane(lane):
        assert np.allclose(lp_normalize(np.array([3.0, -4.0, 0.0]), p=p), wanted, rtol=3e-16, atol=0)


@LANES
def test_eps_is_the_least_divisor(lane):
    x = np.array([[3.0, 4.0], [0.3, 0.4]])
    with refnorm.lane(lane):
        assert np.allclose(lp_normalize(x, eps=1.0), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-15)


@LANES
@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zeros(lane, p, dtype):
    x = np.zeros((2, 5), dtype)
    with refnorm.lane(lane), np.errstate(all="ignore"):
        for eps in (1.0, 1e-12, 2.0**-1022, 5e-324):
            assert np.array_equal(lp_normalize(x, p=p, eps=eps), x)
            assert np.isfinite(lp_normalize_vjp(x, x, p=p, eps=eps)).all()
        assert np.isnan(lp_normalize(x, p=p, eps=0.0)).all()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_native_zeros(dtype):
    """The smallest normal double counts as that of the type computed in."""
    with refnorm.lane("formula"), refnorm.compute("native"):
        assert np.array_equal(lp_normalize(np.zeros((2, 5), dtype), eps=2.0**-1022), np.zeros((2, 5)))


@LANES
@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("place", [0, 4, 40])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity(lane, p, place, dtype):
    x = np.random.default_rng(0).normal(size=(3, 41)).astype(dtype)
    for bad in (np.nan, np.inf, -np.inf):
        x[1, place] = bad
        with refnorm.lane(lane), np.errstate(all="ignore"):
            y = lp_normalize(x, p=p)
        assert np.isfinite(y[[0, 2]]).all()
        assert np.isnan(y[1, place])
        others = np.delete(y[1], place)
        assert np.isnan(others).all() if np.isnan(bad) else (others == 0).all()
        x[1, 7] = np.nan
        with refnorm.lane(lane), np.errstate(all="ignore"):
            assert np.isnan(lp_normalize(x, p=p)[1]).all()
        x[1, 7] = 1.0


@LANES
@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-160, 1e160, 1e300, 1.7e308])
def test_float64_neither_overflows_nor_vanishes(lane, p, size):
    x = size * np.random.default_rng(1).uniform(0.2, 1.0, (3, 50))
    (wanted,) = oracles.exact("lp_normalize", [x], {"p": p, "eps": 0.0})
    with refnorm.lane(lane), np.errstate(all="ignore"):
        got = lp_normalize(x, p=p, eps=0.0)
    assert oracles.ulps(got, wanted).max() <= 4


@LANES
def test_an_eps_far_above_the_row(lane):
    x = np.array([[1e-310, -2e-310]])
    for p in (1, 2, 3, 2.5, INF):
        with refnorm.lane(lane):
            assert np.allclose(lp_normalize(x, p=p, eps=0.5), 2 * x, rtol=1e-12, atol=0)


# ---- gradients ----


@LANES
@pytest.mark.parametrize(
    ("p", "wanted"),
    [
        (1, [1 / 4 - 1 / 8, 1 / 4 + 1 / 8, 1 / 4]),  # (g - sign(x) sum(g u)) / 4, sum(g u) = 1/2
        (2, [1 / 10**0.5 - 3 * 2 / 10**1.5, 1 / 10**0.5 + 1 * 2 / 10**1.5, 1 / 10**0.5]),
        (INF, [1 / 3 - 2 / 9, 1 / 3, 1 / 3]),
    ],
)
def test_gradient_by_hand(lane, p, wanted):
    x, g = np.array([3.0, -1.0, 0.0]), np.ones(3)
    with refnorm.lane(lane):
        assert np.allclose(lp_normalize_vjp(g, x, p=p), wanted, rtol=1e-15)


@LANES
def test_ties_share_the_gradient(lane):
    """u = (1, -1, 1/2): sum(g u) = 1/2, half of it for each of the two; sign and all, over the norm 2."""
    with refnorm.lane(lane):
        dx = lp_normalize_vjp(np.ones(3), np.array([2.0, -2.0, 1.0]), p=INF)
    assert np.allclose(dx, [0.5 - 0.125, 0.5 + 0.125, 0.5])


KINKS = [
    [3.0, 0.0, -1.0, 0.0],  # zeros
    [2.0, -2.0, 2.0, 1.0],  # ties
    [0.0, 0.0, 0.0, 0.0],  # no length
    [0.1, 0.0, -0.1, 0.1],  # shorter than eps
    [0.5, 0.0, 0.0, 0.0],  # as long as eps
]


@LANES
@pytest.mark.parametrize("p", POWERS)
def test_gradient_at_kinks_is_what_torch_and_jax_make_of_the_formula(lane, p, torch, jax):
    x, g = np.array(KINKS), np.random.default_rng(2).normal(size=(5, 4))
    t = torch.from_numpy(x).requires_grad_()
    (wanted,) = torch.autograd.grad(lp_normalize(t, p=p, eps=0.5), t, torch.from_numpy(g))
    with jax.enable_x64(True):
        also = jax.vjp(lambda v: lp_normalize(v, p=p, eps=0.5), jax.numpy.asarray(x))[1](jax.numpy.asarray(g))[0]
    with refnorm.lane(lane):
        got = lp_normalize_vjp(g, x, p=p, eps=0.5)
    assert np.isfinite(got).all()
    assert np.allclose(got, wanted.numpy(), rtol=1e-12, atol=1e-12)
    assert np.allclose(got, also, rtol=1e-12, atol=1e-12)


# ---- refusals ----


@LANES
def test_refusals(lane):
    x = np.ones((2, 3), "float32")
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: lp_normalize(x, p=0), ValueError, "p must be above zero .*got 0"),
            (lambda: lp_normalize(x, p=-1.0), ValueError, "got -1.0"),
            (lambda: lp_normalize(x, p=float("nan")), ValueError, "got nan"),
            (lambda: lp_normalize(x, p="2"), TypeError, "p must be a number, got str"),
            (lambda: lp_normalize(x, p=np.ones(3)), TypeError, "got ndarray"),
            (lambda: lp_normalize(x, eps=-1.0), ValueError, "eps must be finite and not below zero"),
            (lambda: lp_normalize(x, axis=2), ValueError, "axis 2 does not exist"),
            (lambda: lp_normalize(np.ones((2, 0))), ValueError, "must not be empty"),
            (lambda: lp_normalize_vjp(x, x, p=0), ValueError, "p must be above zero"),
        ]:
            with pytest.raises(error, match=said):
                call()


# ---- other people's implementations ----

ROWS = np.random.default_rng(3).normal(size=(6, 9)) * np.array([[1.0, 1e-3, 1e-5, 1e-9, 1e-13, 0.0]]).T


@pytest.mark.parametrize("p", [0.5, 1, 2, 3, 2.5, INF])
def test_equals_torch(p, torch):
    given = torch.from_numpy(ROWS).requires_grad_()
    y = torch.nn.functional.normalize(given, p=p, dim=-1)
    options = refnorm.convention("torch", "lp_normalize") | {"p": p}
    assert np.allclose(lp_normalize(ROWS, **options), y.detach().numpy(), rtol=1e-13)
    g = np.random.default_rng(4).normal(size=ROWS.shape)
    (wanted,) = torch.autograd.grad(y, given, torch.from_numpy(g))
    assert np.allclose(lp_normalize_vjp(g, ROWS, **options), wanted.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("p", [1, 2])
def test_equals_onnx(p):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    f32, info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("LpNormalization", ["x"], ["y"], axis=-1, p=p)
    graph = onnx.helper.make_graph([node], "g", [info("x", f32, ROWS.shape)], [info("y", f32, ROWS.shape)])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 22)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = ROWS.astype("float32")
    (wanted,) = session.run(None, {"x": x})
    options = refnorm.convention("onnx", "lp_normalize") | {"p": p}
    assert np.allclose(lp_normalize(x, **options), wanted, rtol=1e-6)
    assert np.array_equal(wanted[-1], np.zeros(9))  # a row of zeros stays
    torch_ = refnorm.convention("torch", "lp_normalize") | {"p": p}
    assert not np.allclose(lp_normalize(x, **torch_), wanted, rtol=1e-2)


@pytest.mark.parametrize(("norm", "p"), [("l1", 1), ("l2", 2), ("max", INF)])
def test_equals_scikit_learn(norm, p):
    sklearn = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn is not installed")
    wanted = sklearn.normalize(ROWS, norm=norm)
    got = lp_normalize(ROWS, **(refnorm.convention("sklearn", "lp_normalize") | {"p": p}))
    usual = np.abs(ROWS).max(axis=1) > 1e-10
    assert np.allclose(got[usual], wanted[usual], rtol=1e-14)
    assert np.array_equal(got[-1], wanted[-1])  # zeros
    short = np.full((1, 3), 1e-17)  # below 10 machine eps
    assert np.array_equal(sklearn.normalize(short, norm=norm), short)


KERAS = """
import numpy as np, keras, refnorm
x = np.load({path!r})
f = refnorm.norm.lp_normalize
named = {{"keras": lambda v: keras.ops.normalize(v), "keras_layer": keras.layers.UnitNormalization()}}
for who, theirs in named.items():
    assert np.allclose(f(x, **refnorm.convention(who, "lp_normalize")), np.asarray(theirs(x)), rtol=1e-5, atol=0), who
for order in (1, 3):
    options = refnorm.convention("keras", "lp_normalize") | {{"p": order}}
    assert np.allclose(f(x, **options), np.asarray(keras.ops.normalize(x, order=order)), rtol=1e-5, atol=0), order
assert not np.allclose(f(x, **refnorm.convention("torch", "lp_normalize")), np.asarray(named["keras"](x)), rtol=1e-2)
print("equal")
"""


def test_equals_keras(tmp_path):
    pytest.importorskip("jax", reason="jax is not installed")
    if not any(os.path.isdir(os.path.join(path, "keras")) for path in sys.path):
        pytest.skip("keras is not installed")
    np.save(tmp_path / "x.npy", ROWS.astype("float32"))
    done = subprocess.run(
        [sys.executable, "-c", KERAS.format(path=str(tmp_path / "x.npy"))],
        env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout.strip() == "equal", done.stderr[-2000:]


@pytest.mark.parametrize("framework", ["tf", "optax"])
def test_bounding_the_square_is_the_root_of_eps_here(framework, jax):
    """Written out in JAX: tf.math.l2_normalize and optax's cosine_similarity, which are not installed here."""
    jnp = jax.numpy

    def tf(x, epsilon=1e-12):
        return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(x), axis=-1, keepdims=True), epsilon))

    def optax(x, epsilon=1e-12):
        return x / jnp.sqrt(jnp.clip(jnp.sum(x * x, axis=-1, keepdims=True), epsilon))

    with jax.enable_x64(True):
        wanted = np.asarray({"tf": tf, "optax": optax}[framework](jnp.asarray(ROWS)))
    got = lp_normalize(ROWS, **refnorm.convention(framework, "lp_normalize"))
    assert np.allclose(got, wanted, rtol=1e-13)
    assert not np.allclose(lp_normalize(ROWS, eps=1e-12), wanted, rtol=1e-2)  # its number taken as it stands


def test_ssd_adds_eps():
    """The L2Norm of ssd.pytorch, which adds 1e-10 to the norm, is named by the checker."""

    def l2norm(x, /, *, p=2.0, axis=-1, eps=1e-10):
        size = np.abs(x).max(axis=axis, keepdims=True)
        if p == INF:
            return x / (size + eps)
        return x / (np.sum(np.abs(x) ** p, axis=axis, keepdims=True) ** (1 / p) + eps)

    report = refnorm.check(l2norm, "lp_normalize")
    assert not report.conforms
    assert report.named[:1] == ["eps added to the norm"]


# ---- any shapes ----


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.sampled_from([*POWERS, 1.5, 2.37, 12.0]),
    st.sampled_from([0.0, 1e-12, 0.5, 3.0]),
    st.data(),
)
def test_any_call(shape, p, eps, data):
    axis = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    x = np.random.default_rng(5).normal(size=shape)
    options = {"p": p, "eps": eps, "axis": axis}
    (wanted,) = oracles.exact("lp_normalize", [x], options)
    gradients = []
    for lane in ("formula", "kernel") if cpu_level() else ("formula",):
        with refnorm.lane(lane):
            assert np.allclose(lp_normalize(x, **options), wanted.astype(float), rtol=2e-15, atol=0)
            gradients.append(lp_normalize_vjp(np.cos(x), x, **options))
    assert np.allclose(gradients[0], gradients[-1], rtol=1e-12, atol=1e-13)
