"""local_response_norm by hand, refusals, special values, and torch, ONNX Runtime and onnx's reference."""

import numpy as np
import pytest

import refnorm
from refnorm._lanes import cpu_level
from refnorm.norm import local_response_norm, local_response_norm_vjp

X = np.array([[3.0, 4.0, 0.0, 2.0]])
LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])
HOW = dict(alpha=1.0, beta=0.5, k=0.0, average=False)


@LANES
def test_by_hand(lane):
    """Squares 9, 16, 0, 4."""
    with refnorm.lane(lane):
        assert local_response_norm(X, window=3, **HOW).tolist() == [[0.6, 0.8, 0, 1]]
        assert np.allclose(local_response_norm(X, window=2, **HOW), [[1, 0.8, 0, 1]], rtol=1e-15)
        assert np.allclose(local_response_norm(X, window=2, side="after", **HOW), [[0.6, 1, 0, 1]], rtol=1e-15)
        got = local_response_norm(X, window=3, alpha=3.0, beta=1.0, k=1.0)
        assert np.allclose(got, [[3 / 26, 4 / 26, 0, 2 / 5]], rtol=1e-15)
        assert np.allclose(local_response_norm(X, window=9, alpha=9.0, beta=0.5, k=7.0), X / 6, rtol=1e-15)


@LANES
def test_gradient_by_hand(lane):
    """Of 3 / 5 in the window (3, 4): (16, -12) / 125."""
    with refnorm.lane(lane):
        g = np.array([[1.0, 0.0, 0.0, 0.0]])
        dx = local_response_norm_vjp(g, X, window=3, **HOW)
        assert np.allclose(dx, [[0.128, -0.096, 0, 0]], rtol=1e-14, atol=1e-16)
        wide = local_response_norm_vjp(g, X, window=2, side="after", **HOW)
        assert np.allclose(wide, dx, rtol=1e-14, atol=1e-16)


@LANES
def test_nan_and_infinity_stay_in_their_windows(lane):
    with refnorm.lane(lane):
        x = np.arange(1.0, 9.0).reshape(1, 8)
        plain = local_response_norm(x, window=3, alpha=1.0)
        for bad in (np.nan, np.inf, -np.inf):
            x[0, 4] = bad
            with np.errstate(all="ignore"):
                y = local_response_norm(x, window=3, alpha=1.0)
            assert np.array_equal(y[0, [0, 1, 2, 6, 7]], plain[0, [0, 1, 2, 6, 7]])
            assert np.isnan(y[0, 4])
            assert np.isnan(y[0, [3, 5]]).all() if np.isnan(bad) else not y[0, [3, 5]].any()
        with np.errstate(all="ignore"):
            assert np.isnan(local_response_norm(np.zeros((1, 3)), window=3, k=0.0)).all()


@LANES
@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_float64_neither_overflows_nor_vanishes(lane, size):
    """Beside numbers of usual size in other windows, which keep theirs."""
    with refnorm.lane(lane):
        x = np.array([[3.0, 4.0, 0.0, 0.0, 3 * size, 4 * size]])
        y = local_response_norm(x, window=3, **HOW)
        assert np.allclose(y, [[0.6, 0.8, 0, 0, 0.6, 0.8]], rtol=1e-14)
        y = local_response_norm(x, window=3, alpha=1.0, beta=0.75, k=1e-12, average=False)
        assert np.allclose(y[0, :2], [3 / 5**1.5, 4 / 5**1.5], rtol=1e-12)
        scale = max(5 * size, 1e-6)
        assert np.allclose(y[0, 4:] / (np.array([3.0, 4.0]) * (size / scale) * scale**-0.5), 1, rtol=1e-7)


def test_refusals():
    for call, error, said in [
        (lambda: local_response_norm(X, window=0), ValueError, "window must be at least 1, got 0"),
        (lambda: local_response_norm(X, window=2.5), TypeError, "window must be an int"),
        (lambda: local_response_norm(X, window=3, side="left"), ValueError, "side must be 'before' or 'after'"),
        (lambda: local_response_norm(X, window=3, alpha=-1.0), ValueError, "alpha must be finite and not below zero"),
        (lambda: local_response_norm(X, window=3, beta=-1.0), ValueError, "beta must be finite and not below zero"),
        (lambda: local_response_norm(X, window=3, k=np.inf), ValueError, "k must be finite and not below zero"),
        (lambda: local_response_norm(X, window=3, k="1"), TypeError, "'<='"),
        (lambda: local_response_norm(X, window=3, average=1), TypeError, "average must be True or False"),
        (lambda: local_response_norm(X, window=3, axis=2), ValueError, "channel axis 2"),
        (lambda: local_response_norm(X[:, :0], window=3), ValueError, "at least one channel"),
        (lambda: local_response_norm_vjp(X[:, :2], X, window=3), ValueError, "cotangent must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 8, 20])
def test_equals_torch(window, torch):
    x = torch.randn(3, 7, 4, 2, dtype=torch.float64, requires_grad=True)
    how = dict(alpha=0.7, beta=0.6, k=1.5)
    wanted = torch.nn.functional.local_response_norm(x, window, **how)
    with torch.no_grad():
        assert torch.allclose(local_response_norm(x, window=window, **how), wanted, rtol=1e-13)
    g = torch.randn_like(x)
    (grad,) = torch.autograd.grad(wanted, x, g)
    with torch.no_grad():
        assert torch.allclose(local_response_norm_vjp(g, x, window=window, **how), grad, rtol=1e-11, atol=1e-13)


def test_the_defaults_are_those_of_torch(torch):
    x = 40 * torch.randn(3, 7, 4, dtype=torch.float64)
    how = refnorm.convention("torch", "local_response_norm")
    wanted = torch.nn.LocalResponseNorm(5)(x)
    assert torch.allclose(local_response_norm(x, window=5, **how), wanted, rtol=1e-13)
    assert torch.allclose(local_response_norm(x, window=5), wanted, rtol=1e-13)
    tf = {**refnorm.convention("tf", "local_response_norm"), "axis": 1, "window": 5}
    assert not torch.allclose(local_response_norm(x, **tf), wanted, rtol=1e-1)


def node_of(onnx, window, arrays):
    node = onnx.helper.make_node("LRN", ["x"], ["y"], size=window, alpha=0.7, beta=0.6, bias=1.5)
    info = onnx.helper.make_tensor_value_info
    shapes = [info(name, onnx.TensorProto.FLOAT, list(arrays.shape)) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", shapes[:1], shapes[1:])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=10)


@pytest.mark.parametrize("window", [1, 3, 5])
def test_equals_onnxruntime(window):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    x = np.random.default_rng(1).normal(size=(2, 7, 3, 4)).astype("float32")
    model = node_of(onnx, window, x).SerializeToString()
    (wanted,) = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    how = {**refnorm.convention("onnx", "local_response_norm"), "alpha": 0.7, "beta": 0.6, "k": 1.5}
    assert np.allclose(local_response_norm(x, window=window, **how), wanted, rtol=1e-5)


@pytest.mark.parametrize("window", [2, 3, 4, 6])
def test_equals_the_reference_of_onnx(window):
    """Even windows too: floor((n - 1) / 2) channels before, ceil((n - 1) / 2) after. As many samples as channels.

    The reference counts channels up to the number of samples: those beyond keep no energy, and beyond them it fails.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    reference = pytest.importorskip("onnx.reference", reason="onnx is not installed")
    x = np.random.default_rng(2).normal(size=(7, 7, 3, 4)).astype("float32")
    run = reference.ReferenceEvaluator(node_of(onnx, window, x)).run
    how = {**refnorm.convention("onnx", "local_response_norm"), "alpha": 0.7, "beta": 0.6, "k": 1.5}
    got = local_response_norm(x, window=window, **how)
    assert np.allclose(got, run(None, {"x": x})[0], rtol=1e-5)
    if window % 2 == 0:
        assert not np.allclose(local_response_norm(x, window=window, **{**how, "side": "before"}), got, rtol=1e-3)


def test_onnxruntime_refuses_even_windows():
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model = node_of(onnx, 4, np.ones((1, 5, 2, 2), "float32")).SerializeToString()
    with pytest.raises(Exception, match="size_ % 2 == 1 was false"):
        ort.InferenceSession(model, providers=["CPUExecutionProvider"])


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axis", "window", "beta", "k"),
    [
        ((2, 7, 600), 1, 5, 0.75, 1.0),  # more places than a unit
        ((3, 4, 1100), -1, 6, 0.75, 1.0),  # channels side by side, more than are squared together
        ((3, 2, 90), -1, 101, 0.5, 1.0),  # a window beyond what is kept at hand, of both layouts
        ((2, 90, 3), 1, 171, 0.75, 2.0),
        ((5, 9, 4), 1, 3, 0.75, 0.0),  # powers without logarithms
        ((5, 9, 4), 0, 4, 0.0, 1.0),
    ],
)
def test_every_path_of_the_kernels_agrees_with_the_formula(shape, axis, window, beta, k, dtype):
    x, g = np.random.default_rng(5).normal(size=(2, *shape)).astype(dtype)
    how = dict(axis=axis, window=window, alpha=1.5, beta=beta, k=k)
    with refnorm.lane("formula"):
        wanted, slope = local_response_norm(x, **how), local_response_norm_vjp(g, x, **how)
    with refnorm.lane("kernel"):
        got, own = local_response_norm(x, **how), local_response_norm_vjp(g, x, **how)
        in_place = x.copy()
        assert local_response_norm(in_place, out=in_place[...], **how).base is in_place
    eps = np.finfo(dtype).eps
    assert np.allclose(got, wanted, rtol=4 * eps, atol=0)
    assert np.array_equal(in_place, got)
    assert np.allclose(own, slope, rtol=8 * eps, atol=8 * eps * np.max(np.abs(slope)))
