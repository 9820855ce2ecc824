"""update_running by hand, refusals, and what torch, ONNX, Keras and flax store."""

import os

import numpy as np
import pytest

import refnorm
from refnorm.norm import batch_moments, update_running, update_running_vjp


def test_by_hand():
    old, new = np.array([1.0, 2.0]), np.array([4.0, 6.0])
    assert update_running(old, new, momentum=0.25).tolist() == [1.75, 3.0]
    assert update_running(old, new, momentum=0.25, weighs="old").tolist() == [3.25, 5.0]
    assert update_running(old, new, momentum=0.25, count=3, correction=1).tolist() == [2.25, 3.75]
    assert update_running(old, new, momentum=0.25, weighs="old", count=3, correction=1).tolist() == [4.75, 7.25]
    assert update_running(old, new, momentum=0.0).tolist() == [1.0, 2.0]
    assert update_running(old, new, momentum=0.25, count=None, correction=0).tolist() == [1.75, 3.0]


def test_gradient_by_hand():
    g, ones = np.array([4.0]), np.ones(1)
    assert [d.tolist() for d in update_running_vjp(g, ones, ones, momentum=0.25)] == [[3.0], [1.0]]
    assert [d.tolist() for d in update_running_vjp(g, ones, ones, momentum=0.25, weighs="old")] == [[1.0], [3.0]]
    both = update_running_vjp(g, ones, ones, momentum=0.5, count=4, correction=2)
    assert [d.tolist() for d in both] == [[2.0], [4.0]]


def test_refusals():
    x = np.ones(3)
    for call, error, said in [
        (lambda: update_running(x, x), TypeError, "momentum"),
        (lambda: update_running(x, x[:2], momentum=0.1), ValueError, r"new must have shape \(3,\), got \(2,\)"),
        (lambda: update_running(x, None, momentum=0.1), TypeError, "new must be an array, got None"),
        (lambda: update_running(x, x, momentum=1.5), ValueError, "momentum must be in 0..1, got 1.5"),
        (lambda: update_running(x, x, momentum=float("nan")), ValueError, "momentum"),
        (lambda: update_running(x, x, momentum=None), TypeError, "momentum must be a real number, got NoneType"),
        (lambda: update_running(x, x, momentum=0.1, weighs="torch"), ValueError, "weighs must be 'new' or 'old'"),
        (lambda: update_running(x, x, momentum=0.1, correction=1), ValueError, "needs a count greater than it"),
        (lambda: update_running(x, x, momentum=0.1, correction=1, count=1), ValueError, "got count=1"),
        (lambda: update_running_vjp(x[:2], x, x, momentum=0.1), ValueError, "cotangent must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_nan_is_not_swallowed():
    assert np.isnan(update_running(np.array([1.0]), np.array([np.nan]), momentum=0.0)[0])
    assert update_running(np.array([1.0]), np.array([np.inf]), momentum=0.5)[0] == np.inf


# ---- what frameworks store: the batch [1, 2, 6] has variance 14/3 biased, 7 unbiased ----

X = np.array([[1.0], [2.0], [6.0]])


def stored(framework, old_mean, old_var, x):
    """Return the running statistics after one batch, under a framework's convention."""
    how = refnorm.convention(framework, "update_running")
    mean, var, count = batch_moments(x)
    plain = {k: v for k, v in how.items() if k != "correction"}
    return update_running(old_mean, mean, **plain), update_running(old_var, var, **how | {"count": count})


def test_torch_stores_the_unbiased_variance(torch):
    bn = torch.nn.BatchNorm1d(1, dtype=torch.float64)
    bn(torch.from_numpy(X))
    mean, var = stored("torch", np.zeros(1), np.ones(1), X)
    assert np.allclose(bn.running_mean.numpy(), mean, rtol=1e-14)
    assert np.allclose(bn.running_var.numpy(), var, rtol=1e-14)
    bn = torch.nn.BatchNorm1d(1, momentum=1.0, dtype=torch.float64)
    bn(torch.from_numpy(X))
    assert bn.running_var.item() == 7.0
    assert update_running(np.ones(1), batch_moments(X)[1], momentum=1, count=3, correction=1).tolist() == [7.0]


def test_keras_stores_the_biased_variance_and_weighs_the_old():
    pytest.importorskip("jax", reason="jax is not installed")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras", reason="keras is not installed")
    layer = keras.layers.BatchNormalization()
    layer(X.astype("float32"), training=True)
    mean, var = stored("keras", np.zeros(1), np.ones(1), X)
    assert np.allclose(np.asarray(layer.moving_mean), mean, rtol=1e-6)
    assert np.allclose(np.asarray(layer.moving_variance), var, rtol=1e-6)
    layer = keras.layers.BatchNormalization(momentum=0.0)
    layer(X.astype("float32"), training=True)
    assert np.allclose(np.asarray(layer.moving_variance), 14 / 3, rtol=1e-6)
    one = keras.layers.BatchNormalization(momentum=0.0)
    one(X[:1].astype("float32"), training=True)
    assert np.asarray(one.moving_variance).tolist() == [0.0]  # torch raises


def test_onnx_weighs_the_old():
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    from onnx.reference import ReferenceEvaluator

    f64, info = onnx.TensorProto.DOUBLE, onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("BatchNormalization", list("xwbmv"), ["y", "mean", "var"], training_mode=1)
    graph = onnx.helper.make_graph(
        [node], "g", [info("x", f64, [3, 1]), *(info(k, f64, [1]) for k in "wbmv")],
        [info("y", f64, [3, 1]), info("mean", f64, [1]), info("var", f64, [1])],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)], ir_version=10)
    one, zero = np.ones(1), np.zeros(1)
    _, mean, var = ReferenceEvaluator(model).run(None, {"x": X, "w": one, "b": zero, "m": zero, "v": one})
    ours = stored("onnx", zero, one, X)
    assert np.allclose(mean, ours[0], rtol=1e-6)  # momentum is a float32 there
    assert np.allclose(var, ours[1], rtol=1e-6)
    torchs = stored("torch", zero, one, X)
    assert not np.allclose(var, torchs[1], rtol=1e-2)


def test_jax_written_out(jax):
    """flax's rule as its users write it: the old one keeps 99 parts, the variance is biased."""
    with jax.enable_x64(True):
        old, x = jax.numpy.ones(1), jax.numpy.asarray(X)
        wanted = 0.99 * old + 0.01 * x.var(axis=0)
        _, var, _ = batch_moments(x)
        got = update_running(old, var, **refnorm.convention("flax", "update_running"))
    assert np.allclose(got, wanted, rtol=1e-14)
