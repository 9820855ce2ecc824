"""onnxruntime: one node or a few, their inputs and output bound to memory that is there already."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, parser

POOL = {"max_pool": "MaxPool", "avg_pool": "AveragePool"}
NODE = {
    "layer_norm": ("LayerNormalization", {"axis": -1, "epsilon": 1e-5}),
    "rms_norm": ("RMSNormalization", {"axis": -1, "epsilon": 1e-6}),
    "softmax": ("Softmax", {"axis": -1}),
    "lp_normalize": ("LpNormalization", {"axis": -1, "p": 2}),
    "instance_norm": ("InstanceNormalization", {"epsilon": 1e-5}),
    "group_norm": ("GroupNormalization", {"epsilon": 1e-5}),
}
# What has no node of its own is a graph of several, and onnxruntime fuses what it can.
GRAPH = {
    "evonorm s0": """(float[32,64,56,56] x, float[64] v, float[64] w, float[64] b) => (float[32,64,56,56] y)
        <int64[2] planes = {1, 2}, int64[3] by = {32, 32, -1}, int64[1] last = {-1}, float eps = {0.00001}> {
        rows = Reshape(x, by)
        mean = ReduceMean(rows, last)
        c = Sub(rows, mean)
        q = Mul(c, c)
        var = ReduceMean(q, last)
        more = Add(var, eps)
        root = Sqrt(more)
        unit = Div(rows, root)
        size = Shape(x)
        back = Reshape(unit, size)
        vp = Unsqueeze(v, planes)
        wp = Unsqueeze(w, planes)
        bp = Unsqueeze(b, planes)
        z = Mul(x, vp)
        gate = Sigmoid(z)
        gated = Mul(back, gate)
        scaled = Mul(gated, wp)
        y = Add(scaled, bp) }""",
    "generalized_divisive_norm": """(float[8,64,64,64] x, float[64,64] w, float[64] b) => (float[8,64,64,64] y)
        <int64[2] site = {2, 3}> {
        kernel = Unsqueeze(w, site)
        e = Mul(x, x)
        pool = Conv(e, kernel, b)
        n = Sqrt(pool)
        y = Div(x, n) }""",
    "gated_rms_norm": """(float[4096,4096] x, float[4096,4096] z, float[4096] w) => (float[4096,4096] y) {
        n = RMSNormalization <axis = -1, epsilon = 0.00001> (x, w)
        c = Sigmoid(z)
        s = Mul(z, c)
        y = Mul(n, s) }""",
    "crms_norm": """(float[4096,4096] x) => (float[4096,4096] y)
        <int64[1] last = {-1}, float n = {4097.0}, float eps = {0.00001}> {
        q = ReduceSumSquare(x, last)
        s = ReduceSum(x, last)
        m = Mul(s, s)
        sum = Add(q, m)
        mean = Div(sum, n)
        more = Add(mean, eps)
        root = Sqrt(more)
        y = Div(x, root) }""",
    "weight_norm": """(float[4096,4096] x, float[4096] g) => (float[4096,4096] y) <int64[1] last = {-1}> {
        length = ReduceL2(x, last)
        column = Unsqueeze(g, last)
        scale = Div(column, length)
        y = Mul(x, scale) }""",
}
OPSET, IR = 23, 10  # RMSNormalization came with opset 23
_threads = [1]


def use_threads(n: int) -> None:
    _threads[0] = n


def calls(case, arrays):
    """Yield (what is called, the call); each returns something NumPy can read."""
    # onnxruntime on the CPU has no gradients and no channels-last pools
    if (case.operator in NODE or case.operator in POOL) and not (case.vjp or case.channels_last):
        yield "out given", bound(single(node(case, len(arrays)), arrays), arrays)
    text = GRAPH.get(case.operator + " " * ("kind" in case.options) + case.options.get("kind", ""))
    if text is not None and not case.vjp:
        yield "several nodes, out given", bound(parser.parse_graph("several " + text), arrays)


def node(case, count):
    names = ["x", "w", "b"][:count]
    if case.operator in POOL:
        k = [case.options["window"]] * 2
        pads = [case.options.get("padding", 0)] * 4
        strides = [case.options.get("stride", k[0])] * 2
        return helper.make_node(POOL[case.operator], names, ["y"], kernel_shape=k, strides=strides, pads=pads)
    kind, attributes = NODE[case.operator]
    groups = {"num_groups": case.options["groups"]} if "groups" in case.options else {}
    return helper.make_node(kind, names, ["y"], **attributes, **groups)


def single(one, arrays):
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in zip(one.input, arrays, strict=True)
    ]
    return helper.make_graph([one], "one", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])


def session(graph):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _threads[0], 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def bound(graph, arrays):
    ready, names = session(graph), [i.name for i in graph.input]
    y = ready.run(None, dict(zip(names, arrays, strict=True)))[0]
    binding = ready.io_binding()
    for name, a in zip(names, arrays, strict=True):
        binding.bind_input(name, "cpu", 0, np.float32, a.shape, a.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)

    def call():
        ready.run_with_iobinding(binding)
        return y

    return call
