"""Where frameworks disagree: each row of the list, reproduced by the frameworks themselves and matched by name.

A test shows that a keyword, a helper or a known mistake of ours gives a framework's numbers to 2 ulp, and that its
rival does not. Rows of operators that are not named here are in those operators' own test files.
"""

import os

import ml_dtypes
import numpy as np
import oracles
import pytest

import refnorm
from refnorm import OPERATORS, convention
from refnorm.norm import layer_norm, rms_norm
from refnorm.pool import adaptive_avg_pool, avg_pool, max_pool, max_pool_vjp, same_padding
from refnorm.prob import log_softmax, softmax

NAN, INF = np.nan, np.inf
SAME, OTHER = 2, 100  # ulp


def apart(got, wanted) -> float:
    """Return how many ulp of `got` two arrays are apart at most; float64 is rounded to float32 first."""
    got, wanted = (a.astype("float32") if a.dtype == np.float64 else a for a in map(np.asarray, (got, wanted)))
    assert got.shape == wanted.shape
    return float(np.max(oracles.ulps(got, wanted.astype(oracles.WIDE))))


def twin(operator, name):
    """Return a known mistake of an operator, which takes float64 arrays."""
    (function,) = (m.function for m in OPERATORS[operator].load_card().mistakes if m.name == name)
    return function


@pytest.fixture
def keras(jax):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras", reason="keras is not installed")


@pytest.fixture
def onnx():
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    return pytest.importorskip("onnx", reason="onnx is not installed")


def infer(onnx, nodes, inputs, opsets):
    """Run ONNX nodes, the last of which gives `y`, in onnxruntime."""
    import onnxruntime

    info, kind = onnx.helper.make_tensor_value_info, onnx.helper.np_dtype_to_tensor_dtype
    feeds = {name: info(name, kind(a.dtype), a.shape) for name, a in inputs.items()}
    answer = info(nodes[-1].output[0], kind(next(iter(inputs.values())).dtype), None)
    graph = onnx.helper.make_graph(nodes, "g", list(feeds.values()), [answer])
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def ort(onnx, kind, *arrays, opset, **attributes):
    """Run one ONNX operator in onnxruntime."""
    inputs = {f"x{i}": a for i, a in enumerate(arrays)}
    node = onnx.helper.make_node(kind, list(inputs), ["y"], **attributes)
    return infer(onnx, [node], inputs, [onnx.helper.make_opsetid("", opset)])


def layer_norm_of_the_standard(onnx, x, stash_type=1):
    """Run ONNX' own definition of LayerNormalization, a function of simpler operators, in onnxruntime."""
    node = onnx.helper.make_node("LayerNormalization", ["X", "Scale"], ["Y"], epsilon=1e-5, stash_type=stash_type)
    kind = onnx.helper.np_dtype_to_tensor_dtype(x.dtype)
    types = [onnx.helper.make_tensor_type_proto(kind, s).SerializeToString() for s in (x.shape, x.shape[-1:])]
    schema = onnx.defs.get_schema("LayerNormalization", 17)
    body = onnx.FunctionProto()
    body.ParseFromString(schema.get_context_dependent_function(node.SerializeToString(), types))
    nodes = sorted(body.node, key=lambda n: n.output[0] == "Y")  # the answer last
    nodes = [n for n in nodes if n.output[0] not in ("Mean", "InvStdDev", "InvStdDev2D")]
    return infer(onnx, nodes, {"X": x, "Scale": np.ones(x.shape[-1], x.dtype)}, list(body.opset_import))


def in_torch(torch, a):
    """Return a NumPy array as a tensor; bfloat16 too."""
    if a.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(a.view(np.uint16).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.array(a))


def in_numpy(torch, t):
    t = t.detach()
    return t.view(torch.uint16).numpy().view(ml_dtypes.bfloat16) if t.dtype == torch.bfloat16 else t.numpy()


# ---- norms ----


def test_row_3_eps_defaults(torch, keras):
    """torch 1e-5, Keras 1e-3 (RMS 1e-6), BERT 1e-12; on data whose variance is about 1e-5 no two agree."""
    half = np.random.default_rng(0).integers(8, 24, (6, 32)) / 4096
    x = np.concatenate([half, -half], axis=1).astype("float32")  # of mean 0: nothing is lost on the way to it
    t = torch.from_numpy(x.astype(float))  # its float32 is 3 ulp off
    theirs = {
        "torch": torch.nn.LayerNorm(64, dtype=t.dtype)(t).detach().numpy(),
        "keras": np.asarray(keras.layers.LayerNormalization()(x)),
        "bert": torch.nn.LayerNorm(64, eps=1e-12, dtype=t.dtype)(t).detach().numpy(),
    }
    for framework, wanted in theirs.items():
        for other in theirs:
            gap = apart(layer_norm(x, **convention(other, "layer_norm")), wanted)
            assert gap <= SAME if other == framework else gap > OTHER, (framework, other)
    rms_of_keras = np.asarray(keras.layers.RMSNormalization()(x))
    assert apart(rms_norm(x, **convention("keras", "rms_norm")), rms_of_keras) <= SAME
    assert apart(rms_norm(x, **convention("keras", "layer_norm")), rms_of_keras) > OTHER


def test_row_5_one_pass_variance(onnx, jax):
    """E[x^2] - E[x]^2 in float32 is 0 for a variance of 1/4 about 4096: ONNX' definition, and flax' rule in JAX."""
    x = np.array([[4096, 4097, 4096, 4097], [4096, 4097, 4096, 4098]], "float32")
    mistaken = twin("layer_norm", "one-pass variance")(x.astype("float64"))
    standard = layer_norm_of_the_standard(onnx, x)
    mean = jax.numpy.mean(x, axis=-1, keepdims=True)
    square = jax.numpy.mean(x * x, axis=-1, keepdims=True)
    flax = (x - mean) * jax.lax.rsqrt(jax.numpy.maximum(0, square - mean * mean) + np.float32(1e-5))
    assert apart(mistaken, standard) <= SAME
    assert apart(mistaken, flax) <= SAME
    ours = layer_norm(x, **convention("onnx", "layer_norm"))
    assert apart(ours, standard) > OTHER
    assert np.abs(ours[0]).max() < 1 < np.abs(standard[0]).min()


def llama(torch, x, weight, eps=1e-6):
    """Llama's RMS norm: float32 inside, rounded to the type of x, then times the weight."""
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return weight * wide.to(x.dtype)


def gemma(torch, x, w, eps=1e-6):
    """Gemma's RMS norm: the weight is 1 + w, all in float32."""
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return (wide * (1.0 + w.float())).type_as(x)


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
def test_row_6_cast_order_of_rms_norm(dtype, torch):
    """Llama rounds before the weight, torch after: about a quarter of the outputs differ by an ulp of half."""
    rng = np.random.default_rng(1)
    x, weight = rng.normal(size=(64, 1024)).astype(dtype), rng.normal(1, 0.3, 1024).astype(dtype)
    t, w = in_torch(torch, x), in_torch(torch, weight)
    of_llama = in_numpy(torch, llama(torch, t, w))
    of_torch = in_numpy(torch, torch.nn.functional.rms_norm(t, (1024,), w, 1e-6))
    after = rms_norm(x, weight, **convention("llama", "rms_norm"))
    before = (rms_norm(x, **convention("llama", "rms_norm")).astype("float32") * weight.astype("float32")).astype(dtype)
    assert np.mean(after != of_torch) <= 1e-3
    assert np.mean(before != of_llama) <= 1e-3
    assert apart(after, of_torch) <= 1
    assert apart(before, of_llama) <= 1
    assert 0.2 < np.mean(after != of_llama) < 0.3
    if dtype == "float16":  # the type that the known mistake rounds to
        mistaken = twin("rms_norm", "rounded to half before the weight")(
            x.astype(float), weight.astype(float), eps=1e-6
        )
        assert np.mean(mistaken.astype(dtype) != of_llama) <= 1e-3


def test_row_7_gemmas_weight_is_one_more(torch):
    """The sum must be taken in float32: 15.8125 + 1 has no place in bfloat16."""
    bfloat16 = ml_dtypes.bfloat16
    assert float(np.float32(bfloat16(15.8125)) + 1) == 16.8125
    assert float(bfloat16(15.8125) + bfloat16(1)) == 16.75
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(64, 1024)).astype(bfloat16), rng.normal(0, 1, 1024).astype(bfloat16)
    wanted = in_numpy(torch, gemma(torch, in_torch(torch, x), in_torch(torch, w)))
    ours = rms_norm(x, 1 + w.astype("float32"), **convention("gemma", "rms_norm"))
    assert np.mean(ours != wanted) <= 1e-3
    assert apart(ours, wanted) <= 1
    narrow = rms_norm(x, w + bfloat16(1), **convention("gemma", "rms_norm"))
    assert np.mean(narrow != wanted) > 0.1
    wide = [a.astype(float) for a in (x, w)]
    assert np.mean(twin("rms_norm", "1 + weight")(*wide, eps=1e-6).astype(bfloat16) != wanted) <= 1e-3


def test_row_8_eps_none_of_torch(torch):
    """torch's default is the eps of the type it computes in: float32 for half types too."""
    x = 1e-4 * np.random.default_rng(3).normal(size=(4, 8))
    for dtype in ("float32", "float16", ml_dtypes.bfloat16):
        narrow = x.astype(dtype)
        wanted = in_numpy(torch, torch.nn.functional.rms_norm(in_torch(torch, narrow), (8,)))
        assert apart(rms_norm(narrow, **convention("torch", "rms_norm")), wanted) <= SAME
        if dtype != "float32":
            own = float(ml_dtypes.finfo(dtype).eps)
            assert np.abs(rms_norm(narrow, eps=own).astype(float) / wanted.astype(float)).max() < 0.1
    wanted = torch.nn.functional.rms_norm(torch.from_numpy(x), (8,)).numpy()
    assert np.allclose(rms_norm(x, eps=2.0**-52), wanted, rtol=1e-15)
    assert apart(rms_norm(x, **convention("torch", "rms_norm")), wanted) > OTHER


def test_row_9_type_of_the_statistics(onnx):
    """ONNX computes in stash_type, float32 unless said: half types lose nothing, float64 is rounded on the way in."""
    x = np.random.default_rng(4).normal(100, 1, (4, 64)).astype("float16")
    wanted = ort(onnx, "LayerNormalization", x, np.ones(64, "float16"), opset=17)
    assert apart(layer_norm(x), wanted) <= 1
    narrow = twin("layer_norm", "moments summed in half")(x.astype(float), eps=1e-5).astype("float16")
    assert apart(narrow, wanted) > SAME
    fine = np.array([[1.0, 2.0, 4.0, 5.0 + 2.0**-30], [1.0, 1 + 2.0**-30, 1 + 2.0**-29, 1.0]])
    standard = layer_norm_of_the_standard(onnx, fine)
    assert apart(layer_norm(fine.astype("float32")), standard) <= SAME
    assert not standard[1].any()
    assert layer_norm(fine, eps=0.0)[1].any()


# ---- pools: the data are small whole numbers, of which every sum is exact ----


def whole_numbers(*shape, seed=5):
    return np.random.default_rng(seed).integers(-50, 50, shape).astype("float32")


def test_row_13_average_pooling_at_borders(torch, onnx):
    """Padding counts in torch, not in ONNX; cells that ceil_mode added count in neither (in old runtimes they did)."""
    x = whole_numbers(1, 2, 5, 6)
    t, size = torch.from_numpy(x), dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for ceil_mode in (False, True):
        options = dict(window=3, stride=2, padding=1, ceil_mode=ceil_mode)
        of_torch = torch.nn.functional.avg_pool2d(t, 3, 2, 1, ceil_mode).numpy()
        of_onnx = ort(onnx, "AveragePool", x, opset=19, ceil_mode=int(ceil_mode), **size)
        counted = ort(onnx, "AveragePool", x, opset=19, ceil_mode=int(ceil_mode), count_include_pad=1, **size)
        as_torch = avg_pool(x, **options, **convention("torch", "avg_pool"))
        as_onnx = avg_pool(x, **options, **convention("onnx", "avg_pool"))
        assert apart(as_torch, of_torch) <= SAME
        assert apart(as_torch, counted) <= SAME
        assert apart(as_onnx, of_onnx) <= SAME
        assert apart(as_torch, of_onnx) > OTHER
        mistaken = twin("avg_pool", "cells of ceil_mode counted")(x.astype(float), **options)
        assert (apart(mistaken, of_torch) > OTHER) == ceil_mode
        assert (
            apart(twin("avg_pool", "count_include_pad the wrong way round")(x.astype(float), **options), of_onnx)
            <= SAME
        )


def test_row_14_same_padding(torch, keras):
    """Keras (TensorFlow's rule) pads more at the end and leaves that out of the mean; torch pads both sides alike."""
    x = whole_numbers(1, 2, 7, 6)
    for window, stride in ((3, 2), (2, 2), ((3, 2), 2), (2, 1), ((4, 5), (1, 3))):
        padding = same_padding(x.shape[2:], window=window, stride=stride)
        average = np.asarray(keras.ops.average_pool(x, window, stride, "same", "channels_first"))
        largest = np.asarray(keras.ops.max_pool(x, window, stride, "same", "channels_first"))
        options = dict(window=window, stride=stride, padding=padding)
        assert apart(avg_pool(x, **options, **convention("keras", "avg_pool")), average) <= SAME
        assert apart(avg_pool(x, **options, **convention("tf", "avg_pool")), average) <= SAME
        assert np.array_equal(max_pool(x, **options), largest)
        if any(before or after for before, after in padding):
            assert apart(avg_pool(x, **options, **convention("torch", "avg_pool")), average) > OTHER
    even = torch.nn.functional.max_pool2d(torch.from_numpy(x), 3, 2, 1).numpy()
    odd = np.asarray(keras.ops.max_pool(x, 3, 2, "same", "channels_first"))
    assert even.shape == odd.shape
    assert not np.array_equal(even, odd)


def test_row_15_adaptive_pooling_bins(torch, jax, keras):
    """From floor to ceil in torch and Keras; floor to floor and numpy.array_split are other bins."""
    x = whole_numbers(1, 2, 7, 11)
    for size in (3, (5, 4), (2, 9)):
        of_torch = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(x), size).numpy()
        with jax.enable_x64(True):  # its sums in float32 are 5 ulp off
            of_keras = np.asarray(keras.ops.adaptive_average_pool(x.astype(float), size, "channels_first"))
        for framework, wanted in (("torch", of_torch), ("keras", of_keras)):
            ours = adaptive_avg_pool(x, output_size=size, **convention(framework, "adaptive_avg_pool"))
            assert apart(ours, wanted) <= SAME
            for mistaken in ("bins floor to floor", "bins of array_split"):
                assert apart(twin("adaptive_avg_pool", mistaken)(x.astype(float), output_size=size), wanted) > OTHER
    line = x[:, :1, 0]
    split = np.stack([part.mean(-1) for part in np.array_split(line, 4, axis=-1)], -1)
    mistaken = twin("adaptive_avg_pool", "bins of array_split")(line.astype(float), output_size=4)
    assert apart(mistaken, split) <= SAME


def test_row_16_nan_and_infinity_in_max_pooling(torch, jax, onnx):
    """torch and JAX keep NaN and -inf; onnxruntime drops NaN, and turns -inf into the lowest number of float32."""
    for x, mistaken in (
        (np.array([[[1, NAN, NAN, 3, 0, 0, -1, -2]]], "float32"), "NaN dropped"),
        (np.array([[[1, 2, -INF, -INF, -INF, 5, -INF, -INF]]], "float32"), "-inf turned into the lowest number"),
    ):
        ours = max_pool(x, window=2)
        assert np.array_equal(ours, torch.nn.functional.max_pool1d(torch.from_numpy(x), 2).numpy(), equal_nan=True)
        windows = (1, 1, 2), (1, 1, 2), "VALID"
        assert np.array_equal(ours, jax.lax.reduce_window(x, -INF, jax.lax.max, *windows), equal_nan=True)
        of_onnx = ort(onnx, "MaxPool", x, opset=12, kernel_shape=[2], strides=[2])
        if np.array_equal(of_onnx, ours, equal_nan=True):
            pytest.skip(f"this onnxruntime does right: {mistaken}")
        assert np.array_equal(twin("max_pool", mistaken)(x.astype(float), window=2).astype("float32"), of_onnx)


def test_row_21_gradient_of_max_at_ties(torch, jax):
    """The first largest cell takes it in torch's max_pool and max(dim), JAX' reduce_window; amax, jnp.max share it."""
    x, g = np.array([[[1.0, 7.0, 7.0, 2.0]]]), np.array([[[3.0]]])
    ours = max_pool_vjp(g, x, window=4)
    assert ours.tolist() == [[[0.0, 3.0, 0.0, 0.0]]]

    def slope(f):
        t = torch.from_numpy(x).requires_grad_()
        return torch.autograd.grad(f(t), t, torch.from_numpy(g))[0].numpy()

    def slope_in_jax(f):
        return np.asarray(jax.grad(lambda v: 3 * f(v).sum())(x.astype("float32")))

    windows = (1, 1, 4), (1, 1, 4), "VALID"
    assert np.array_equal(slope(lambda t: torch.nn.functional.max_pool1d(t, 4)), ours)
    assert np.array_equal(slope(lambda t: t.max(-1, keepdim=True).values), ours)
    assert np.array_equal(slope_in_jax(lambda v: jax.lax.reduce_window(v, -INF, jax.lax.max, *windows)), ours)
    shared = [[[0.0, 1.5, 1.5, 0.0]]]
    assert slope(lambda t: t.amax(-1, keepdim=True)).tolist() == shared
    assert slope_in_jax(lambda v: jax.numpy.max(v, axis=-1)).tolist() == shared


# ---- softmax ----


def test_row_17_softmax_of_a_row_of_minus_infinity(torch, jax, keras, onnx):
    """NaN in torch, JAX, Keras; where all keys are masked attention gives 0 in torch and ONNX, equal shares in JAX."""
    x = np.array([[0.0, 1.0, -INF, 0.5], [-INF] * 4], "float32")
    with np.errstate(invalid="ignore"):
        for f, name in ((softmax, "softmax"), (log_softmax, "log_softmax")):
            assert np.isnan(f(x)[1]).all()
            assert getattr(torch, name)(torch.from_numpy(x), -1)[1].isnan().all()
            assert np.isnan(getattr(jax.nn, name)(x)[1]).all()
            assert np.isnan(np.asarray(getattr(keras.ops, name)(x))[1]).all()
        zeros = twin("softmax", "zeros for a row of -inf")(x.astype(float))
        shares = twin("softmax", "equal shares for a row of -inf")(x.astype(float))
    # scores are the rows themselves, keys and values the unit vectors: what comes out is the softmax
    scores = np.where(np.isfinite(x), x, 0)[None, None]
    unit, mask = np.eye(4, dtype="float32")[None, None], np.isfinite(x)[None, None]
    query, *others, seen = map(torch.from_numpy, (scores, unit, unit, mask))
    attention = torch.nn.functional.scaled_dot_product_attention
    of_torch = attention(query, *others, attn_mask=seen, scale=1.0)[0, 0].numpy()
    of_onnx = ort(onnx, "Attention", scores, unit, unit, mask, opset=23, scale=1.0)[0, 0]
    turned = [np.swapaxes(a, 1, 2) for a in (scores, unit, unit)]
    of_jax = np.asarray(jax.nn.dot_product_attention(*turned, mask=mask, scale=1.0))[0, :, 0]
    assert apart(zeros, of_torch) <= SAME
    assert apart(zeros, of_onnx) <= SAME
    assert apart(shares, of_jax) <= SAME
    assert apart(zeros, of_jax) > OTHER
    assert apart(softmax(x[:1]), of_torch[:1]) <= SAME


def test_row_19_softmax_axis(onnx):
    """ONNX before opset 13 takes all axes from 1 on as one; later the last. (float64: their float32 exp is off.)."""
    x = np.random.default_rng(6).normal(0, 2, (2, 3, 4))
    for kind, f in (("Softmax", softmax), ("LogSoftmax", log_softmax)):
        old, new = (ort(onnx, kind, x, opset=opset) for opset in (11, 13))
        flat = f(x, axis=tuple(range(1, x.ndim)))
        last = f(x, **convention("onnx", f.__name__))
        assert apart(flat, old) <= SAME
        assert apart(last, new) <= SAME
        assert apart(last, old) > OTHER
    assert apart(twin("softmax", "flattened from the axis on")(x, axis=1), ort(onnx, "Softmax", x, opset=11)) <= SAME
    assert apart(softmax(x, axis=1), ort(onnx, "Softmax", x, opset=11, axis=1)) > OTHER


def test_the_yardstick_sees_three_ulp():
    x = np.array([1.0, 2.0], "float32")
    assert apart(x, x) == 0
    assert apart(x, x + np.float32(3 * 2.0**-22)) > SAME
    assert apart(np.array([NAN], "float32"), np.array([0.0], "float32")) == INF


def test_every_convention_is_keywords_of_its_operator():
    """A convention that changes nothing must say in its note what else differs."""
    for name in ("layer_norm", "rms_norm", "softmax", "log_softmax", "avg_pool", "max_pool", "adaptive_avg_pool"):
        operator = OPERATORS[name].load_card()
        for framework, options in operator.conventions.items():
            assert options or operator.notes[framework], (name, framework)
            assert refnorm.convention(framework, name) == options
