"""onnxruntime's operators: one node each, in float32, which is the type its CPU kernels and ONNX's eps are in."""

import functools

import numpy as np

from ..onnx_backend.nodes import node_of

__all__ = [
    "ask", "avg_pool", "batch_norm", "group_norm", "instance_norm", "layer_norm", "log_softmax", "lp_normalize",
    "max_pool", "rms_norm", "session", "softmax",
]  # fmt: skip

DTYPES = ("float32",)
OPSET = 23  # GroupNormalization with a weight a channel came with opset 21, RMSNormalization with 23
IR = 10
TAKEN = ("float16", "float32", "float64")


def ask(kind: str, *arrays, opset: int = OPSET, **options) -> np.ndarray:
    """Run a call as one node; NotImplementedError where the node cannot say it or onnxruntime has no such kernel."""
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Absent

    if arrays[0].dtype.name not in TAKEN:
        raise NotImplementedError(f"onnxruntime takes {', '.join(TAKEN)} from NumPy, not {arrays[0].dtype}")
    node = node_of(kind, opset, arrays, options)
    given = node.inputs
    while given[-1] is None:  # an empty name at the end crashes onnxruntime 1.32
        given.pop()
    taken = tuple(None if a is None else (a.dtype.name, a.ndim) for a in given)
    try:
        running = _one_node(kind, opset, taken, tuple(sorted(node.attributes.items())))
        return node.back(running.run(None, {f"x{i}": a for i, a in enumerate(given) if a is not None})[0])
    except Absent as error:
        raise NotImplementedError(str(error).splitlines()[0]) from None


@functools.lru_cache(maxsize=256)
def _one_node(kind: str, opset: int, taken: tuple, attributes: tuple):
    from onnx import helper

    types = [(f"x{i}", *one) for i, one in enumerate(taken) if one]
    element = {name: helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) for name, dtype, _ in types}
    names = ["" if one is None else f"x{i}" for i, one in enumerate(taken)]
    node = helper.make_node(kind, names, ["y"], **{k: list(v) if isinstance(v, tuple) else v for k, v in attributes})
    inputs = [helper.make_tensor_value_info(name, element[name], [None] * rank) for name, _, rank in types]
    outputs = [helper.make_tensor_value_info("y", element["x0"], None)]
    graph = helper.make_graph([node], kind, inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR)
    return session(model.SerializeToString())


def session(model: bytes):
    """Return a model ready to run on the CPU, with errors alone told."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


# ---- along an axis ----


def layer_norm(x, weight=None, bias=None, *, axis=-1, eps=1e-5):
    return ask("LayerNormalization", x, weight, bias, axis=axis, eps=eps)


def rms_norm(x, weight=None, *, axis=-1, eps=1e-6):
    return ask("RMSNormalization", x, weight, axis=axis, eps=eps)


def softmax(x, *, axis=-1):
    return ask("Softmax", x, axis=axis)


def log_softmax(x, *, axis=-1):
    return ask("LogSoftmax", x, axis=axis)


def lp_normalize(x, *, p=2.0, axis=-1, eps=1e-12):
    return ask("LpNormalization", x, p=p, axis=axis, eps=eps)


# ---- over channels ----


def batch_norm(x, mean, var, weight=None, bias=None, *, axis=1, eps=1e-5):
    return ask("BatchNormalization", x, mean, var, weight, bias, axis=axis, eps=eps)


def instance_norm(x, weight=None, bias=None, *, axis=1, eps=1e-5):
    return ask("InstanceNormalization", x, weight, bias, axis=axis, eps=eps)


def group_norm(x, weight=None, bias=None, *, groups, axis=1, eps=1e-5):
    return ask("GroupNormalization", x, weight, bias, groups=groups, axis=axis, eps=eps)


# ---- windows ----


def avg_pool(x, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    return ask(
        "AveragePool", x, window=window, stride=stride, padding=padding, ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )  # fmt: skip


def max_pool(x, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return ask(
        "MaxPool", x, window=window, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )  # fmt: skip
