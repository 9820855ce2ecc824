"""batch_norm, its moments and its training form by hand, at their edges, and against torch, ONNX, Keras and JAX."""

import os

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refnorm
from refnorm._lanes import cpu_level
from refnorm.norm import (
    batch_moments,
    batch_moments_vjp,
    batch_norm,
    batch_norm_train,
    batch_norm_train_vjp,
    batch_norm_vjp,
)

LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])
X = np.array([[1.0, 10.0], [3.0, 26.0]])


def drawn(shape, channels, seed=0, dtype="float64"):
    """Return x, mean, var, weight, bias."""
    rng = np.random.default_rng(seed)
    mean, weight, bias = rng.normal(size=(3, channels))
    return [a.astype(dtype) for a in (rng.normal(size=shape), mean, rng.gamma(2, 1, channels), weight, bias)]


@LANES
def test_by_hand(lane):
    """Means 2 and 18, variances 1 and 64; with eps = 3 the first root is 2."""
    mean, var, w, b = np.array([1.0, 18.0]), np.array([4.0, 16.0]), np.array([2.0, 3.0]), np.array([0.5, -1.0])
    with refnorm.lane(lane):
        assert batch_norm(X, mean, var, eps=0.0).tolist() == [[0.0, -2.0], [1.0, 2.0]]
        assert batch_norm(X, mean, var, w, b, eps=0.0).tolist() == [[0.5, -7.0], [2.5, 5.0]]
        assert batch_norm(X, mean, var, eps=5.0)[1, 0] == 2 / 3
        assert [np.asarray(a).tolist() for a in batch_moments(X)] == [[2.0, 18.0], [1.0, 64.0], 2]
        y, m, v = batch_norm_train(X, w, b, eps=0.0)
        assert (y.tolist(), m.tolist(), v.tolist()) == ([[-1.5, -4.0], [2.5, 2.0]], [2.0, 18.0], [1.0, 64.0])
        assert batch_norm_train(X, eps=3.0)[0][:, 0].tolist() == [-0.5, 0.5]
        assert batch_moments(X, axis=0)[0].tolist() == [5.5, 14.5]


@LANES
def test_the_count_is_a_python_int(lane):
    with refnorm.lane(lane):
        assert type(batch_moments(np.ones((2, 3, 4, 5)))[2]) is int
        assert batch_moments(np.ones((2, 3, 4, 5)))[2] == 40
        assert batch_moments(np.ones((2, 3, 4, 5)), axis=-1)[2] == 24


@LANES
def test_gradients_by_hand(lane):
    """xhat = (-1, 1, -1, 1), s = 1: dx = e_0 - 1/4 + xhat/4; the moments add 1/4 gmean and (x - mean)/2 gvar."""
    x = np.array([[1.0], [3.0], [1.0], [3.0]])
    g, one = np.array([[1.0], [0.0], [0.0], [0.0]]), np.ones(1)
    with refnorm.lane(lane):
        dx, dw, db = batch_norm_train_vjp((g, None, None), x, one, one, eps=0.0)
        assert dx.ravel().tolist() == [0.5, 0.0, -0.5, 0.0]
        assert (dw.tolist(), db.tolist()) == ([-1.0], [1.0])
        dx, dw, db = batch_norm_train_vjp((None, 4 * one, 2 * one), x, one, eps=0.0)
        assert dx.ravel().tolist() == [0.0, 2.0, 0.0, 2.0]
        assert dw.tolist() == [0.0]
        assert db is None
        assert batch_norm_train_vjp((None, None, None), x, eps=0.0)[0].tolist() == np.zeros((4, 1)).tolist()
        assert batch_moments_vjp((4 * one, 2 * one), x).ravel().tolist() == [0.0, 2.0, 0.0, 2.0]
        assert batch_moments_vjp((4 * one, None), x).ravel().tolist() == [1.0, 1.0, 1.0, 1.0]
        assert batch_moments_vjp((None, None), x).ravel().tolist() == [0.0, 0.0, 0.0, 0.0]
        dx, dmean, dvar, dw, db = batch_norm_vjp(g, x, 2 * one, 3 * one, 4 * one, one, eps=1.0)
    assert dx.ravel().tolist() == [2.0, 0.0, 0.0, 0.0]
    assert (dmean.tolist(), dvar.tolist(), dw.tolist(), db.tolist()) == ([-2.0], [0.25], [-0.5], [1.0])


# ---- edges ----


@LANES
@pytest.mark.parametrize("shape", [(1, 5), (1, 5, 1, 1)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_element_a_channel_gives_the_bias(lane, shape, dtype):
    x, _, _, w, b = drawn(shape, 5, dtype=dtype)
    with refnorm.lane(lane):
        y, mean, var = batch_norm_train(x, w, b)
        assert np.array_equal(y.ravel(), b)
        assert np.array_equal(mean, x.ravel())
        assert var.tolist() == [0.0] * 5
        assert batch_moments(x)[1].tolist() == [0.0] * 5


@LANES
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [0.1, 1e4, -3.3])
@pytest.mark.parametrize("axis", [1, -1])
def test_a_constant_channel_gives_exactly_the_bias(lane, dtype, value, axis):
    x = np.full((7, 3, 5, 3), value, dtype=dtype)
    b = np.arange(3).astype(dtype)
    with refnorm.lane(lane):
        y, mean, var = batch_norm_train(x, None, b, axis=axis)
    assert np.array_equal(y, np.broadcast_to(b if axis == -1 else b[:, None, None], x.shape))
    assert np.array_equal(mean, x[0, :, 0, 0])
    assert var.tolist() == [0.0] * 3


@LANES
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (2, 3), (3, 40)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_take_their_channel_and_no_other(lane, bad, place, dtype):
    x = np.random.default_rng(0).normal(size=(4, 3, 41)).astype(dtype)
    x[place[0], 1, place[1]] = bad
    with refnorm.lane(lane), np.errstate(all="ignore"):
        y, mean, var = batch_norm_train(x)
        moments = batch_moments(x)
        stored = batch_norm(x, np.zeros(3, dtype), np.ones(3, dtype))
    assert np.isnan(y[:, 1]).all()
    assert np.isfinite(y[:, [0, 2]]).all()
    for m, v in ((mean, var), moments[:2]):
        assert np.array_equal(m[1], bad, equal_nan=True)
        assert np.isnan(v[1])
        assert np.isfinite([m[0], m[2], v[0], v[2]]).all()
    assert np.isfinite(stored).sum() == x.size - 1


@LANES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_an_infinity_stays_one_between_stored_moments(lane, bad, dtype):
    """Whatever the roots: 1 / sqrt(var) has digits behind float64's of either sign, and none where it is exact."""
    var = np.concatenate([np.arange(1.0, 40.0), 2.0 ** np.arange(-8, 9)]).astype(dtype)
    x, zero = np.full((5, len(var)), bad, dtype=dtype), np.zeros_like(var)
    with refnorm.lane(lane):
        assert (batch_norm(x, zero, var, eps=0.0) == bad).all()
        assert (batch_norm(x, zero, var, -1 - var, var, eps=0.0) == -bad).all()


@LANES
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_mean_of_infinities_of_one_sign_is_one(lane, dtype):
    x = np.full((4, 3, 20), -np.inf, dtype=dtype)
    x[:, 1, 10:] = 7
    x[0, 2, 5] = np.inf
    with refnorm.lane(lane), np.errstate(all="ignore"):
        mean, var, _ = batch_moments(x)
    assert np.array_equal(mean, [-np.inf, -np.inf, np.nan], equal_nan=True)
    assert np.isnan(var).all()


@LANES
def test_no_samples(lane):
    """Stored moments need no data: an empty batch gives an empty answer, and no cotangent for the parameters."""
    x, mean, var, w, b = drawn((0, 3, 4), 3)
    with refnorm.lane(lane):
        assert batch_norm(x, mean, var, w, b).shape == (0, 3, 4)
        dx, *parameters = batch_norm_vjp(x, x, mean, var, w, b)
        assert dx.shape == (0, 3, 4)
        assert all(not d.any() and d.shape == (3,) for d in parameters)
        for f in (batch_moments, batch_norm_train):
            with pytest.raises(ValueError, match="must have at least one element"):
                f(x)


@LANES
def test_refusals(lane):
    x, mean, var, w, _ = drawn((2, 3, 4), 3)
    short = np.ones(2)
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: batch_norm(x, short, var), ValueError, r"mean must have shape \(3,\), got \(2,\)"),
            (lambda: batch_norm(x, mean, short), ValueError, r"var must have shape \(3,\), got \(2,\)"),
            (lambda: batch_norm(x, mean, var, short), ValueError, r"weight must have shape \(3,\), got \(2,\)"),
            (lambda: batch_norm(x, mean, var, w, short), ValueError, r"bias must have shape \(3,\), got \(2,\)"),
            (lambda: batch_norm(x, mean, None), TypeError, "batch_norm: var must be an array, got None"),
            (lambda: batch_norm(x, None, var), TypeError, "batch_norm: mean must be an array, got None"),
            (lambda: batch_norm(x, mean, var, eps=-1.0), ValueError, "eps"),
            (lambda: batch_norm(x, mean, var, axis=(0, 1)), TypeError, "axis must be one int"),
            (lambda: batch_norm(x, mean, var, axis=3), ValueError, "channel axis 3"),
            (lambda: batch_norm(x[0, 0], mean, var, axis=0), ValueError, "axis beside it, got shape"),
            (lambda: batch_norm_train(x, np.arange(3)), TypeError, "batch_norm_train: weight must hold"),
            (lambda: batch_norm_train(np.ones((2, 0))), ValueError, "must not be empty"),
            (lambda: batch_moments(np.ones((2, 3, 0))), ValueError, "must have at least one element"),
            (lambda: batch_moments_vjp(short, x), TypeError, r"must be a tuple \(mean, var\).*got ndarray"),
            (lambda: batch_moments_vjp((mean, var, var), x), TypeError, "got 3 of them"),
            (lambda: batch_moments_vjp((mean, short), x), ValueError, r"cotangent of var must have shape \(3,\)"),
            (lambda: batch_norm_train_vjp((x, short, None), x), ValueError, r"cotangent of mean must have shape"),
            (lambda: batch_norm_train_vjp((x[:1], None, None), x), ValueError, r"cotangent must have shape"),
        ]:
            with pytest.raises(error, match=said):
                call()


# ---- layouts ----


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (8, 33, 40, 64)])
def test_the_answer_lies_as_channels_last_data_do(shape):
    """A view of channels-last memory is taken as it lies, and the answer lies so too; one is large enough to split."""
    memory = np.random.default_rng(1).normal(size=shape).astype("float32")
    x = np.moveaxis(memory, -1, 1)
    with refnorm.lane("kernel"):
        y = batch_norm_train(x)[0]
        last = batch_norm_train(memory, axis=-1)[0]
        contiguous = batch_norm_train(x.copy())[0]
    assert y.strides == x.strides
    assert last.strides == memory.strides
    assert np.array_equal(np.moveaxis(last, -1, 1), y)
    assert np.mean(y != contiguous) <= 1e-4


@st.composite
def batches(draw):
    """Return a shape, a channel axis, an order of the memory's axes, and whether there are parameters."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=2, max_size=5)))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    order = draw(st.permutations(range(len(shape))))
    return shape, axis, order, draw(st.booleans()), draw(st.booleans())


def laid_out(x, order):
    """Return `x` with its axes in another order in memory."""
    back = [order.index(a) for a in range(x.ndim)]
    return np.ascontiguousarray(x.transpose(order)).transpose(back)


@settings(max_examples=300, deadline=None)
@given(batches(), st.integers(0, 2**31 - 1))
def test_any_axis_and_layout_against_the_oracle(batch, seed):
    shape, axis, order, scaled, shifted = batch
    channels = shape[axis]
    x, mean, var, w, b = drawn(shape, channels, seed, "float32")
    w, b, x = w if scaled else None, b if shifted else None, laid_out(x, order)
    wide = [a if a is None else a.astype(oracles.WIDE) for a in (x, mean, var, w, b)]
    options = {"axis": axis, "eps": 0.1}
    calls = [
        ("batch_norm", batch_norm, (x, mean, var, w, b), wide, options),
        ("batch_norm_train", batch_norm_train, (x, w, b), (wide[0], *wide[3:]), options),
        ("batch_moments", batch_moments, (x,), wide[:1], {"axis": axis}),
    ]
    for lane in ("formula", "kernel") if cpu_level() else ("formula",):
        with refnorm.lane(lane):
            for name, f, arrays, exact, how in calls:
                for y, wanted in zip(
                    oracles.outputs(f(*arrays, **how)),
                    oracles.outputs(oracles.oracle(name)(*exact, **how)),
                    strict=True,
                ):
                    assert np.max(oracles.ulps(y, wanted)) <= 0.51, (name, lane)


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
def test_moments_in_another_type_take_the_formula():
    x, mean, var, w, b = drawn((4, 3, 5), 3)
    half = x.astype("float16")
    with refnorm.lane("kernel"), pytest.raises(RuntimeError, match="dtypes differ"):
        batch_norm(half, mean, var, w, b)
    y = batch_norm(half, mean, var, w, b)
    assert y.dtype == np.float16
    assert np.array_equal(y, batch_norm(half.astype("float64"), mean, var, w, b).astype("float16"))


# ---- against others ----


def test_equals_torch(torch):
    x, mean, var, w, b = drawn((5, 3, 7, 2), 3)
    given = [torch.from_numpy(a).requires_grad_() for a in (x, mean, var, w, b)]
    t, m, v, tw, tb = given
    y = torch.nn.functional.batch_norm(t, m.detach(), v.detach(), tw, tb, False, 0.1, 0.3)
    assert np.allclose(batch_norm(x, mean, var, w, b, eps=0.3), y.detach(), rtol=1e-13, atol=1e-14)
    g = np.random.default_rng(1).normal(size=x.shape)
    wanted = torch.autograd.grad(y, (t, tw, tb), torch.from_numpy(g))
    dx, _, _, dw, db = batch_norm_vjp(g, x, mean, var, w, b, eps=0.3)
    for ours, theirs in zip((dx, dw, db), wanted, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-11, atol=1e-13)
    y = torch.nn.functional.batch_norm(t, None, None, tw, tb, True, 0.1, **refnorm.convention("torch", "batch_norm"))
    assert np.allclose(batch_norm_train(x, w, b)[0], y.detach(), rtol=1e-12, atol=1e-13)
    wanted = torch.autograd.grad(y, (t, tw, tb), torch.from_numpy(g))
    for ours, theirs in zip(batch_norm_train_vjp((g, None, None), x, w, b), wanted, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_gradients_of_the_moments_equal_torch(torch):
    x = drawn((5, 3, 7), 3)[0]
    t = torch.from_numpy(x).requires_grad_()
    gmean, gvar = np.random.default_rng(2).normal(size=(2, 3))
    moments = (t.mean((0, 2)), t.var((0, 2), correction=0))
    (wanted,) = torch.autograd.grad(moments, t, (torch.from_numpy(gmean), torch.from_numpy(gvar)))
    assert np.allclose(batch_moments_vjp((gmean, gvar), x), wanted, rtol=1e-12, atol=1e-15)


def test_torch_refuses_one_element_a_channel(torch):
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        torch.nn.functional.batch_norm(torch.ones(1, 5), None, None, training=True)


def test_equals_onnx():
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    f32, info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    arrays = dict(zip("xmvwb", drawn((4, 3, 5, 2), 3, dtype="float32"), strict=True))
    arrays["v"] *= np.float32(1e-3)  # so that eps tells
    node = onnx.helper.make_node("BatchNormalization", list("xwbmv"), ["y"])
    shapes = [info(k, f32, list(arrays[k].shape)) for k in "xwbmv"]
    graph = onnx.helper.make_graph([node], "g", shapes, [info("y", f32, [4, 3, 5, 2])])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, arrays)
    got = batch_norm(*arrays.values(), **refnorm.convention("onnx", "batch_norm"))
    assert np.allclose(got, wanted, rtol=1e-4, atol=1e-5)
    eps = refnorm.convention("keras", "batch_norm")["eps"]
    assert not np.allclose(batch_norm(*arrays.values(), eps=eps), wanted, rtol=1e-2, atol=1e-2)


def test_equals_keras():
    pytest.importorskip("jax", reason="jax is not installed")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras", reason="keras is not installed")
    x, mean, var, w, b = drawn((4, 5, 2, 3), 3, dtype="float32")
    layer = keras.layers.BatchNormalization()
    layer.build(x.shape)
    var *= np.float32(1e-2)  # so that eps tells
    layer.set_weights([w, b, mean, var])
    how = refnorm.convention("keras", "batch_norm")
    wanted = np.asarray(layer(x, training=False))
    assert np.allclose(batch_norm(x, mean, var, w, b, **how), wanted, rtol=1e-4, atol=1e-5)
    assert not np.allclose(batch_norm(x, mean, var, w, b, axis=-1, eps=1e-5), wanted, rtol=1e-3, atol=1e-3)
    wanted = np.asarray(layer(x, training=True))
    how = refnorm.convention("keras", "batch_norm_train")
    assert np.allclose(batch_norm_train(x, w, b, **how)[0], wanted, rtol=1e-4, atol=1e-5)


def test_equals_jax_written_out_and_its_one_pass_variance_does_not(jax):
    """jax.nn.standardize, flax and others take E[x^2] - E[x]^2: at a mean of 1e4 nothing is left of it in float32."""
    jnp = jax.numpy
    x, _, _, w, b = drawn((64, 3, 16), 3, dtype="float32")
    for offset, fits in ((0, True), (1e4, False)):
        t = jnp.asarray(x + np.float32(offset))
        mean, square = t.mean((0, 2), keepdims=True), (t * t).mean((0, 2), keepdims=True)
        one_pass = (t - mean) / jnp.sqrt(jnp.maximum(square - mean * mean, 0) + 1e-5) * w[:, None] + b[:, None]
        two_passes = (t - mean) / jnp.sqrt(((t - mean) ** 2).mean((0, 2), keepdims=True) + 1e-5)
        two_passes = two_passes * w[:, None] + b[:, None]
        ours = batch_norm_train(np.asarray(t), w, b)[0]
        assert np.allclose(ours, two_passes, rtol=1e-2, atol=1e-2)
        assert np.allclose(ours, one_pass, rtol=1e-2, atol=1e-2) == fits


def test_running_statistics_are_what_batch_norm_takes(torch):
    """One step of training and one of inference, as torch does them."""
    from refnorm.norm import update_running

    x, *_ = drawn((6, 3, 4), 3)
    bn = torch.nn.BatchNorm1d(3, dtype=torch.float64)
    bn(torch.from_numpy(x))
    mean, var, count = batch_moments(x)
    old_mean, old_var = np.zeros(3), np.ones(3)
    mean = update_running(old_mean, mean, momentum=0.1)
    var = update_running(old_var, var, momentum=0.1, count=count, correction=1)
    wanted = bn.eval()(torch.from_numpy(x)).detach()
    assert np.allclose(batch_norm(x, mean, var), wanted, rtol=1e-12, atol=1e-13)
