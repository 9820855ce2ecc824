"""layer_norm by hand, at its edges, and against torch, onnxruntime and rms_norm."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import layer_norm, layer_norm_vjp, rms_norm


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_by_hand(lane):
    """mean 2, variance 1; with eps = 3 the root is 2."""
    x = np.array([[1.0, 3.0, 1.0, 3.0]])
    w, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.5, 0.0, -4.0])
    with refnorm.lane(lane):
        assert layer_norm(x, eps=0.0).tolist() == [[-1.0, 1.0, -1.0, 1.0]]
        assert layer_norm(x, eps=3.0).tolist() == [[-0.5, 0.5, -0.5, 0.5]]
        assert layer_norm(x, w, b, eps=0.0).tolist() == [[-0.5, 2.5, -3.0, 0.0]]
        assert layer_norm(x, None, b, eps=0.0).tolist() == [[-0.5, 1.5, -1.0, -3.0]]


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [0.1, 1e4, -3.3])
def test_a_constant_row_gives_exactly_the_bias(lane, dtype, value):
    x = np.full((2, 1000), value, dtype=dtype)
    b = np.arange(1000).astype(dtype)
    with refnorm.lane(lane):
        assert np.array_equal(layer_norm(x, None, b), [b, b])


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_gradient_by_hand(lane):
    """xhat = (-1, 1, -1, 1), s = 1: dx = g - mean(g) - xhat mean(g xhat) = e_0 - 1/4 + xhat/4."""
    x = np.array([[1.0, 3.0, 1.0, 3.0]])
    with refnorm.lane(lane):
        dx, dw, db = layer_norm_vjp(np.array([[1.0, 0.0, 0.0, 0.0]]), x, np.ones(4), np.ones(4), eps=0.0)
    assert dx.tolist() == [[0.5, 0.0, -0.5, 0.0]]
    assert dw.tolist() == [-1.0, 0.0, 0.0, 0.0]
    assert db.tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 40])
def test_nan_and_infinity_take_their_row_and_no_other(lane, bad, place):
    x = np.random.default_rng(0).normal(size=(3, 41)).astype("float32")
    x[1, place] = bad
    with refnorm.lane(lane), np.errstate(all="ignore"):
        y = layer_norm(x)
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[[0, 2]]).all()


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_refusals(lane):
    x = np.ones((2, 3), "float32")
    short = np.ones(2, "float32")
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: layer_norm(x, short), ValueError, r"weight must have shape \(3,\), got \(2,\)"),
            (lambda: layer_norm(x, None, short), ValueError, r"bias must have shape \(3,\), got \(2,\)"),
            (lambda: layer_norm(x, np.ones(6, "float32"), axis=(0, 1)), ValueError, r"shape \(2, 3\), got \(6,\)"),
            (lambda: layer_norm(np.ones((2, 0))), ValueError, "must not be empty"),
            (lambda: layer_norm(x, eps=float("inf")), ValueError, "eps"),
            (lambda: layer_norm(x, None, np.arange(3)), TypeError, "layer_norm: bias must hold"),
        ]:
            with pytest.raises(error, match=said):
                call()


def test_is_rms_norm_of_the_centred_row():
    """Jiang et al. 2023: layer_norm(x) = rms_norm(x - mean x)."""
    x = np.random.default_rng(1).normal(size=(4, 9))
    c = x - x.mean(axis=-1, keepdims=True)
    assert np.allclose(layer_norm(x, eps=0.2), rms_norm(c, eps=0.2), rtol=1e-13)


def test_equals_torch(torch):
    rng = np.random.default_rng(2)
    x, w, b = rng.normal(size=(5, 3, 7)), rng.normal(size=(3, 7)), rng.normal(size=(3, 7))
    given = [torch.from_numpy(a).requires_grad_() for a in (x, w, b)]
    y = torch.nn.functional.layer_norm(given[0], (3, 7), given[1], given[2], eps=0.3)
    assert np.allclose(layer_norm(x, w, b, axis=(1, 2), eps=0.3), y.detach().numpy(), rtol=1e-13)
    g = rng.normal(size=x.shape)
    wanted = torch.autograd.grad(y, given, torch.from_numpy(g))
    for ours, theirs in zip(layer_norm_vjp(g, x, w, b, axis=(1, 2), eps=0.3), wanted, strict=True):
        assert np.allclose(ours, theirs.numpy(), rtol=1e-11, atol=1e-13)


def test_equals_onnx():
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    f32, info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("LayerNormalization", ["x", "w", "b"], ["y"], axis=1)
    shapes = {"x": [3, 4, 5], "w": [4, 5], "b": [4, 5]}
    graph = onnx.helper.make_graph(
        [node], "g", [info(k, f32, s) for k, s in shapes.items()], [info("y", f32, [3, 4, 5])]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(3)
    given = {k: (1e-2 * rng.normal(size=s)).astype("float32") for k, s in shapes.items()}
    (wanted,) = session.run(None, given)
    got = layer_norm(*given.values(), axis=(1, 2), **refnorm.convention("onnx", "layer_norm"))
    assert np.allclose(got, wanted, rtol=1e-5, atol=1e-7)
    keras = layer_norm(*given.values(), axis=(1, 2), **refnorm.convention("keras", "layer_norm"))
    assert not np.allclose(keras, wanted, rtol=1e-2)
