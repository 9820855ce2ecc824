"""softmax and its relatives by hand, at their edges, and against SciPy, torch and JAX."""

import numpy as np
import pytest
import scipy.special

import refnorm
from refnorm.prob import (
    log_softmax,
    log_softmax_vjp,
    log_sum_exp,
    log_sum_exp_vjp,
    softmax,
    softmax_vjp,
)


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_by_hand(lane):
    with refnorm.lane(lane):
        assert softmax(np.zeros(4)).tolist() == [0.25] * 4
        assert softmax(np.array([0.0, -np.inf])).tolist() == [1.0, 0.0]
        assert np.allclose(softmax(np.log(np.array([1.0, 2.0, 5.0]))), [0.125, 0.25, 0.625], rtol=4e-16)
        assert log_softmax(np.array([0.0, -np.inf])).tolist() == [0.0, -np.inf]
        assert np.allclose(log_softmax(np.zeros(4)), [-np.log(4)] * 4, rtol=2e-16)
        assert softmax_vjp(np.array([1.0, 0.0]), np.zeros(2)).tolist() == [0.25, -0.25]
        assert log_softmax_vjp(np.array([1.0, 0.0]), np.zeros(2)).tolist() == [0.5, -0.5]


@pytest.mark.parametrize("lane", ["formula", "kernel"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("f", [softmax, log_softmax])
def test_rows_without_an_answer(f, dtype, lane):
    """All -inf, a +inf, a NaN: the whole row is NaN, the next row is not touched."""
    fine = [1.0, 2.0, 0.5] + [0.0] * 20
    for bad in ([-np.inf] * 23, [np.inf] + fine[1:], fine[:22] + [np.inf], [np.nan] + fine[1:], fine[:22] + [np.nan]):
        x = np.array([fine, bad, fine], dtype=dtype)
        with refnorm.lane(lane), np.errstate(all="ignore"):
            y = f(x)
        assert np.isnan(y[1]).all()
        assert np.isfinite(y[[0, 2]]).all()


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_far_scores_fade_into_denormals_and_zero(lane):
    """exp(-100) is a denormal of float32, exp(-104) its half last place, exp(-200) is 0."""
    x = np.array([0.0, -100.0, -103.0, -104.0, -200.0], dtype="float32")
    with refnorm.lane(lane):
        y = softmax(x)
    assert np.array_equal(y, np.exp(x.astype("float64")).astype("float32"))
    x = np.array([0.0, -708.0, -740.0, -746.0, -1e300])
    with refnorm.lane(lane):
        y = softmax(x)
    assert np.allclose(y, np.exp(x), rtol=1e-15, atol=5e-324)
    assert y[2] > 0
    assert y[4] == 0


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_a_dominating_score_keeps_its_digits(lane):
    """log_softmax of the maximum is -log1p(exp(-30)), about -1e-13."""
    with refnorm.lane(lane):
        y = log_softmax(np.array([30.0, 0.0], dtype="float32"))
    assert y[0] == np.float32(-np.log1p(np.exp(-30.0)))


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_refusals(lane):
    with refnorm.lane(lane):
        for f in (softmax, log_softmax):
            with pytest.raises(ValueError, match="must not be empty"):
                f(np.ones((2, 0)))
            with pytest.raises(ValueError, match="axis 3 does not exist"):
                f(np.ones((2, 2)), axis=3)
            with pytest.raises(ValueError, match="axis"):
                f(np.array(1.0))


def test_equals_scipy():
    x = np.random.default_rng(0).normal(0, 5, (6, 5, 4))
    for axis in (0, 1, -1, (0, 2)):
        assert np.allclose(softmax(x, axis=axis), scipy.special.softmax(x, axis=axis), rtol=1e-13)
        assert np.allclose(log_softmax(x, axis=axis), scipy.special.log_softmax(x, axis=axis), rtol=1e-13, atol=1e-14)


def test_equals_torch(torch):
    x = np.random.default_rng(1).normal(0, 5, (6, 5)).astype("float32")
    t = torch.from_numpy(x)
    assert np.allclose(softmax(x, axis=0), torch.softmax(t, 0).numpy(), rtol=1e-5)
    assert np.allclose(log_softmax(x, axis=0), torch.log_softmax(t, 0).numpy(), rtol=1e-5, atol=1e-6)
    row = torch.full((1, 3), -torch.inf)
    assert torch.softmax(row, -1).isnan().all()  # as here


def test_equals_jax(jax):
    x = np.random.default_rng(2).normal(0, 5, (6, 5)).astype("float32")
    assert np.allclose(softmax(x), jax.nn.softmax(x), rtol=1e-5)
    assert np.allclose(log_softmax(x), jax.nn.log_softmax(x), rtol=1e-5, atol=1e-6)


def test_onnx_before_13_flattened(torch):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    f32, info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    x = np.random.default_rng(3).normal(0, 3, (2, 3, 4)).astype("float32")
    for opset, axis in ((11, (1, 2)), (13, -1)):
        node = onnx.helper.make_node("Softmax", ["x"], ["y"])
        graph = onnx.helper.make_graph([node], "g", [info("x", f32, x.shape)], [info("y", f32, x.shape)])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (wanted,) = session.run(None, {"x": x})
        assert np.allclose(softmax(x, axis=axis), wanted, rtol=1e-5), opset


def test_log_sum_exp_by_hand(torch, jax):
    x = np.log(np.array([[1.0, 2.0, 5.0], [0.25, 0.5, 0.25]]))
    assert np.allclose(log_sum_exp(x), [np.log(8), 0.0], rtol=1e-15, atol=1e-16)
    assert log_sum_exp(np.array([0.0, -50.0])) == np.exp(-50.0)  # the plain logarithm is 0
    assert log_sum_exp(np.array([[3.0], [4.0]])).tolist() == [3.0, 4.0]
    assert log_sum_exp_vjp(np.array([4.0]), np.log(np.array([[1.0, 2.0, 1.0]]))).round(12).tolist() == [[1, 2, 1]]
    x = np.random.default_rng(4).normal(0, 5, (6, 5, 4))
    for axis in (0, 1, -1, (0, 2)):
        wanted = scipy.special.logsumexp(x, axis=axis)
        assert np.allclose(log_sum_exp(x, axis=axis), wanted, rtol=1e-14)
        assert np.allclose(torch.logsumexp(torch.from_numpy(x), axis).numpy(), wanted, rtol=1e-14)
        assert np.allclose(jax.nn.logsumexp(x, axis=axis), wanted, rtol=1e-5)


def test_log_sum_exp_at_its_edges(torch):
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, -inf], [inf, 0.0], [-inf, 3.0], [nan, 0.0], [inf, inf], [inf, -inf]])
    with np.errstate(all="ignore"):
        assert np.array_equal(log_sum_exp(x), [-inf, inf, 3.0, nan, inf, inf], equal_nan=True)
        assert np.array_equal(torch.logsumexp(torch.from_numpy(x), 1).numpy(), log_sum_exp(x), equal_nan=True)
    assert log_sum_exp(np.array([1e308, 1e308])) == 1e308
    with pytest.raises(ValueError, match="must not be empty"):
        log_sum_exp(np.ones((2, 0)))


def test_the_sweep_of_scales_and_lengths():
    """The quick half of tests/sweep_prob.py; the whole takes a minute."""
    import sweep_prob

    assert sweep_prob.main("--quick") == 0


def test_the_sweep_sees_a_softmax_that_rounds_twice(monkeypatch):
    import sweep_prob

    x = np.random.default_rng(0).normal(size=(64, 100)).astype("float32")
    assert sweep_prob.errors(x)["softmax"] <= 0.55
    twice = lambda x: (e := np.exp(x - x.max(axis=-1, keepdims=True))) / e.sum(axis=-1, keepdims=True)
    monkeypatch.setattr(sweep_prob.prob, "softmax", twice)
    assert sweep_prob.errors(x)["softmax"] > 1
