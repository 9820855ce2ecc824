"""avg_pool and max_pool by hand, at their edges, and against torch, onnxruntime and TensorFlow's SAME rule."""

import itertools

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refnorm
from refnorm._lanes import cpu_level
from refnorm.pool import avg_pool, avg_pool_vjp, max_pool, max_pool_vjp, same_padding

LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])
X = np.arange(16.0).reshape(1, 1, 4, 4)


@LANES
def test_by_hand(lane):
    with refnorm.lane(lane):
        assert avg_pool(X, window=2).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
        assert max_pool(X, window=2).tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
        assert max_pool(X, window=2, dilation=2, stride=1).tolist() == [[[[10.0, 11.0], [14.0, 15.0]]]]
        assert max_pool(-X, window=3, stride=2, padding=1).tolist() == [[[[-0.0, -1.0], [-4.0, -5.0]]]]
        line = np.array([[[1.0, 2.0, 6.0]]])
        assert avg_pool(line, window=2, padding=1).tolist() == [[[0.5, 4.0]]]
        assert avg_pool(line, window=2, padding=1, count_include_pad=False).tolist() == [[[1.0, 4.0]]]
        assert avg_pool(line, window=2, ceil_mode=True).tolist() == [[[1.5, 6.0]]]  # the added cell does not count


@LANES
def test_gradients_by_hand(lane):
    line = np.array([[[1.0, 7.0, 7.0, 2.0]]])
    g = np.array([[[3.0, 5.0, 9.0]]])
    with refnorm.lane(lane):
        assert max_pool_vjp(g, line, window=2, stride=1).tolist() == [[[0.0, 8.0, 9.0, 0.0]]]  # ties: the first
        assert avg_pool_vjp(g, line, window=2, stride=1).tolist() == [[[1.5, 4.0, 7.0, 4.5]]]


@LANES
def test_ties_nan_and_infinity(lane):
    nan, inf = np.nan, np.inf
    x = np.array([[[1.0, nan, nan, 2.0, -inf, -inf, -inf, -inf]]])
    with refnorm.lane(lane):
        y = max_pool(x, window=2)
        dx = max_pool_vjp(np.array([[[1.0, 2.0, 3.0, 4.0]]]), x, window=2)
        padded = max_pool(np.full((1, 1, 3, 3), -inf), window=3, stride=1, padding=1)
    assert np.array_equal(y, [[[nan, nan, -inf, -inf]]], equal_nan=True)
    assert dx.tolist() == [[[0.0, 1.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0]]]
    assert (padded == -inf).all()


@LANES
@pytest.mark.parametrize("f", [avg_pool, max_pool])
def test_channels_last_is_a_view(f, lane):
    x = np.random.default_rng(0).normal(size=(2, 9, 11, 5)).astype("float32")
    view = np.moveaxis(x, -1, 1)
    with refnorm.lane(lane):
        y = f(view, window=3, stride=2, padding=1)
        wanted = f(np.ascontiguousarray(view), window=3, stride=2, padding=1)
    assert np.array_equal(y, wanted)
    if lane == "kernel":
        assert y.strides[1] == 4  # memory is laid out as that of x
        out = np.moveaxis(np.zeros((2, 5, 6, 5), "float32"), -1, 1)
        assert f(view, window=3, stride=2, padding=1, out=out) is out
        assert np.array_equal(out, wanted)


@LANES
def test_refusals(lane):
    x = np.ones((1, 2, 5, 6), "float32")
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: avg_pool(x, window=7), ValueError, "does not fit axis 2 of size 5"),
            (lambda: avg_pool(x, window=2, padding=2), ValueError, "padding must be smaller"),
            (lambda: avg_pool(x, window=0), ValueError, "window must be at least 1"),
            (lambda: avg_pool(x, window=2, stride=0), ValueError, "stride must be at least 1"),
            (lambda: avg_pool(x, window=2, padding=-1), ValueError, "padding must be at least 0"),
            (lambda: avg_pool(x, window=(2, 2, 2)), ValueError, "window must have one entry"),
            (lambda: avg_pool(x, window=2.0), TypeError, "window must be an int"),
            (lambda: avg_pool(x[0], window=(2, 2)), ValueError, "window must have one entry"),
            (lambda: avg_pool(x[0, 0], window=2), ValueError, r"\(N, C, \*spatial\)"),
            (lambda: max_pool(x, window=3, dilation=3), ValueError, "reaching over 7 does not fit"),
            (
                lambda: max_pool(x[..., :2], window=2, dilation=5, padding=4, stride=1),
                ValueError,
                "nothing but padding",
            ),
            (lambda: avg_pool(x[..., :0], window=1), ValueError, "does not fit axis 3 of size 0"),
            (lambda: avg_pool(x, window=2, padding=((0, 1),)), ValueError, "padding must have one entry"),
        ]:
            with pytest.raises(error, match=said):
                call()


@LANES
@pytest.mark.parametrize("f", [avg_pool, max_pool])
def test_windows_of_a_hundred_thousand(f, lane):
    n, window = 1_000_000, 100_000 if lane == "kernel" else 1000  # the formula takes a tap at a time
    x = np.random.default_rng(0).normal(1e4, 1, (1, 1, n)).astype("float32")
    options = {"window": window, "stride": n // 3}
    with refnorm.lane(lane):
        (off,) = (oracles.ulps(f(x, **options), wanted) for wanted in oracles.exact(f.__name__, [x], options))
    assert np.max(off) <= 0.51


# ---- other people's implementations ----

GRID = [
    dict(window=w, stride=s, padding=p, ceil_mode=c)
    for w, s, p, c in itertools.product([2, 3, (3, 2)], [None, 1, 2, (2, 3)], [0, 1], [False, True])
]


@LANES
@pytest.mark.parametrize("options", GRID, ids=str)
def test_equals_torch(options, lane, torch):
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 7))
    t = torch.from_numpy(x).requires_grad_()
    w, s, p, c = options.values()
    rest = dict(stride=s, padding=p, ceil_mode=c)
    g = None
    for include in (True, False):
        y = torch.nn.functional.avg_pool2d(t, w, count_include_pad=include, **rest)
        g = np.random.default_rng(2).normal(size=y.shape)
        (wanted,) = torch.autograd.grad(y, t, torch.from_numpy(g))
        with refnorm.lane(lane):
            assert np.allclose(avg_pool(x, count_include_pad=include, **options), y.detach().numpy(), rtol=1e-13)
            assert np.allclose(avg_pool_vjp(g, x, count_include_pad=include, **options), wanted.numpy(), rtol=1e-13)
    for dilation in (1, 2):
        y = torch.nn.functional.max_pool2d(t, w, dilation=dilation, **rest)
        g = np.random.default_rng(3).normal(size=y.shape)
        (wanted,) = torch.autograd.grad(y, t, torch.from_numpy(g))
        with refnorm.lane(lane):
            assert np.array_equal(max_pool(x, dilation=dilation, **options), y.detach().numpy())
            assert np.allclose(max_pool_vjp(g, x, dilation=dilation, **options), wanted.numpy(), rtol=1e-13)


@LANES
@pytest.mark.parametrize("rank", [1, 3])
def test_equals_torch_on_lines_and_volumes(rank, lane, torch):
    x = np.random.default_rng(4).normal(size=(2, 3, *(7, 6, 5)[:rank])).astype("float32")
    t = torch.from_numpy(x)
    average = getattr(torch.nn.functional, f"avg_pool{rank}d")(t, 3, stride=2, padding=1).numpy()
    largest = getattr(torch.nn.functional, f"max_pool{rank}d")(t, 3, stride=2, padding=1).numpy()
    with refnorm.lane(lane):
        assert np.allclose(avg_pool(x, window=3, stride=2, padding=1), average, rtol=1e-5, atol=1e-6)
        assert np.array_equal(max_pool(x, window=3, stride=2, padding=1), largest)


@LANES
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_equals_onnx(ceil_mode, lane):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    f32, info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    x = np.random.default_rng(5).normal(size=(2, 3, 8, 7)).astype("float32")
    for kind, f in (("AveragePool", avg_pool), ("MaxPool", max_pool)):
        node = onnx.helper.make_node(
            kind, ["x"], ["y"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], ceil_mode=int(ceil_mode)
        )
        graph = onnx.helper.make_graph([node], "g", [info("x", f32, x.shape)], [info("y", f32, None)])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)], ir_version=9)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (wanted,) = session.run(None, {"x": x})
        options = dict(window=(3, 2), stride=2, padding=((1, 1), (0, 1)), **refnorm.convention("onnx", f.__name__))
        options["ceil_mode"] = ceil_mode
        with refnorm.lane(lane):
            assert np.allclose(f(x, **options), wanted, rtol=1e-5, atol=1e-6), kind


def test_same_padding_is_tensorflows():
    """ceil(size / stride) outputs; the odd cell goes to the end (tensorflow.org, tf.nn, Notes on padding)."""
    assert same_padding((5, 6), window=2, stride=2) == ((0, 1), (0, 0))
    assert same_padding((28,), window=3, stride=1) == ((1, 1),)
    assert same_padding((7, 8), window=(3, 4), stride=(2, 3), dilation=(2, 1)) == ((2, 2), (1, 1))
    for n, k, s in itertools.product(range(1, 12), range(1, 5), range(1, 5)):
        padding = same_padding((n,), window=k, stride=s)
        if k <= n + sum(padding[0]):
            y = max_pool(np.zeros((1, 1, n)), window=k, stride=s, padding=padding)
            assert y.shape[-1] == -(-n // s)


def test_same_average_equals_jax(jax):
    """JAX's SAME average, divided by the real cells as TensorFlow and Keras do."""
    x = np.random.default_rng(6).normal(size=(1, 1, 7, 6)).astype("float32")

    def window_sum(v):
        return jax.lax.reduce_window(v, 0.0, jax.lax.add, (1, 1, 3, 2), (1, 1, 2, 2), "SAME")

    wanted = window_sum(x) / window_sum(np.ones_like(x))
    padding = same_padding(x.shape[2:], window=(3, 2), stride=2)
    got = avg_pool(x, window=(3, 2), stride=2, padding=padding, **refnorm.convention("tf", "avg_pool"))
    assert np.allclose(got, wanted, rtol=1e-5, atol=1e-6)


# ---- any windows at all ----


@st.composite
def pools(draw):
    """Draw (spatial shape, options) of one to three axes; some fit nothing."""
    rank = draw(st.integers(1, 3))

    def each(values):
        return tuple(draw(st.lists(values, min_size=rank, max_size=rank)))

    shape = each(st.integers(3, 10))
    small = st.integers(1, 4)
    options = {"window": each(small), "stride": draw(st.none() | st.just(each(small)))}
    options["padding"] = each(st.tuples(st.integers(0, 1), st.integers(0, 2)))
    return shape, options | {"ceil_mode": draw(st.booleans())}, each(st.integers(1, 2)), draw(st.booleans())


@settings(max_examples=400, deadline=None)
@given(pools())
def test_any_windows(pool):
    """Both lanes give the oracle's answer and each other's gradient, or both refuse."""
    shape, options, dilation, include = pool
    x = np.random.default_rng(7).normal(size=(2, 3, *shape))
    for f, vjp, more in (
        (max_pool, max_pool_vjp, {"dilation": dilation}),
        (avg_pool, avg_pool_vjp, {"count_include_pad": include}),
    ):
        try:
            with refnorm.lane("formula"):
                y = f(x, **options, **more)
        except ValueError:
            with pytest.raises(ValueError, match=r"window|padding"):
                f(x, **options, **more)
            continue
        (wanted,) = oracles.exact(f.__name__, [x], options | more)
        assert y.shape == wanted.shape
        assert np.allclose(y, wanted.astype(float), rtol=1e-14, atol=1e-15)
        if cpu_level():
            with refnorm.lane("kernel"):
                assert np.allclose(f(x, **options, **more), y, rtol=1e-15, atol=1e-15)
                dx = vjp(y, x, **options, **more)
            with refnorm.lane("formula"):
                assert np.allclose(dx, vjp(y, x, **options, **more), rtol=1e-13, atol=1e-14)
