"""refnorm as an ONNX backend: ONNX's own node tests, what opsets differ in by hand, graphs, and refusals."""

import unittest
import warnings

import numpy as np
import pytest

import refnorm

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from onnx import helper  # noqa: E402

from refnorm import onnx_backend  # noqa: E402
from refnorm.onnx_backend.compute import outputs_of  # noqa: E402
from refnorm.onnx_backend.nodes import KINDS, attributes_of, node_of  # noqa: E402

# How many of ONNX's node tests there are for each node at the least, and why some of them are not run.
FLOOR = {
    "AveragePool": 14, "BatchNormalization": 4, "GlobalAveragePool": 2, "GlobalMaxPool": 2, "GroupNormalization": 2,
    "InstanceNormalization": 2, "LayerNormalization": 19, "LogSoftmax": 7, "LpNormalization": 6, "MaxPool": 16,
    "RMSNormalization": 19, "Softmax": 7,
}  # fmt: skip
SINCE = {"LayerNormalization": 17, "RMSNormalization": 23, "GroupNormalization": 18}
DECLINED = {
    "AveragePool with dilations: avg_pool has none": 6,
    "MaxPool with Indices: max_pool returns none": 2,
    "input x of uint8: float16, bfloat16, float32, float64 are supported": 1,
}


# ---- ONNX's own tests ----


@pytest.fixture(scope="module")
def node_tests():
    """Return ONNX's tests of the nodes that refnorm holds: they come with the package, no file is needed."""
    from onnx.backend.test.loader import load_node_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # making the cases divides by zero
        cases = load_node_model_tests()
    return [c for c in cases if len(c.model.graph.node) == 1 and c.model.graph.node[0].op_type in KINDS]


def asked(cases):
    """Return the names of the tests that pass, of those that fail, and those declined with the reason."""
    from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt, Runner

    passed, failed, declined = [], [], {}
    for case in cases:
        try:
            prepared = onnx_backend.prepare(case.model)
            assert onnx_backend.is_compatible(case.model)
            for inputs, wanted in case.data_sets:
                Runner.assert_similar_outputs(wanted, prepared.run(inputs), case.rtol, case.atol)
            passed.append(case.name)
        except BackendIsNotSupposedToImplementIt as why:
            assert not onnx_backend.is_compatible(case.model)
            declined[case.name] = str(why).removeprefix("refnorm does not run ")
        except AssertionError:
            failed.append(case.name)
    return passed, failed, declined


def test_onnx_node_tests_pass_and_none_is_left_out_unsaid(node_tests):
    passed, failed, declined = asked(node_tests)
    assert not failed
    assert len(passed) >= sum(FLOOR.values()) == 100
    ran = {name: sum(c.name in passed for c in node_tests if c.model.graph.node[0].op_type == name) for name in KINDS}
    assert {name: n for name, n in ran.items() if n < FLOOR[name]} == {}
    reasons = list(declined.values())
    assert set(reasons) <= set(DECLINED)
    assert {why: reasons.count(why) for why in DECLINED if reasons.count(why) > DECLINED[why]} == {}
    assert len(passed) + len(declined) == len(node_tests)


@pytest.mark.parametrize(
    ("operator", "mistake", "some"),
    [
        ("layer_norm", "eps outside the root", "test_layer_normalization_3d_axis1_epsilon"),
        ("rms_norm", "eps outside the root", "test_rms_normalization_3d_axis1_epsilon"),
        ("batch_norm", "eps outside the root", "test_batchnorm_epsilon"),
        ("avg_pool", "count_include_pad the wrong way round", "test_averagepool_2d_pads"),
    ],
)
def test_a_wrong_backend_fails_onnx_node_tests(node_tests, monkeypatch, operator, mistake, some):
    record = refnorm.OPERATORS[operator].load_card()
    (twin,) = [m.function for m in record.mistakes if m.name == mistake]
    wing = getattr(refnorm, record.wing)
    monkeypatch.setattr(wing, operator, lambda x, *rest, **options: twin(x, *rest, **options).astype(x.dtype))
    passed, failed, _ = asked([c for c in node_tests if KINDS[c.model.graph.node[0].op_type][0] == operator])
    assert some in failed
    assert passed  # it is wrong in one way only


def test_onnx_own_runner_takes_the_module():
    from onnx.backend.test.runner import Runner

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runner = Runner(onnx_backend, __name__).include(r"^test_(log)?softmax_(?!.*expanded)")
        suite = runner.test_suite
    result = unittest.TestResult()
    suite.run(result)
    assert result.wasSuccessful(), result.failures + result.errors
    assert result.testsRun - len(result.skipped) >= 12  # CUDA's are skipped


# ---- the table, both ways ----


@pytest.mark.parametrize(
    ("kind", "opset"), [(k, o) for k in KINDS for o in (7, 11, 13, 17, 18, 21, 23) if o >= SINCE.get(k, 7)]
)
def test_what_is_written_as_a_node_is_read_as_the_same_call(kind, opset):
    operator = refnorm.OPERATORS[KINDS[kind][0]]
    usual = {n: v for n, v in defaults(operator.function).items() if n != "out"}
    said = 0
    for case in operator.cases:
        arrays = case.arrays(seed=1, dtype="float64")
        try:
            written = node_of(kind, opset, [a if a is None else a.copy() for a in arrays], usual | case.options)
        except NotImplementedError:
            continue
        node = helper.make_node(kind, ["x"], ["y"], **written.attributes)
        (answer,) = outputs_of(kind, attributes_of(node, opset), opset, written.inputs, 1)
        wanted = operator.function(*arrays, **case.options)
        # eps is a float32 in ONNX
        np.testing.assert_allclose(written.back(answer), wanted, rtol=1e-7, atol=1e-7, err_msg=case.label)
        said += 1
    assert said or kind == "GlobalMaxPool"  # of no case is the window the whole


def defaults(function):
    import inspect

    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


# ---- what opsets and attributes differ in, by hand ----


def run(kind, *arrays, opset, outputs=1, **attributes):
    names = ["" if a is None else f"x{i}" for i, a in enumerate(arrays)]
    node = helper.make_node(kind, names, [f"y{i}" for i in range(outputs)], **attributes)
    answers = onnx_backend.run_node(node, [a for a in arrays if a is not None], opset_version=opset)
    assert len(answers) == outputs
    return answers[0] if outputs == 1 else answers


def test_softmax_before_opset_13_is_of_all_axes_from_axis_on():
    x = np.log(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    np.testing.assert_allclose(run("Softmax", x, opset=11), np.exp(x) / 10)
    np.testing.assert_allclose(run("Softmax", x, opset=13), [[[1 / 3, 2 / 3], [3 / 7, 4 / 7]]])
    np.testing.assert_allclose(run("LogSoftmax", x, opset=1, axis=2), run("LogSoftmax", x, opset=13))
    np.testing.assert_allclose(run("Softmax", np.zeros((2, 2)), opset=11, axis=0), np.full((2, 2), 0.25))


def test_group_normalization_has_a_weight_a_group_and_later_a_channel():
    x = np.array([[[1.0, 3.0], [3.0, 1.0], [10.0, 30.0], [30.0, 10.0]]])
    unit = np.array([[[-1.0, 1.0], [1.0, -1.0]] * 2])
    two, four = np.array([2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    old = run("GroupNormalization", x, two, 10 * two, opset=18, num_groups=2, epsilon=0.0)
    np.testing.assert_allclose(old, unit * np.array([2, 2, 3, 3])[:, None] + np.array([20, 20, 30, 30])[:, None])
    new = run("GroupNormalization", x, four, four, opset=21, num_groups=2, epsilon=0.0)
    np.testing.assert_allclose(new, (unit + 1) * four[:, None], atol=1e-15)
    for opset, wrong in ((18, four), (21, two)):
        with pytest.raises(ValueError):
            run("GroupNormalization", x, wrong, wrong, opset=opset, num_groups=2)


@pytest.mark.parametrize(
    ("auto_pad", "wanted"),
    [("SAME_UPPER", [2, 4, 5]), ("SAME_LOWER", [1, 3, 5]), ("VALID", [2, 4]), ("NOTSET", [2, 4])],
)
def test_auto_pad_says_where_the_odd_cell_goes(auto_pad, wanted):
    x = np.arange(1.0, 6).reshape(1, 1, 5)
    y = run(
        "MaxPool", x, opset=12, kernel_shape=[2], strides=[2], auto_pad=auto_pad, ceil_mode=int(auto_pad == "VALID")
    )
    np.testing.assert_array_equal(y[0, 0], wanted)


def test_average_pools_count_padding_when_told():
    x = np.full((1, 1, 2), 6.0)
    for count, wanted in ((0, [6, 6]), (1, [4, 4])):
        y = run("AveragePool", x, opset=19, kernel_shape=[3], pads=[1, 1], count_include_pad=count)
        np.testing.assert_array_equal(y[0, 0], wanted)


def test_lp_normalization_leaves_a_row_of_zeros():
    x = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_array_equal(run("LpNormalization", x, opset=22), [[0.6, -0.8], [0, 0]])
    np.testing.assert_allclose(run("LpNormalization", x, opset=1, p=1, axis=0), [[1, -1], [0, 0]])


def test_layer_normalization_gives_its_moments_where_they_are_asked_for():
    x = (np.random.default_rng(0).normal(size=(3, 2, 5)) + 1e4).astype("float32")
    y, mean, inverse = run("LayerNormalization", x, np.ones((2, 5), "float32"), opset=17, outputs=3, axis=1)
    wide = x.astype("float64").reshape(3, 10)
    np.testing.assert_array_equal(y, refnorm.norm.layer_norm(x, axis=(1, 2)))
    assert mean.shape == inverse.shape == (3, 1, 1)
    np.testing.assert_array_equal(mean.reshape(3), wide.mean(1).astype("float32"))
    eps = float(np.float32(1e-5))
    np.testing.assert_allclose(inverse.reshape(3), (wide.var(1) + eps) ** -0.5, rtol=6e-8)
    half = run("LayerNormalization", x.astype("float16"), np.ones(5, "float16"), opset=17, outputs=3)
    assert [a.dtype.name for a in half] == ["float16", "float32", "float32"]
    empty = run("LayerNormalization", np.ones((0, 4)), np.ones(4), opset=17, outputs=3)
    assert [a.shape for a in empty] == [(0, 4), (0, 1), (0, 1)]


def test_a_scale_is_broadcast_over_what_is_normalized():
    x = np.random.default_rng(0).normal(size=(3, 2, 5))
    row = np.arange(5.0)
    y = run("LayerNormalization", x, row, row[:1] + 1, opset=17, axis=1)
    np.testing.assert_allclose(y, refnorm.norm.layer_norm(x, axis=(1, 2)) * row + 1, rtol=1e-6)
    np.testing.assert_allclose(
        run("RMSNormalization", x, row, opset=23, axis=1, epsilon=0.0),
        refnorm.norm.rms_norm(x, axis=(1, 2), eps=0.0) * row,
    )
    with pytest.raises(ValueError, match=r"Scale must broadcast to \(2, 5\), got \(3,\)"):
        run("LayerNormalization", x, row[:3], opset=17, axis=1)


def test_rms_normalization_answers_in_the_type_of_its_scale():
    x, scale = np.array([[3.0, 4.0]], "float16"), np.array([1.0, 1 / 3], "float32")
    y = run("RMSNormalization", x, scale, opset=23, epsilon=0.0)
    assert y.dtype == "float32"
    np.testing.assert_allclose(y, np.array([[3.0, 4.0]]) / 12.5**0.5 * scale.astype("float64"), rtol=6e-8)


def test_batch_normalization_in_training_moves_what_runs():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(4, 2, 3)) + 100).astype("float16")
    scale, bias = np.array([1, 2], "float16"), np.array([0, 1], "float16")
    mean, var = np.array([1, 2], "float32"), np.array([3, 4], "float32")
    y, new_mean, new_var = run(
        "BatchNormalization", x, scale, bias, mean, var, opset=15, outputs=3, training_mode=1, momentum=0.75
    )
    wide = x.astype("float64")
    np.testing.assert_allclose(new_mean, 0.75 * mean + 0.25 * wide.mean((0, 2)), rtol=6e-8)
    np.testing.assert_allclose(new_var, 0.75 * var + 0.25 * wide.var((0, 2)), rtol=6e-8)
    assert (y.dtype, new_mean.dtype) == (np.float16, np.float32)
    np.testing.assert_array_equal(y, refnorm.norm.batch_norm_train(x, scale, bias)[0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_comes_back_as_it_came(kind, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    x = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(dtype)
    n = 6 if kind in ("LayerNormalization", "RMSNormalization") else 4
    arrays = [x, *(np.ones(n, dtype) for _ in KINDS[kind][1][1:])]
    told = {
        "GroupNormalization": {"num_groups": 2},
        "MaxPool": {"kernel_shape": [2]},
        "AveragePool": {"kernel_shape": [2]},
    }
    y = run(kind, *arrays, opset=23, **told.get(kind, {}))
    assert y.dtype == dtype
    assert np.isfinite(y.astype("float64")).all()


# ---- graphs ----


def network(**more):
    """Return a model of four nodes, a constant, an initializer and one that may be fed."""
    info, float32 = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    held = [onnx.numpy_helper.from_array(np.array(a, "float32"), name) for name, a in (("w", [1, 2]), ("b", [0, 1]))]
    pool = helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    nodes = [
        helper.make_node("Constant", [], ["one"], value_floats=[1.0, 1.0, 1.0]), pool,
        helper.make_node("InstanceNormalization", ["p", "w", "b"], ["n"], epsilon=0.01),
        helper.make_node("LayerNormalization", ["n", "one"], ["l"], axis=-1),
        helper.make_node("Softmax", ["l"], ["y"], axis=1), *more.pop("nodes", ()),
    ]  # fmt: skip
    inputs = [info("x", float32, [None, 2, 6, 6]), info("b", float32, [2])]
    outputs = [info("y", float32, [None, 2, 3, 3]), info("n", float32, [None, 2, 3, 3])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(3, 2, 6, 6)).astype("float32")


def test_a_graph_is_its_nodes_one_after_the_other(x):
    prepared = onnx_backend.prepare(network())
    w, b = np.array([1, 2], "float32"), np.array([0, 1], "float32")
    for given, bias in (([x], b), ([x, w], w), ({"x": x}, b), ({"x": x, "b": w}, w), (x, b)):
        y, n = prepared.run(given)
        p = refnorm.pool.avg_pool(x, window=3, stride=2, padding=1, count_include_pad=False)
        wanted = refnorm.norm.instance_norm(p, w, bias, eps=float(np.float32(0.01)))
        np.testing.assert_array_equal(n, wanted)
        np.testing.assert_array_equal(y, refnorm.prob.softmax(refnorm.norm.layer_norm(wanted), axis=1))
    assert len(onnx_backend.run_model(network(), [x])) == 2


def test_a_graph_gives_what_onnxruntime_gives(x):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = onnxruntime.InferenceSession(network().SerializeToString(), providers=["CPUExecutionProvider"])
    for ours, theirs in zip(onnx_backend.run_model(network(), [x]), session.run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ([], ValueError, r"expected 1 inputs \(x\), got 0"), ({}, ValueError, "wrong or missing: x"),
        ({"x": 0, "z": 0}, ValueError, "wrong or missing: z"),
        ([np.ones((3, 2, 6, 6))], TypeError, "input x must hold float32, got float64"),
        ([np.ones((3, 2, 6, 5), "float32")], ValueError, r"input x must have shape \(None, 2, 6, 6\)"),
    ],
)  # fmt: skip
def test_wrong_inputs_are_refused(given, error, match):
    with pytest.raises(error, match=match):
        onnx_backend.prepare(network()).run(given)


def test_what_is_not_valid_is_refused(x):
    model = network()
    model.graph.node[1].input[0] = "nowhere"
    with pytest.raises(onnx.checker.ValidationError):
        onnx_backend.prepare(model)


# ---- what is not supported ----


def one(kind, *inputs, opset=17, outputs=("y",), dtype=onnx.TensorProto.FLOAT, **attributes):
    taken = [helper.make_tensor_value_info(name, dtype, [None] * 3) for name in inputs]
    given = [helper.make_tensor_value_info(name, dtype, None) for name in outputs]
    graph = helper.make_graph([helper.make_node(kind, inputs, outputs, **attributes)], "g", taken, given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def held_elsewhere():
    model = network()
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    return model


def of_another_domain():
    model = one("LayerNormalization", "x", "w")
    model.graph.node[0].domain = "com.example"
    return model


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: one("Relu", "x"), "the node Relu: there are LayerNormalization"),
        (lambda: one("LayerNormalization", "x", "w", opset=16), "ONNX has no LayerNormalization in opset 16"),
        (lambda: one("MaxPool", "x", outputs=("y", "i"), kernel_shape=[2]), "MaxPool with Indices"),
        (lambda: one("AveragePool", "x", opset=19, kernel_shape=[2], dilations=[2]), "AveragePool with dilations"),
        (lambda: one("MaxPool", "x", kernel_shape=[2], auto_pad="SAME"), "MaxPool with auto_pad 'SAME'"),
        (lambda: one("MaxPool", "x", kernel_shape=[2], dtype=onnx.TensorProto.INT8), "input x of int8"),
        (lambda: one("LpNormalization", "x", p=3), "LpNormalization with p = 3"),
        (lambda: one("BatchNormalization", *"xsbmv", opset=7, spatial=0), "spatial=0"),
        (lambda: one("BatchNormalization", *"xsbmv", opset=9, outputs="ymvnu"), "that trains, before opset 14"),
        (lambda: one("BatchNormalization", *"xsbmv", opset=6), "that trains, before opset 14"),
        (lambda: one("MeanVarianceNormalization", "x"), "the node MeanVarianceNormalization"),
        (lambda: one("LpPool", "x", kernel_shape=[2]), "the node LpPool"),
        (lambda: one("Constant", value_int=3), "a Constant that holds no floats"),
        (held_elsewhere, "initializer w in another file: onnx.load reads it in"),
        (of_another_domain, "LayerNormalization of the domain com.example"),
        (lambda: network(nodes=[helper.make_node("Abs", ["y"], ["a"])]), "the node Abs"),
    ],
)
def test_what_is_not_supported_is_told_before_anything_runs(make, match):
    from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

    model = make()
    assert not onnx_backend.is_compatible(model)
    with pytest.raises(BackendIsNotSupposedToImplementIt, match=match):
        onnx_backend.prepare(model)


def test_the_cpu_is_the_device():
    from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

    assert onnx_backend.supports_device("CPU")
    assert onnx_backend.supports_device("CPU:0")
    assert not onnx_backend.supports_device("CUDA")
    assert onnx_backend.is_compatible(network())
    assert not onnx_backend.is_compatible(network(), "CUDA")
    with pytest.raises(BackendIsNotSupposedToImplementIt, match="the device CUDA"):
        onnx_backend.prepare(network(), "CUDA")
