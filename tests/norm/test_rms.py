"""rms_norm by hand, at its edges, and against torch, onnxruntime and the paper's invariances."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import rms_norm, rms_norm_vjp


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_by_hand(lane):
    """mean([9, 16, 0, 0]) = 6.25, root 2.5; with eps = 2.75 the root is 3."""
    x = np.array([[3.0, 4.0, 0.0, 0.0]])
    w = np.array([1.0, 2.0, 3.0, 4.0])
    with refnorm.lane(lane):
        assert rms_norm(x, eps=0.0).tolist() == [[1.2, 1.6, 0.0, 0.0]]
        assert rms_norm(x, eps=2.75).tolist() == [[1.0, 4 / 3, 0.0, 0.0]]
        assert rms_norm(x, w, eps=0.0).tolist() == [[1.2, 3.2, 0.0, 0.0]]
        assert rms_norm(np.zeros((1, 3))).tolist() == [[0.0, 0.0, 0.0]]
        assert np.isnan(rms_norm(np.zeros((1, 3)), eps=0.0)).all()


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_gradient_by_hand(lane):
    """x = (3, 4), eps 0: r^2 = 12.5; dx = (g - xhat mean(g xhat)) / r with xhat = x / r."""
    x, g = np.array([[3.0, 4.0]]), np.array([[1.0, 0.0]])
    r = 12.5**0.5
    with refnorm.lane(lane):
        dx, dw = rms_norm_vjp(g, x, np.ones(2), eps=0.0)
    assert np.allclose(dx, [[(1 - 9 / 25) / r, -12 / 25 / r]], rtol=1e-15)
    assert np.allclose(dw, [3 / r, 0], rtol=1e-15)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_infinity(lane):
    """x / inf: 0 for the finite ones, inf / inf for itself."""
    with refnorm.lane(lane), np.errstate(all="ignore"):
        y = rms_norm(np.array([[1.0, np.inf, -2.0]], dtype="float32"))
    assert y[0, 0] == 0
    assert np.isnan(y[0, 1])
    assert y[0, 2] == 0


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
def test_squares_neither_overflow_nor_vanish(lane, scale):
    x = np.array([[3.0, 4.0, 0.0, 0.0]]) * scale
    with refnorm.lane(lane):
        assert np.allclose(rms_norm(x, eps=0.0), [[1.2, 1.6, 0.0, 0.0]], rtol=4e-16, atol=0)
        small = rms_norm(x, eps=1e-6)
    wanted = [[1.2, 1.6, 0, 0]] if scale > 1 else x / 1e-3
    assert np.allclose(small, wanted, rtol=4e-16, atol=0)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_refusals(lane):
    x = np.ones((2, 3), "float32")
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: rms_norm(x, np.ones(4, "float32")), ValueError, r"weight must have shape \(3,\), got \(4,\)"),
            (lambda: rms_norm(x, np.ones((1, 3), "float32")), ValueError, "weight must have shape"),
            (lambda: rms_norm(np.ones((2, 0))), ValueError, "must not be empty"),
            (lambda: rms_norm(x, axis=2), ValueError, "axis 2 does not exist in an array of 2 axes"),
            (lambda: rms_norm(x, axis=(0, 0)), ValueError, "each axis once"),
            (lambda: rms_norm(x, axis=()), ValueError, "each axis once"),
            (lambda: rms_norm(x, axis=1.0), TypeError, "axis must be an int"),
            (lambda: rms_norm(x, eps=-1.0), ValueError, "eps must be finite and not below zero"),
            (lambda: rms_norm(x, eps=float("nan")), ValueError, "eps"),
            (lambda: rms_norm(x, eps="1"), TypeError, "eps must be a real number"),
            (lambda: rms_norm(np.array(3.0)), ValueError, "axis"),
            (lambda: rms_norm(x, np.arange(3)), TypeError, "rms_norm: weight must hold real floating"),
        ]:
            with pytest.raises(error, match=said):
                call()


def test_equals_torch(torch):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(5, 7)), rng.normal(size=7)
    wanted = torch.nn.functional.rms_norm(torch.from_numpy(x), (7,), torch.from_numpy(w), eps=0.3).numpy()
    assert np.allclose(rms_norm(x, w, eps=0.3), wanted, rtol=1e-14)
    x = x.astype("float32") * 1e-4
    wanted = torch.nn.functional.rms_norm(torch.from_numpy(x), (7,)).numpy()
    assert np.allclose(rms_norm(x, **refnorm.convention("torch", "rms_norm")), wanted, rtol=1e-6)
    assert not np.allclose(rms_norm(x), wanted, rtol=1e-3)  # the convention matters on this input


def test_equals_onnx_opset_23():
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    node = onnx.helper.make_node("RMSNormalization", ["x", "w"], ["y"], axis=-1)
    f32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info("x", f32, [3, 5]), onnx.helper.make_tensor_value_info("w", f32, [5])],
        [onnx.helper.make_tensor_value_info("y", f32, [3, 5])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 23)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(2)
    x, w = (1e-3 * rng.normal(size=(3, 5))).astype("float32"), rng.normal(size=5).astype("float32")
    (wanted,) = session.run(None, {"x": x, "w": w})
    assert np.allclose(rms_norm(x, w, **refnorm.convention("onnx", "rms_norm")), wanted, rtol=1e-6)
    assert not np.allclose(rms_norm(x, w), wanted, rtol=1e-2)
