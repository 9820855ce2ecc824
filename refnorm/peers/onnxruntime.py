"""onnxruntime's operators: one node each, in float32, which is the type its CPU kernels and ONNX's eps are in."""

import functools

import numpy as np

from ..cards.rows import rowwise

__all__ = [
    "avg_pool", "batch_norm", "group_norm", "instance_norm", "layer_norm", "log_softmax", "lp_normalize", "max_pool",
    "rms_norm", "softmax",
]  # fmt: skip

DTYPES = ("float32",)
OPSET, IR = 23, 10  # GroupNormalization with a weight a channel came with opset 21, RMSNormalization with 23


def run(kind: str, *arrays, **attributes) -> np.ndarray:
    """Run one node on float32 arrays; None for an input that is left out."""
    given = [None if a is None else np.ascontiguousarray(a, dtype="float32") for a in arrays]
    while given[-1] is None:  # an empty name at the end crashes onnxruntime 1.32
        given.pop()
    ranks = tuple(None if a is None else a.ndim for a in given)
    session = _session(kind, ranks, tuple(sorted(attributes.items())))
    return session.run(None, {f"x{i}": a for i, a in enumerate(given) if a is not None})[0]


@functools.cache
def _session(kind: str, ranks: tuple, attributes: tuple):
    import onnxruntime
    from onnx import TensorProto, helper

    names = ["" if rank is None else f"x{i}" for i, rank in enumerate(ranks)]
    taken = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank)
        for name, rank in zip(names, ranks, strict=True)
        if name
    ]
    node = helper.make_node(kind, names, ["y"], **{k: list(v) if isinstance(v, tuple) else v for k, v in attributes})
    graph = helper.make_graph([node], kind, taken, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def channels_at_1(f):
    """Let a function of (N, C, *spatial) be called with any channel `axis`."""

    @functools.wraps(f)
    def call(x, *arrays, axis=1, **options):
        y = f(np.moveaxis(x, axis, 1), *arrays, **options)
        return np.moveaxis(y, 1, axis)

    return call


def filled(x, weight, bias, size):
    """Return weight and bias, ones and zeros where they are left out: their places cannot be."""
    weight = np.ones(size, x.dtype) if weight is None else weight
    return weight, np.zeros(size, x.dtype) if bias is None else bias


# ---- along an axis ----


@rowwise
def layer_norm(x, weight=None, bias=None, *, axis=-1, eps=1e-5):
    weight, _ = filled(x, weight, None, x.shape[-1:])
    return run("LayerNormalization", x, weight, bias, epsilon=float(eps))


@rowwise
def rms_norm(x, weight=None, *, axis=-1, eps=1e-6):
    weight, _ = filled(x, weight, None, x.shape[-1:])
    return run("RMSNormalization", x, weight, epsilon=float(eps))


@rowwise
def softmax(x, *, axis=-1):
    return run("Softmax", x)


@rowwise
def log_softmax(x, *, axis=-1):
    return run("LogSoftmax", x)


@rowwise
def lp_normalize(x, *, p=2.0, axis=-1, eps=1e-12):
    if p not in (1, 2) or eps > 1e-12:
        raise NotImplementedError(f"LpNormalization has p = 1 and 2 and no eps, not p = {p}, eps = {eps}")
    return run("LpNormalization", x, p=int(p))


# ---- over channels ----


@channels_at_1
def batch_norm(x, mean, var, weight=None, bias=None, *, axis=1, eps=1e-5):
    weight, bias = filled(x, weight, bias, x.shape[1:2])
    return run("BatchNormalization", x, weight, bias, mean, var, epsilon=float(eps))


@channels_at_1
def instance_norm(x, weight=None, bias=None, *, axis=1, eps=1e-5):
    weight, bias = filled(x, weight, bias, x.shape[1:2])
    return run("InstanceNormalization", x, weight, bias, epsilon=float(eps))


@channels_at_1
def group_norm(x, weight=None, bias=None, *, groups, axis=1, eps=1e-5):
    weight, bias = filled(x, weight, bias, x.shape[1:2])
    return run("GroupNormalization", x, weight, bias, num_groups=groups, epsilon=float(eps))


# ---- windows ----


def avg_pool(x, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    sides = _windows(x, window, stride, padding, ceil_mode)
    return run("AveragePool", x, count_include_pad=int(count_include_pad), **sides)


def max_pool(x, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    return run("MaxPool", x, dilations=_each(dilation, x.ndim - 2), **_windows(x, window, stride, padding, ceil_mode))


def _each(value, n: int) -> tuple:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n


def _windows(x, window, stride, padding, ceil_mode) -> dict:
    n = x.ndim - 2
    pads = [p if isinstance(p, tuple | list) else (p, p) for p in _each(padding, n)]
    return {
        "kernel_shape": _each(window, n),
        "strides": _each(window if stride is None else stride, n),
        "pads": tuple(before for before, _ in pads) + tuple(after for _, after in pads),
        "ceil_mode": int(ceil_mode),
    }
