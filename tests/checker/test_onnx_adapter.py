"""ONNX models and nodes judged through onnxruntime: right ones, wrong ones named, and those that cannot be read."""

import os

import numpy as np
import pytest

import refnorm
from refnorm.checker import find_operator

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnx import helper  # noqa: E402

from refnorm.checker.adapters.onnx import adapt  # noqa: E402

FLOAT = onnx.TensorProto.FLOAT


def node(kind, inputs, output="y", **attributes):
    return helper.make_node(kind, list(inputs), [output], **attributes)


def constant(name, value):
    return onnx.numpy_helper.from_array(np.asarray(value), name)


def write(path, nodes, inputs, opset=17, held=(), outputs=1):
    """Write a model of nodes; `inputs` are names, or names and shapes."""
    given = dict.fromkeys(inputs) if isinstance(inputs, tuple) else inputs
    taken = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in given.items()]
    answers = [helper.make_tensor_value_info(name, FLOAT, None) for name in ("y", "z")[:outputs]]
    graph = helper.make_graph(nodes, "g", taken, answers, list(held))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return str(path)


def layer_norm(tmp_path, inputs=("X", "Scale", "B"), held=(), opset=17, **attributes):
    return write(tmp_path / "model.onnx", [node("LayerNormalization", list(inputs), **attributes)], inputs, opset, held)


def moments(opset=17):
    """Return nodes that give the mean m and the rows less the mean c."""
    return [node("ReduceMean", "x", "m", axes=[-1]), node("Sub", "xm", "c")]


def divided(square):
    """Return nodes that divide c by the root of `square` + eps, scale and shift."""
    return [
        node("Add", [square, "small"], "v"), node("Sqrt", "v", "s"), node("Div", "cs", "u"),
        node("Mul", ["u", "weight"], "w"), node("Add", ["w", "bias"], "y"),
    ]  # fmt: skip


def judge(where, operator="layer_norm", **more):
    adapted = adapt(where, find_operator(operator))
    return refnorm.check(adapted.call, operator, seed=1, dtypes=("float32",), partial=True, **more)


# ---- models, judged ----


def test_a_right_model_conforms(tmp_path):
    report = judge(layer_norm(tmp_path))
    assert report.conforms
    # the calls that leave eps out; those of one axis, the last
    assert (report.ran, report.declined) == (5, 8)


def test_another_epsilon_is_named(tmp_path):
    report = judge(layer_norm(tmp_path, epsilon=1e-3))
    assert (report.exit_code, report.named[0]) == (1, "convention keras (eps=0.001)")
    report = judge(layer_norm(tmp_path, epsilon=7e-4))
    assert (report.exit_code, report.named[0]) == (1, "its own defaults (eps=0.0007)")


def test_calls_of_the_models_own_epsilon_are_judged_beside(tmp_path):
    report = judge(layer_norm(tmp_path, epsilon=0.5))
    assert report.ran == 6  # "loud eps" too, which it has right
    assert report.named[0] == "its own defaults (eps=0.5)"


def one_pass(tmp_path):
    nodes = [
        *moments(), node("Mul", "xx", "q"), node("ReduceMean", "q", "e", axes=[-1]), node("Mul", "mm", "mm2"),
        node("Sub", ["e", "mm2"], "d"), *divided("d"),
    ]  # fmt: skip
    return write(tmp_path / "model.onnx", nodes, ("x", "weight", "bias"), held=[constant("small", np.float32(1e-5))])


def test_a_one_pass_variance_does_not_conform(tmp_path):
    report = judge(one_pass(tmp_path))
    assert report.exit_code == 1
    assert report.layers[1].verdict == "fails"


def test_a_one_pass_variance_is_named(tmp_path):
    assert judge(one_pass(tmp_path)).named[:1] == ["one-pass variance"]


def test_a_two_pass_variance_of_the_same_nodes_conforms(tmp_path):
    nodes = [*moments(), node("Mul", "cc", "q"), node("ReduceMean", "q", "d", axes=[-1]), *divided("d")]
    where = write(tmp_path / "model.onnx", nodes, ("x", "weight", "bias"), held=[constant("small", np.float32(1e-5))])
    assert judge(where).conforms


def test_a_denominator_of_n_minus_1_is_named(tmp_path):
    nodes = [
        *moments(), node("Mul", "cc", "q"), node("ReduceSum", ["q", "last"], "t"), node("Shape", "x", "shape"),
        node("Gather", ["shape", "last"], "n"), node("Cast", "n", "f", to=FLOAT), node("Sub", ["f", "one"], "less"),
        node("Div", ["t", "less"], "d"), *divided("d"),
    ]  # fmt: skip
    held = [constant("small", np.float32(1e-5)), constant("last", [-1]), constant("one", np.float32(1))]
    report = judge(write(tmp_path / "model.onnx", nodes, ("x", "weight", "bias"), held=held))
    assert (report.exit_code, report.named[0]) == (1, "n - 1 in place of n")


def test_options_said_behind_the_name_are_what_is_asked(tmp_path):
    nodes = [*moments(), node("Mul", "cc", "q"), node("ReduceMean", "q", "d", axes=[-1]), *divided("d")]
    where = write(tmp_path / "model.onnx", nodes, ("x", "weight", "bias"), held=[constant("small", np.float32(0.5))])
    assert not judge(where).conforms  # taken for the operator's default
    report = judge(f"{where}?eps=0.5")
    assert report.named[0] == "its own defaults (eps=0.5)"
    call = adapt(f"{where}?eps=0.5", find_operator("layer_norm")).call
    x = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
    np.testing.assert_allclose(call(x, eps=0.5), refnorm.norm.layer_norm(x, eps=0.5), rtol=1e-5, atol=1e-6)
    with pytest.raises(NotImplementedError, match=r"the model has eps=0.5, not 0.25"):
        call(x, eps=0.25)
    with pytest.raises(NotImplementedError, match=r"the model has axis=-1, not 0"):
        call(x, axis=0)
    assert call(x, axis=1).shape == (3, 7)


def test_an_exported_module_is_judged(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    path = tmp_path / "module.onnx"
    try:
        torch.onnx.export(
            torch.nn.LayerNorm(8), (torch.zeros(4, 8),), path, dynamo=False, opset_version=17,
            input_names=["x"], dynamic_axes={"x": {0: "rows"}},
        )  # fmt: skip
    except Exception as error:
        pytest.skip(f"this torch exports nothing without more packages: {error}")
    adapted = adapt(str(path), find_operator("layer_norm"))
    x = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    np.testing.assert_allclose(adapted.call(x), refnorm.norm.layer_norm(x), rtol=1e-4, atol=1e-6)
    report = judge(str(path))
    assert report.ran == 1  # rows of 8
    assert report.layers[1].verdict == "conforms"


@pytest.mark.parametrize(
    ("operator", "kind", "attributes", "ran"),
    [
        ("softmax", "Softmax", {}, 8), ("softmax", "Softmax", {"axis": 1}, 5), ("log_softmax", "LogSoftmax", {}, 8),
        ("avg_pool", "AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "count_include_pad": 1}, 2),
        ("avg_pool", "AveragePool", {"kernel_shape": [3], "strides": [1], "count_include_pad": 1}, 1),
        ("max_pool", "MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, 2),
        ("lp_normalize", "LpNormalization", {}, 4), ("adaptive_avg_pool", "GlobalAveragePool", {}, 1),
    ],
)  # fmt: skip
def test_a_model_is_asked_what_its_node_was_made_for(tmp_path, operator, kind, attributes, ran):
    where = write(tmp_path / "model.onnx", [node(kind, "x", **attributes)], ("x",))
    report = judge(where, operator)
    assert report.ran >= ran
    values = report.layers[1]
    assert values.verdict in ("conforms", "warning"), values


def test_batch_norm_takes_its_arrays_by_the_place_in_the_node(tmp_path):
    names = ("data", "p0", "p1", "p2", "p3")  # scale, B, mean, var: not the operator's order
    report = judge(write(tmp_path / "model.onnx", [node("BatchNormalization", names)], names), "batch_norm")
    assert report.conforms


def test_arrays_are_told_by_name_in_a_larger_graph(tmp_path):
    nodes = [
        node("Add", ["input_var", "small"], "v"), node("Sqrt", "v", "s"), node("Sub", ["input", "input_mean"], "c"),
        node("Div", "cs", "y"),
    ]  # fmt: skip
    inputs = {"input_var": [5, 1], "input": [1, 5, None], "input_mean": [5, 1]}
    where = write(tmp_path / "model.onnx", nodes, inputs, held=[constant("small", np.float32(1e-5))])
    call = adapt(where, find_operator("batch_norm")).call
    with pytest.raises(NotImplementedError, match=r"takes the shape \(5, 1\) for input_mean, not \(5,\)"):
        call(np.ones((1, 5, 3), "float32"), np.ones(5, "float32"), np.ones(5, "float32"))


def test_names_that_say_nothing_go_by_position(tmp_path):
    where = write(tmp_path / "model.onnx", [node("Identity", "b", "y"), node("Abs", "a", "z")], ("a", "b"), outputs=2)
    call = adapt(where, find_operator("rms_norm")).call  # a is x, b is its weight
    np.testing.assert_array_equal(call(np.ones(3, "float32"), np.full(3, 2, "float32")), [2, 2, 2])


# ---- what a model was not made for ----


def test_a_fixed_shape_declines_other_shapes(tmp_path):
    where = layer_norm(tmp_path, {"X": [4, 8], "Scale": [8], "B": [8]})
    adapted = adapt(where, find_operator("layer_norm"))
    assert "float32 X of shape (4, 8)" in adapted.cannot["other calls"]
    with pytest.raises(NotImplementedError, match=r"takes the shape \(4, 8\) for X, not \(4, 9\)"):
        adapted.call(np.ones((4, 9), "float32"))
    with pytest.raises(NotImplementedError, match=r"takes the shape \(4, 8\) for X, not \(8,\)"):
        adapted.call(np.ones(8, "float32"))
    report = judge(where)
    assert report.ran == 1
    assert report.layers[1].verdict == "conforms"


def test_another_type_is_declined(tmp_path):
    call = adapt(layer_norm(tmp_path), find_operator("layer_norm")).call
    with pytest.raises(NotImplementedError, match="takes float32 for X, not float64"):
        call(np.ones((4, 8)))


def test_an_initializer_that_is_an_input_is_fed_and_another_is_the_models_own(tmp_path):
    x, weight = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")[:, 0], np.arange(8, dtype="float32")
    twos = constant("Scale", np.full(8, 2, "float32"))
    open_to_all = adapt(layer_norm(tmp_path, {"X": None, "Scale": [8]}, [twos]), find_operator("layer_norm")).call
    for given in (None, weight):
        wanted = refnorm.norm.layer_norm(x, given)
        np.testing.assert_allclose(open_to_all(x, given), wanted, rtol=1e-4, atol=1e-6)
    nodes = [node("LayerNormalization", ["X", "Scale"])]
    closed = adapt(write(tmp_path / "own.onnx", nodes, ("X",), held=[twos]), find_operator("layer_norm")).call
    for given in (None, weight):
        with pytest.raises(NotImplementedError, match="the model has its own weight"):
            closed(x, given)
    ones = [constant("Scale", np.ones(8, "float32"))]
    plain = adapt(write(tmp_path / "ones.onnx", nodes, ("X",), held=ones), find_operator("layer_norm")).call
    np.testing.assert_allclose(plain(x), refnorm.norm.layer_norm(x), rtol=1e-4, atol=1e-6)
    with pytest.raises(NotImplementedError, match="the model has no bias"):
        plain(x, None, weight)


# ---- what cannot be read ----


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("epsilon=1", "has the options axis, eps, got epsilon"), ("eps=open('x')", "expected name=value"),
        ("eps", "expected name=value"), ("eps=" + "(" * 500, "expected name=value"),
    ],
)  # fmt: skip
def test_wrong_words_behind_the_name_are_refused(tmp_path, query, match):
    with pytest.raises(ValueError, match=match):
        adapt(f"{layer_norm(tmp_path)}?{query}", find_operator("layer_norm"))


def test_a_pool_of_several_nodes_must_say_its_window(tmp_path):
    where = write(tmp_path / "model.onnx", [node("Identity", "x", "a"), node("Abs", "a")], ("x",))
    with pytest.raises(ValueError, match=r"say what the model was made with: \?window=\.\.\."):
        adapt(where, find_operator("avg_pool"))
    assert adapt(f"{where}?window=2", find_operator("avg_pool"))


def test_a_truncated_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "model.onnx"
    whole = layer_norm(tmp_path) and path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError) as error:
            adapt(str(path), find_operator("layer_norm"))
        assert "\n" not in str(error.value)


def test_what_is_no_model_is_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        adapt(str(tmp_path / "absent.onnx"), find_operator("layer_norm"))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        adapt(str(tmp_path), find_operator("layer_norm"))
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ValueError, match="is no ONNX model"):
        adapt(str(tmp_path / "text.onnx"), find_operator("layer_norm"))
    where = layer_norm(tmp_path)
    monkeypatch.setattr("refnorm.onnx_backend.files.LARGEST", 50)
    with pytest.raises(ValueError, match="is larger than 50 bytes"):
        adapt(where, find_operator("layer_norm"))


def test_a_wrong_number_of_inputs_or_outputs_is_refused(tmp_path):
    names = ("a", "b", "c", "d")
    where = write(tmp_path / "model.onnx", [node("Sum", names)], names)
    with pytest.raises(ValueError, match=r"takes 4 inputs \(a, b, c, d\), not x, weight, bias"):
        adapt(where, find_operator("layer_norm"))
    with pytest.raises(ValueError, match="batch_norm_train returns 3 arrays, the model 1"):
        adapt(layer_norm(tmp_path), find_operator("batch_norm_train"))


def test_a_model_that_onnxruntime_refuses_is_told_in_one_line(tmp_path):
    with pytest.raises(ValueError, match="NoSuchNode") as error:
        adapt(write(tmp_path / "model.onnx", [node("NoSuchNode", "x")], ("x",)), find_operator("layer_norm"))
    assert "\n" not in str(error.value)


def elsewhere(location):
    tensor = onnx.TensorProto(name="Scale", data_type=FLOAT, dims=[8], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value="32")
    return tensor


def with_data_in(folder, location):
    folder.mkdir(exist_ok=True)
    return write(
        folder / "model.onnx", [node("LayerNormalization", ["X", "Scale"])], ("X",), held=[elsewhere(location)]
    )


def test_data_in_the_models_folder_is_read(tmp_path):
    where = with_data_in(tmp_path / "d", "ones.bin")
    np.ones(8, "float32").tofile(tmp_path / "d" / "ones.bin")
    x = np.random.default_rng(0).normal(size=(3, 8)).astype("float32")
    answer = adapt(where, find_operator("layer_norm")).call(x)
    np.testing.assert_allclose(answer, refnorm.norm.layer_norm(x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "way", ["../ones.bin", "sub/../../ones.bin", "absolute", "symbolic link", "hard link", "absent"]
)
def test_data_outside_the_models_folder_is_refused(tmp_path, way, monkeypatch):
    np.ones(8, "float32").tofile(tmp_path / "ones.bin")
    location = {"absolute": str(tmp_path / "ones.bin"), "absent": "absent.bin"}.get(way, way)
    if "link" in way:
        location = "link.bin"
        (tmp_path / "d").mkdir()
        (os.symlink if way == "symbolic link" else os.link)(tmp_path / "ones.bin", tmp_path / "d" / location)
    where = with_data_in(tmp_path / "d", location)
    monkeypatch.chdir(tmp_path)  # the working directory counts for nothing
    with pytest.raises((ValueError, OSError)) as error:
        adapt(where, find_operator("layer_norm"))
    assert "\n" not in str(error.value)


def test_large_data_in_other_files_is_refused(tmp_path, monkeypatch):
    where = with_data_in(tmp_path / "d", "ones.bin")
    with (tmp_path / "d" / "ones.bin").open("wb") as file:
        file.truncate(1000)
    monkeypatch.setattr("refnorm.onnx_backend.files.LARGEST", 31 + len((tmp_path / "d" / "model.onnx").read_bytes()))
    adapt(where, find_operator("layer_norm"))
    tensor = elsewhere("ones.bin")
    tensor.external_data[1].value = "1000"
    write(tmp_path / "d" / "model.onnx", [node("LayerNormalization", ["X", "Scale"])], ("X",), held=[tensor])
    with pytest.raises(ValueError, match="keeps more than"):
        adapt(where, find_operator("layer_norm"))


# ---- one node ----


@pytest.mark.parametrize(
    ("operator", "where", "ran", "declined"),
    [
        ("layer_norm", "node:LayerNormalization?opset=17", 13, 0), ("layer_norm", "node:LayerNormalization", 13, 0),
        ("rms_norm", "node:RMSNormalization", 11, 0), ("softmax", "node:Softmax", 11, 0),
        ("softmax", "node:Softmax?opset=11", 11, 0), ("avg_pool", "node:AveragePool?opset=7", 10, 4),
        ("avg_pool", "node:AveragePool", 14, 0), ("instance_norm", "node:InstanceNormalization?opset=6", 14, 0),
        ("adaptive_avg_pool", "node:GlobalAveragePool", 1, 9),
        ("batch_norm", "node:BatchNormalization?opset=15", 15, 0),
    ],
)  # fmt: skip
def test_a_node_is_judged(operator, where, ran, declined):
    report = judge(where, operator)
    assert (report.ran, report.declined) == (ran, declined)
    assert report.conforms, report.worst


def test_group_normalization_before_opset_21_has_no_weight_a_channel():
    old, new = (judge(f"node:GroupNormalization?opset={opset}", "group_norm") for opset in (18, 21))
    assert (new.ran, new.declined) == (17, 0)
    assert old.declined == sum(any(d is not None for d in c.draws[1:]) for c in refnorm.OPERATORS["group_norm"].cases)
    assert "one-pass variance" in new.named  # as docs/findings.md has it


def test_a_node_in_a_type_without_a_kernel_is_declined():
    call = adapt("node:AveragePool", find_operator("avg_pool")).call
    with pytest.raises(NotImplementedError, match="AveragePool"):
        call(np.ones((1, 1, 4)), window=2)
    assert call(np.ones((1, 1, 4), "float16"), window=2).dtype == "float16"


@pytest.mark.parametrize(
    ("where", "match"),
    [
        ("node:Softplus", "no node 'Softplus' is known"), ("node:Softmax", "is the node of softmax, not of layer_norm"),
        ("node:LayerNormalization?opset=16", "no LayerNormalization in opset 16"),
        ("node:LayerNormalization?opset=999", "opset must be in"),
        ("node:LayerNormalization?opset='a'", "opset must be"),
        ("node:LayerNormalization?eps=1", "is told its opset alone"),
    ],
)  # fmt: skip
def test_a_wrong_node_is_refused(where, match):
    with pytest.raises(ValueError, match=match):
        adapt(where, find_operator("layer_norm"))
