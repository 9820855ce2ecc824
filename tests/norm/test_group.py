"""group_norm and instance_norm by hand, at their edges, and against torch, onnxruntime, Keras and JAX."""

import os

import ml_dtypes
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refnorm
from refnorm._lanes import cpu_level
from refnorm.norm import group_norm, group_norm_vjp, instance_norm, instance_norm_vjp, layer_norm

LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])


def drawn(shape, channels, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [a.astype(dtype) for a in (rng.normal(size=shape), *rng.normal(size=(2, channels)))]


@LANES
def test_by_hand(lane):
    """Groups (1, 3) and (10, 26): means 2 and 18, variances 1 and 64; with eps = 3 the first root is 2."""
    x = np.array([[1.0, 3.0, 10.0, 26.0]])
    w, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.5, 0.0, -4.0])
    with refnorm.lane(lane):
        assert group_norm(x, groups=2, eps=0.0).tolist() == [[-1.0, 1.0, -1.0, 1.0]]
        assert group_norm(x, w, b, groups=2, eps=0.0).tolist() == [[-0.5, 2.5, -3.0, 0.0]]
        assert group_norm(x, groups=2, eps=3.0)[0, :2].tolist() == [-0.5, 0.5]
        assert group_norm(x[..., None], w, groups=2, eps=0.0).ravel().tolist() == [-1.0, 2.0, -3.0, 4.0]
        pairs = x.reshape(1, 2, 2)
        assert instance_norm(pairs, eps=0.0).tolist() == [[[-1.0, 1.0], [-1.0, 1.0]]]
        assert instance_norm(pairs, w[:2], b[2:], eps=0.0).tolist() == [[[-1.0, 1.0], [-6.0, -2.0]]]
        assert instance_norm(pairs, eps=0.0, axis=2).tolist() == [[[-1.0, -1.0], [1.0, 1.0]]]


@LANES
def test_gradients_by_hand(lane):
    """xhat = (-1, 1, -1, 1), s = 1: dx = g - mean(g) - xhat mean(g xhat) = e_0 - 1/4 + xhat/4."""
    x, g = np.array([[1.0, 3.0, 1.0, 3.0]]), np.array([[1.0, 0.0, 0.0, 0.0]])
    four, one = np.ones(4), np.ones(1)
    with refnorm.lane(lane):
        dx, dw, db = group_norm_vjp(g, x, four, four, groups=1, eps=0.0)
        assert dx.tolist() == [[0.5, 0.0, -0.5, 0.0]]
        assert dw.tolist() == [-1.0, 0.0, 0.0, 0.0]
        assert db.tolist() == [1.0, 0.0, 0.0, 0.0]
        dx, dw, db = instance_norm_vjp(g[:, None], x[:, None], one, one, eps=0.0)
    assert dx.tolist() == [[[0.5, 0.0, -0.5, 0.0]]]
    assert (dw.tolist(), db.tolist()) == ([-1.0], [1.0])


# ---- edges ----


@LANES
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_element_gives_the_bias(lane, dtype):
    x, w, b = drawn((3, 4), 4, dtype=dtype)
    with refnorm.lane(lane):
        assert np.array_equal(group_norm(x, w, b, groups=4), np.stack([b] * 3))
        assert np.array_equal(instance_norm(x, w, b), np.stack([b] * 3))
        assert np.array_equal(instance_norm(x[:, None, :, None], w, b, axis=2)[:, 0, :, 0], np.stack([b] * 3))
        dx, dw, db = instance_norm_vjp(x, x, w, b)
    assert not dx.any()
    assert not dw.any()
    assert np.allclose(db, x.sum(axis=0), rtol=1e-2)


@LANES
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [0.1, 1e4, -3.3])
@pytest.mark.parametrize("axis", [1, -1])
def test_a_constant_group_gives_exactly_the_bias(lane, dtype, value, axis):
    x = np.full((3, 4, 5, 4), value, dtype=dtype)
    b = np.arange(4).astype(dtype)
    wanted = np.broadcast_to(b if axis == -1 else b[:, None, None], x.shape)
    with refnorm.lane(lane):
        assert np.array_equal(group_norm(x, None, b, groups=2, axis=axis), wanted)
        assert np.array_equal(instance_norm(x, None, b, axis=axis), wanted)


@LANES
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 40])
def test_nan_and_infinity_take_their_group_and_no_other(lane, bad, place):
    x = np.random.default_rng(0).normal(size=(2, 4, 41)).astype("float32")
    x[1, 2, place] = bad
    with refnorm.lane(lane), np.errstate(all="ignore"):
        groups, channels = group_norm(x, groups=2), instance_norm(x)
    assert np.isnan(groups[1, 2:]).all()
    assert np.isfinite(groups).sum() == x.size - 2 * 41
    assert np.isnan(channels[1, 2]).all()
    assert np.isfinite(channels).sum() == x.size - 41


@LANES
def test_refusals(lane):
    x = np.ones((2, 6, 3), "float32")
    short = np.ones(2, "float32")
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: group_norm(x), TypeError, "groups"),
            (lambda: group_norm(x, groups=4), ValueError, "must divide the channels, got 4 groups and 6 channels"),
            (lambda: group_norm(x, groups=0), ValueError, "got 0 groups and 6 channels"),
            (lambda: group_norm(x, groups=-2), ValueError, "got -2 groups"),
            (lambda: group_norm(x, groups=2.0), TypeError, "groups must be an int, got 2.0"),
            (lambda: group_norm(x, short, groups=2), ValueError, r"weight must have shape \(6,\), got \(2,\)"),
            (lambda: group_norm(x, None, short, groups=2), ValueError, r"bias must have shape \(6,\), got \(2,\)"),
            (lambda: group_norm(x, groups=2, axis=0), ValueError, "must not be the sample axis 0, got 0"),
            (lambda: group_norm(x, groups=2, axis=-3), ValueError, "must not be the sample axis 0, got -3"),
            (lambda: group_norm(x, groups=2, axis=3), ValueError, "channel axis 3"),
            (lambda: group_norm(x, groups=2, eps=float("nan")), ValueError, "eps"),
            (lambda: group_norm(x[:, :0], groups=1), ValueError, "at least one element"),
            (lambda: group_norm(x[:, :, :0], groups=2), ValueError, "at least one element"),
            (lambda: group_norm_vjp(x[:1], x, groups=2), ValueError, "cotangent must have shape"),
            (lambda: instance_norm(x, axis=0), ValueError, "must not be the sample axis"),
            (lambda: instance_norm(x, axis=(1,)), TypeError, "axis must be one int"),
            (lambda: instance_norm(x[0, 0]), ValueError, "axis beside it"),
            (lambda: instance_norm(x[:, :, :0]), ValueError, "at least one element"),
            (lambda: instance_norm(x, np.arange(6)), TypeError, "instance_norm: weight must hold"),
            (lambda: instance_norm_vjp(x[:1], x), ValueError, "cotangent must have shape"),
        ]:
            with pytest.raises(error, match=said):
                call()


# ---- layouts ----


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (8, 33, 40, 64)])
def test_the_answer_lies_as_channels_last_data_do(shape):
    memory = np.random.default_rng(1).normal(size=shape).astype("float32")
    x = np.moveaxis(memory, -1, 1)
    for f in (lambda x, **k: group_norm(x, groups=2, **k), instance_norm):
        with refnorm.lane("kernel"):
            y, last, contiguous = f(x), f(memory, axis=-1), f(x.copy())
        assert y.strides == x.strides
        assert last.strides == memory.strides
        assert np.array_equal(np.moveaxis(last, -1, 1), y)
        assert np.mean(y != contiguous) <= 1e-4


@st.composite
def samples(draw):
    """Return a shape, a channel axis that is not 0, groups, an order of the memory's axes, which parameters."""
    shape = list(draw(st.lists(st.integers(1, 7), min_size=2, max_size=5)))
    axis = draw(st.integers(1, len(shape) - 1))
    groups = draw(st.integers(1, 4))
    shape[axis] = groups * draw(st.integers(1, 5))
    order = draw(st.permutations(range(len(shape))))
    return tuple(shape), axis, groups, order, draw(st.booleans()), draw(st.booleans())


@settings(max_examples=300, deadline=None)
@given(samples(), st.integers(0, 2**31 - 1))
def test_any_axis_and_layout_against_the_oracle(sample, seed):
    shape, axis, groups, order, scaled, shifted = sample
    x, w, b = drawn(shape, shape[axis], seed, "float32")
    back = [order.index(a) for a in range(x.ndim)]
    x = np.ascontiguousarray(x.transpose(order)).transpose(back)
    arrays = x, w if scaled else None, b if shifted else None
    wide = [a if a is None else a.astype(oracles.WIDE) for a in arrays]
    for f, options in ((group_norm, {"groups": groups}), (instance_norm, {})):
        wanted = oracles.oracle(f.__name__)(*wide, axis=axis, eps=0.1, **options)
        for lane in ("formula", "kernel") if cpu_level() else ("formula",):
            with refnorm.lane(lane):
                y = f(*arrays, axis=axis - x.ndim, eps=0.1, **options)
            assert np.max(oracles.ulps(y, wanted)) <= 0.51, (f.__name__, lane)


# ---- between themselves ----


@LANES
def test_one_group_is_layer_norm_and_a_group_a_channel_is_instance_norm(lane):
    x, w, b = drawn((3, 6, 5), 6)
    with refnorm.lane(lane):
        assert np.allclose(group_norm(x, groups=1, eps=0.2), layer_norm(x, axis=(1, 2), eps=0.2), rtol=1e-13)
        assert np.allclose(group_norm(x, w, b, groups=6, eps=0.2), instance_norm(x, w, b, eps=0.2), rtol=1e-13)
        assert not np.allclose(group_norm(x, groups=3, eps=0.2), group_norm(x, groups=2, eps=0.2), rtol=1e-2)


# ---- against others ----


def test_equals_torch(torch):
    x, w, b = drawn((5, 6, 7, 2), 6)
    g = np.random.default_rng(1).normal(size=x.shape)
    functional = torch.nn.functional
    for forward, backward, theirs in [
        (
            lambda *a: group_norm(*a, groups=3, eps=0.3),
            lambda *a: group_norm_vjp(*a, groups=3, eps=0.3),
            lambda t, w, b: functional.group_norm(t, 3, w, b, 0.3),
        ),
        (
            lambda *a: instance_norm(*a, eps=0.3),
            lambda *a: instance_norm_vjp(*a, eps=0.3),
            lambda t, w, b: functional.instance_norm(t, weight=w, bias=b, eps=0.3),
        ),
    ]:
        given = [torch.from_numpy(a).requires_grad_() for a in (x, w, b)]
        y = theirs(*given)
        assert np.allclose(forward(x, w, b), y.detach(), rtol=1e-12, atol=1e-13)
        wanted = torch.autograd.grad(y, given, torch.from_numpy(g))
        for ours, their in zip(backward(g, x, w, b), wanted, strict=True):
            assert np.allclose(ours, their, rtol=1e-11, atol=1e-13)


def session(node, arrays, opset):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    f32, info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    made = onnx.helper.make_node(node[0], list(arrays), ["y"], **node[1])
    graph = onnx.helper.make_graph(
        [made], "g", [info(k, f32, list(a.shape)) for k, a in arrays.items()], [info("y", f32, list(arrays["x"].shape))]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, arrays)[0]


def test_onnx_has_one_weight_a_group_in_opset_18_and_one_a_channel_in_21():
    x, w, b = drawn((3, 6, 5), 6, dtype="float32")
    x *= np.float32(1e-2)  # so that eps tells
    how = refnorm.convention("onnx", "group_norm")
    wanted = session(("GroupNormalization", {"num_groups": 2}), {"x": x, "w": w, "b": b}, 21)
    assert np.allclose(group_norm(x, w, b, groups=2, **how), wanted, rtol=1e-4, atol=1e-5)
    assert not np.allclose(group_norm(x, w, b, groups=2, eps=1e-3), wanted, rtol=1e-2, atol=1e-2)
    few = {"x": x, "w": w[:2], "b": b[:2]}
    wanted = session(("GroupNormalization", {"num_groups": 2}), few, 18)
    repeated = [np.repeat(p, 3) for p in (w[:2], b[:2])]
    assert np.allclose(group_norm(x, *repeated, groups=2, **how), wanted, rtol=1e-4, atol=1e-5)
    (twin,) = [m for m in refnorm.OPERATORS["group_norm"].load_card().mistakes if m.name == "one weight a group"]
    assert np.allclose(twin.function(x, w, b, groups=2, **how), wanted, rtol=1e-4, atol=1e-5)
    assert not np.allclose(group_norm(x, w, b, groups=2, **how), wanted, rtol=1e-2, atol=1e-2)


def test_instance_norm_equals_onnx():
    x, w, b = drawn((3, 6, 5, 2), 6, dtype="float32")
    wanted = session(("InstanceNormalization", {"epsilon": 1e-5}), {"x": x, "w": w, "b": b}, 6)
    got = instance_norm(x, w, b, **refnorm.convention("onnx", "instance_norm"))
    assert np.allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_equals_keras():
    pytest.importorskip("jax", reason="jax is not installed")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras", reason="keras is not installed")
    x, w, b = drawn((3, 5, 2, 6), 6, dtype="float32")
    x *= np.float32(0.1)  # so that eps tells
    for groups, ours in (
        (2, lambda **k: group_norm(x, w, b, groups=2, **k)),
        (-1, lambda **k: instance_norm(x, w, b, **k)),
    ):
        layer = keras.layers.GroupNormalization(groups)
        layer.build(x.shape)
        layer.set_weights([w, b])
        how = refnorm.convention("keras", "group_norm" if groups == 2 else "instance_norm")
        wanted = np.asarray(layer(x))
        assert np.allclose(ours(**how), wanted, rtol=1e-4, atol=1e-5)
        assert not np.allclose(ours(axis=-1, eps=1e-5), wanted, rtol=1e-2, atol=1e-2)


def test_equals_jax_written_out_and_its_one_pass_variance_does_not(jax):
    """flax takes E[x^2] - E[x]^2 by default: at a mean of 1e4 nothing is left of the variance in float32."""
    jnp = jax.numpy
    x = drawn((4, 6, 64), 6, dtype="float32")[0]
    how = {"groups": 2} | refnorm.convention("flax", "group_norm") | {"axis": 1}
    for offset, fits in ((0, True), (1e4, False)):
        t = jnp.asarray(x + np.float32(offset)).reshape(4, 2, -1)
        mean, square = t.mean(-1, keepdims=True), (t * t).mean(-1, keepdims=True)
        one_pass = (t - mean) / jnp.sqrt(jnp.maximum(square - mean * mean, 0) + how["eps"])
        two_passes = (t - mean) / jnp.sqrt(((t - mean) ** 2).mean(-1, keepdims=True) + how["eps"])
        ours = group_norm(x + np.float32(offset), **how).reshape(t.shape)
        assert np.allclose(ours, two_passes, rtol=1e-2, atol=1e-2)
        assert np.allclose(ours, one_pass, rtol=1e-2, atol=1e-2) == fits


def test_onnxruntime_gives_nan_far_from_zero_and_we_do_not():
    """GroupNormalization of onnxruntime takes the variance in one pass: below zero, and its root is NaN."""
    x = np.random.default_rng(3).normal(1e4, 1e-2, (2, 4, 64)).astype("float32")
    ones = np.ones(4, "float32")
    theirs = session(("GroupNormalization", {"num_groups": 2}), {"x": x, "w": ones, "b": 0 * ones}, 21)
    exact = oracles.oracle("group_norm")(x.astype(oracles.WIDE), groups=2)
    assert np.max(oracles.ulps(group_norm(x, groups=2), exact)) <= 1.5
    with np.errstate(invalid="ignore"):
        assert not np.allclose(theirs, exact.astype("float64"), rtol=1e-1, atol=1e-1)


@LANES
def test_moments_are_never_taken_in_half(lane):
    """bfloat16 has 8 digits: a mean of 64 numbers about 100 taken in it is off by a tenth of their spread."""
    x = np.random.default_rng(4).normal(100, 1, (2, 4, 64)).astype(ml_dtypes.bfloat16)
    exact = oracles.oracle("group_norm")(x.astype(oracles.WIDE), groups=2)
    with refnorm.lane(lane):
        assert np.max(oracles.ulps(group_norm(x, groups=2), exact)) <= 0.51
    rows = x.reshape(4, 128)
    total = rows[:, 0]
    for column in rows.T[1:]:
        total = total + column  # rounded to bfloat16 each time
    narrow = rows.astype("float32") - (total / ml_dtypes.bfloat16(128)).astype("float32")[:, None]
    narrow = narrow / np.sqrt(np.mean(narrow**2, axis=1, keepdims=True) + 1e-5)
    assert np.max(np.abs(narrow.reshape(x.shape) - exact.astype("float64"))) > 0.1
