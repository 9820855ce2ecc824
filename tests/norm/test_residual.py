"""Residual blocks and their schedule by hand, refusals, and torch's encoder layer."""

import numpy as np
import pytest

from refnorm.norm import layer_norm, mix_layer_norm_schedule, residual_norm_block, rms_norm

X = np.array([[1.0, 3.0], [6.0, 2.0]])
NORMED = np.array([[-1.0, 1.0], [1.0, -1.0]])


def ten(v):
    return 10 * v


def test_by_hand():
    assert residual_norm_block(X, branch=ten, eps=0.0).tolist() == [[-9.0, 13.0], [16.0, -8.0]]
    assert residual_norm_block(X, branch=ten, placement="post", eps=0.0).tolist() == NORMED.tolist()
    weight, bias = np.array([2.0, 3.0]), np.array([0.0, 1.0])
    got = residual_norm_block(X, weight, bias, branch=ten, eps=0.0)
    assert got.tolist() == [[-19.0, 43.0], [26.0, -18.0]]
    got = residual_norm_block(X, weight, bias, branch=np.negative, placement="post", eps=0.5)
    assert got.tolist() == [[0.0, 1.0], [0.0, 1.0]]  # the sum is 0
    squares = np.array([3.0, 4.0])
    got = residual_norm_block(squares, branch=np.zeros_like, placement="post", norm="rms", eps=0.0)
    assert np.allclose(got, squares / 12.5**0.5, rtol=1e-15)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_a_branch_of_nothing(norm):
    f = {"layer": layer_norm, "rms": rms_norm}[norm]
    x = np.random.default_rng(1).normal(size=(3, 7))
    assert np.array_equal(residual_norm_block(x, branch=np.zeros_like, norm=norm, eps=0.5), x)
    got = residual_norm_block(x, branch=np.zeros_like, placement="post", norm=norm, axis=0, eps=0.5)
    assert np.array_equal(got, f(x, axis=0, eps=0.5))
    assert not np.allclose(got, f(x, eps=0.5))


def test_nan_is_not_swallowed():
    x = X.copy()
    x[0, 1] = np.nan
    for placement in ("pre", "post"):
        got = residual_norm_block(x, branch=ten, placement=placement)
        assert np.isnan(got[0]).all()
        assert np.isfinite(got[1]).all()


def test_refusals(torch):
    for call, error, said in [
        (lambda: residual_norm_block(X, branch=3), TypeError, "branch must be a function of an array, got int"),
        (lambda: residual_norm_block(X, branch=ten, placement="mid"), ValueError, "'pre' or 'post', got 'mid'"),
        (lambda: residual_norm_block(X, branch=ten, norm="batch"), ValueError, "'layer' or 'rms', got 'batch'"),
        (lambda: residual_norm_block(X, None, X[0], branch=ten, norm="rms"), ValueError, "has no bias"),
        (lambda: residual_norm_block(X, X, branch=ten), ValueError, "weight must have shape"),
        (lambda: residual_norm_block(X, branch=lambda v: v[0]), ValueError, r"keep the shape \(2, 2\), got \(2,\)"),
        (lambda: residual_norm_block(X, branch=lambda v: v.astype("float32")), TypeError, "keep the dtype float64"),
        (lambda: residual_norm_block(X, branch=lambda v: v.tolist()), TypeError, "array of the library of x, got list"),
        (lambda: residual_norm_block(X, branch=torch.from_numpy), TypeError, "array of the library of x, got Tensor"),
        (lambda: residual_norm_block([1.0], branch=ten), TypeError, "list"),
        (lambda: residual_norm_block(np.arange(3), branch=ten, placement="post"), TypeError, "int64"),
        (lambda: mix_layer_norm_schedule(layers=-1), ValueError, "layers must be not below 0, got -1"),
        (lambda: mix_layer_norm_schedule(layers=2.0), TypeError, "layers must be an int, got float"),
        (lambda: mix_layer_norm_schedule(layers=4, share=1.5), ValueError, "share must be in 0..1, got 1.5"),
        (lambda: mix_layer_norm_schedule(layers=4, share=float("nan")), ValueError, "got nan"),
        (lambda: mix_layer_norm_schedule(layers=4, share="1"), TypeError, "share must be a number, got str"),
        (lambda: mix_layer_norm_schedule(layers=4, count=5), ValueError, "count must be in 0..4, got 5"),
        (lambda: mix_layer_norm_schedule(layers=4, count=1.0), TypeError, "count must be an int, got float"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_schedule():
    assert mix_layer_norm_schedule(layers=12) == ("post",) * 3 + ("pre",) * 9  # the smallest released model
    assert mix_layer_norm_schedule(layers=12, count=3) == mix_layer_norm_schedule(layers=12)
    assert mix_layer_norm_schedule(layers=3, share=0) == ("pre",) * 3
    assert mix_layer_norm_schedule(layers=3, share=1) == ("post",) * 3
    assert mix_layer_norm_schedule(layers=7, share=0.5).count("post") == 3
    assert mix_layer_norm_schedule(layers=0) == ()
    assert 0.29 * 100 < 29
    assert mix_layer_norm_schedule(layers=100, share=0.29).count("post") == 29


def test_libraries(torch, jax):
    for placement in ("pre", "post"):
        x = torch.from_numpy(X).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda t, p=placement: residual_norm_block(t, branch=torch.tanh, placement=p), x
        )
        wanted = residual_norm_block(X, branch=np.tanh, placement=placement)
        with jax.enable_x64(True):
            f = lambda v, p=placement: residual_norm_block(v, branch=jax.numpy.tanh, placement=p)
            assert np.allclose(jax.jit(f)(jax.numpy.asarray(X)), wanted, rtol=1e-13)
        assert np.allclose(residual_norm_block(x, branch=torch.tanh, placement=placement).detach(), wanted, rtol=1e-13)


@pytest.mark.parametrize("first", [True, False])
def test_equals_torch_encoder_layer(first, torch):
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=first)
    layer = layer.double().eval()
    with torch.no_grad():
        for norm in (layer.norm1, layer.norm2):
            norm.weight.uniform_(0.5, 2.0)
            norm.bias.normal_()
        x = torch.randn(2, 5, 8, dtype=torch.float64)
        attend = lambda v: layer.self_attn(v, v, v, need_weights=False)[0]
        mlp = lambda v: layer.linear2(torch.relu(layer.linear1(v)))
        given = {True: "pre", False: "post"}
        y = x
        for norm, branch in ((layer.norm1, attend), (layer.norm2, mlp)):
            y = residual_norm_block(y, norm.weight, norm.bias, branch=branch, placement=given[first], eps=norm.eps)
        wanted = layer(x)
        assert torch.allclose(y, wanted, rtol=1e-12, atol=1e-13)
        other = residual_norm_block(x, branch=attend, placement=given[not first])
        assert not torch.allclose(other, wanted, rtol=1e-2)
