"""onnxruntime: one node, its inputs and output bound to memory that is there already."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

POOL = {"max_pool": "MaxPool", "avg_pool": "AveragePool"}
NODE = {
    "layer_norm": ("LayerNormalization", {"axis": -1, "epsilon": 1e-5}),
    "rms_norm": ("RMSNormalization", {"axis": -1, "epsilon": 1e-6}),
    "softmax": ("Softmax", {"axis": -1}),
    "lp_normalize": ("LpNormalization", {"axis": -1, "p": 2}),
    "instance_norm": ("InstanceNormalization", {"epsilon": 1e-5}),
    "group_norm": ("GroupNormalization", {"epsilon": 1e-5}),
}
OPSET, IR = 23, 10  # RMSNormalization came with opset 23
_threads = [1]


def use_threads(n: int) -> None:
    _threads[0] = n


def calls(case, arrays):
    """Yield (what is called, the call); each returns something NumPy can read."""
    # onnxruntime on the CPU has no gradients and no channels-last pools
    if (case.operator in NODE or case.operator in POOL) and not (case.vjp or case.channels_last):
        yield "out given", bound(node(case, len(arrays)), arrays)


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


def session(one, arrays):
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in zip(one.input, arrays, strict=True)
    ]
    graph = helper.make_graph([one], "one", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _threads[0], 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def bound(one, arrays):
    ready = session(one, arrays)
    y = ready.run(None, dict(zip(one.input, arrays, strict=True)))[0]
    binding = ready.io_binding()
    for name, a in zip(one.input, arrays, strict=True):
        binding.bind_input(name, "cpu", 0, np.float32, a.shape, a.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)

    def call():
        ready.run_with_iobinding(binding)
        return y

    return call
