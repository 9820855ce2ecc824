"""rms_norm and gated_rms_norm by hand, at their edges, and against torch, onnxruntime and the paper's invariances."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import gated_rms_norm, gated_rms_norm_vjp, rms_norm, rms_norm_vjp


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_by_hand(lane):
    """mean([9, 16, 0, 0]) = 6.25, root 2.5; with eps = 2.75 the root is 3."""
    x = np.array([[3.0, 4.0, 0.0, 0.0]])
    w = np.array([1.0, 2.0, 3.0, 4.0])
    with refnorm.lane(lane):
        for y, wanted in (
            (rms_norm(x, eps=0.0), [[1.2, 1.6, 0.0, 0.0]]),
            (rms_norm(x, eps=2.75), [[1.0, 4 / 3, 0.0, 0.0]]),
            (rms_norm(x, w, eps=0.0), [[1.2, 3.2, 0.0, 0.0]]),
        ):
            np.testing.assert_allclose(y, wanted, rtol=2.3e-16)  # 0.5 ulp is not promised of float64
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


# ---- gated ----


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_gated_by_hand(lane):
    """silu(ln 3) = 3/4 ln 3, silu(-ln 3) = -1/4 ln 3; with eps = 2.75 the root is 3; gated first 9/4, -1 times ln 3."""
    x = np.array([[3.0, 4.0, 0.0, 0.0]])
    z = np.log(3) * np.array([[1.0, -1.0, 1.0, 1.0]])
    w = np.array([1.0, 2.0, 3.0, 4.0])
    with refnorm.lane(lane):
        first = gated_rms_norm(x, z, w, eps=2.75)
        later = gated_rms_norm(x, z, w, norm_before_gate=False, eps=0.0)
    assert np.allclose(first, np.log(3) * np.array([[0.75, -2 / 3, 0, 0]]), rtol=1e-15)
    h = np.array([9 / 4, -1.0, 0, 0])
    assert np.allclose(later, w * h / np.sqrt(np.mean(h * h)), rtol=1e-15)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("first", [True, False])
def test_gates_far_out(lane, first):
    """silu is z, 0 or the tiny z e^z far out, never NaN from an overflow; NaN at -inf, as torch has it."""
    x = np.full((1, 4), 2.0)
    z = np.array([[800.0, -800.0, -700.0, 0.0]])
    with refnorm.lane(lane), np.errstate(all="ignore"):
        y = gated_rms_norm(x, z, norm_before_gate=first, eps=0.0)
        assert np.allclose(
            y, np.array([[800, 0, -700 * np.exp(-700.0), 0]]) / (1 if first else 400), rtol=1e-13, atol=0
        )
        z[0, 1] = -np.inf
        nan = np.isnan(gated_rms_norm(x, z, norm_before_gate=first))
    assert nan.tolist() == [[not first, True, not first, not first]]


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e300])
def test_gated_squares_neither_overflow_nor_vanish(lane, first, scale):
    x, z = np.array([[3.0, 4.0, 0.0, 0.0]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    with refnorm.lane(lane):
        wanted = gated_rms_norm(x, z, norm_before_gate=first, eps=0.0)
        got = gated_rms_norm(x * scale, z, norm_before_gate=first, eps=0.0)
    assert np.allclose(got, wanted, rtol=1e-15, atol=0)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_longer_than_what_is_kept(lane, dtype):
    """Beyond 8192 the kernel works products out twice."""
    rng = np.random.default_rng(3)
    x, z, w = (rng.normal(size=s).astype(dtype) for s in ((2, 9001), (2, 9001), 9001))
    h = x * (z / (1 + np.exp(-z.astype("longdouble"))))
    wanted = h / np.sqrt(np.mean(h * h, axis=1, keepdims=True) + 0.25) * w
    with refnorm.lane(lane):
        got = gated_rms_norm(x, z, w, norm_before_gate=False, eps=0.25)
    assert np.allclose(got, wanted.astype(dtype), rtol=4 * np.finfo(dtype).eps, atol=1e-7)


@pytest.mark.parametrize("first", [True, False])
def test_gated_equals_torch_and_its_gradient(torch, first):
    """Written as ``rms_norm_ref`` of state-spaces/mamba has it."""
    rng = np.random.default_rng(4)
    x, z, g = (torch.from_numpy(rng.normal(size=(5, 7))).requires_grad_() for _ in range(3))
    w = torch.from_numpy(rng.normal(size=7)).requires_grad_()
    silu, norm = torch.nn.functional.silu, torch.nn.functional.rms_norm
    wanted = norm(x, (7,), w, 0.3) * silu(z) if first else norm(x * silu(z), (7,), w, 0.3)
    arrays = [a.detach().numpy() for a in (x, z, w)]
    name = "mamba" if first else "mamba2"
    options = {**refnorm.convention(name, "gated_rms_norm"), "eps": 0.3}
    assert np.allclose(gated_rms_norm(*arrays, **options), wanted.detach(), rtol=1e-14)
    options["norm_before_gate"] = not first
    assert not np.allclose(gated_rms_norm(*arrays, **options), wanted.detach(), rtol=1e-2)
    for lane in ("formula", "kernel"):
        with refnorm.lane(lane):
            got = gated_rms_norm_vjp(g.detach().numpy(), *arrays, norm_before_gate=first, eps=0.3)
        for a, b in zip(got, torch.autograd.grad(wanted, (x, z, w), g, retain_graph=True), strict=True):
            assert np.allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_gated_refusals(lane):
    x = np.ones((2, 3), "float32")
    with refnorm.lane(lane):
        for call, error, said in [
            (lambda: gated_rms_norm(x, None), TypeError, "gate must be an array"),
            (lambda: gated_rms_norm(x, x[:1]), ValueError, r"gate must have shape \(2, 3\), got \(1, 3\)"),
            (lambda: gated_rms_norm(x, x, x[0, :2]), ValueError, "weight must have shape"),
            (
                lambda: gated_rms_norm(x, x, norm_before_gate=1),
                TypeError,
                "norm_before_gate must be True or False, got 1",
            ),
            (lambda: gated_rms_norm(x, x, eps=-1.0), ValueError, "eps"),
            (lambda: gated_rms_norm(x, x, out=x[:1]), ValueError, "out"),
            (lambda: gated_rms_norm_vjp(x, x, x[:1]), ValueError, "gate must have shape"),
        ]:
            with pytest.raises(error, match=said):
                call()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("n", [16, 37, 1030])
def test_gates_of_any_size_agree_on_both_lanes(n, first):
    """A calm stretch of gates takes a shorter way than one with an exponent near the ends of the doubles."""
    rng = np.random.default_rng(8)
    x, z = rng.normal(size=(7, n)).astype("f"), rng.normal(size=(7, n)).astype("f")
    z[1] *= 1e3
    z[2] *= 1e30
    z[3, -1], z[4, 3], z[5, 0], z[6, 5] = np.inf, -np.inf, np.nan, -709.0
    both = []
    for lane in ("formula", "kernel"):
        with refnorm.lane(lane), np.errstate(all="ignore"):
            both.append(gated_rms_norm(x, z, norm_before_gate=first))
    assert np.allclose(*both, rtol=1.2e-7, atol=1e-45, equal_nan=True)
    assert np.mean((both[0] == both[1]) | np.isnan(both[0])) > 0.999
