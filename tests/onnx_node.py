"""A runtime of one ONNX node, for what has no other peer."""

import pytest


def session_of(kind, inputs, outputs, opset=18, **attributes):
    """Return onnxruntime's session of one node; inputs and outputs are (name, type, shape)."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    infos = [[onnx.helper.make_tensor_value_info(n, getattr(onnx.TensorProto, t), s) for n, t, s in side]
             for side in (inputs, outputs)]  # fmt: skip
    node = onnx.helper.make_node(kind, [i[0] for i in inputs], [o[0] for o in outputs], **attributes)
    graph = onnx.helper.make_graph([node], "g", *infos)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=9)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
