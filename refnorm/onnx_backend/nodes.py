"""ONNX's nodes and refnorm's calls, each written as the other: the one table of what is what.

`options_of` reads the attributes of a node as the options of an operator, `node_of` writes a call as a node. What the
opsets differ in (attributes, their defaults, inputs that must be there) is read from ONNX's own schemas.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import refnorm

__all__ = ["KINDS", "Written", "attributes_of", "node_of", "obstacle", "options_of", "parameter_shape", "schema_of"]

# op type -> the operator, and which of its arrays each input is
KINDS = {
    "LayerNormalization": ("layer_norm", ("x", "weight", "bias")),
    "RMSNormalization": ("rms_norm", ("x", "weight")),
    "GroupNormalization": ("group_norm", ("x", "weight", "bias")),
    "InstanceNormalization": ("instance_norm", ("x", "weight", "bias")),
    "BatchNormalization": ("batch_norm", ("x", "weight", "bias", "mean", "var")),
    "LpNormalization": ("lp_normalize", ("x",)),
    "Softmax": ("softmax", ("x",)),
    "LogSoftmax": ("log_softmax", ("x",)),
    "AveragePool": ("avg_pool", ("x",)),
    "MaxPool": ("max_pool", ("x",)),
    "GlobalAveragePool": ("adaptive_avg_pool", ("x",)),
    "GlobalMaxPool": ("max_pool", ("x",)),
}
NAMES = {"epsilon": "eps", "p": "p", "num_groups": "groups"}  # attributes that are options as they stand
IDLE = {"ceil_mode": 0, "count_include_pad": 0, "dilations": 1}  # what older opsets do without being told
PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def schema_of(kind: str, opset: int):
    """Return ONNX's schema of a kind of node; ValueError where the opset has none."""
    import onnx

    try:
        return onnx.defs.get_schema(kind, opset)
    except onnx.defs.SchemaError:
        raise ValueError(f"ONNX has no {kind} in opset {opset}") from None


def attributes_of(node, opset: int) -> dict:
    """Return the attributes of a node, with the schema's defaults for those that it leaves out."""
    from onnx.helper import get_attribute_value

    usual = {name: a.default_value for name, a in schema_of(node.op_type, opset).attributes.items()}
    given = {name: a for name, a in usual.items() if a.type} | {a.name: a for a in node.attribute}
    values = {name: get_attribute_value(a) for name, a in given.items()}
    return {name: _plain(v) for name, v in values.items()}


def _plain(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return tuple(value) if isinstance(value, list) else value


def from_axis_on(kind: str, opset: int) -> bool:
    """Return whether the attribute `axis` is the first of those that are reduced, and not the only one."""
    old = kind in ("Softmax", "LogSoftmax") and opset < 13
    return old or kind in ("LayerNormalization", "RMSNormalization")


def one_weight_a_group(kind: str | None, opset: int) -> bool:
    return kind == "GroupNormalization" and opset < 21


# ---- a node read as a call ----


def obstacle(kind: str, given: dict, opset: int, outputs: int) -> str:
    """Return why the operator does not give the outputs of such a node; nothing where it does."""
    if kind == "AveragePool" and any(d != 1 for d in given.get("dilations", ())):
        return "AveragePool with dilations: avg_pool has none"
    if kind == "MaxPool" and outputs > 1:
        return "MaxPool with Indices: max_pool returns none"
    if kind == "LpNormalization" and given["p"] not in (1, 2):
        return f"LpNormalization with p = {given['p']}: ONNX has 1 and 2"
    if given.get("auto_pad", "NOTSET") not in PADS:
        return f"{kind} with auto_pad {given['auto_pad']!r}: ONNX has {', '.join(PADS)}"
    if kind == "BatchNormalization":
        if not given.get("spatial", 1):
            return "BatchNormalization with spatial=0: batch_norm has one mean a channel"
        if opset < 14 and (outputs > 1 or (opset < 7 and not given["is_test"])):
            return "BatchNormalization that trains, before opset 14: its outputs are not defined"
    return ""


def options_of(kind: str, given: dict, opset: int, shape: tuple) -> dict:
    """Return the options under which the operator does what a node with these attributes does to such an x."""
    options = {option: given[name] for name, option in NAMES.items() if name in given}
    if "axis" in given:
        axis, ndim = given["axis"], len(shape)
        if not -ndim <= axis < max(ndim, 1):
            raise ValueError(f"{kind}: axis {axis} does not exist in an array of {ndim} axes")
        options["axis"] = tuple(range(axis % max(ndim, 1), ndim)) if from_axis_on(kind, opset) else axis
    if kind == "LpNormalization":
        options["eps"] = refnorm.convention("onnx", "lp_normalize")["eps"]
    if kind == "GlobalAveragePool":
        options["output_size"] = 1
    if kind == "GlobalMaxPool":
        options["window"] = tuple(shape[2:])
    return options | (_windows(kind, given, shape[2:]) if "kernel_shape" in given else {})


def _windows(kind: str, given: dict, sizes: tuple) -> dict:
    """Return the options of a pool: ONNX's stride is 1 where it is left out."""
    window, auto = given["kernel_shape"], given.get("auto_pad", "NOTSET")
    n = len(window)
    if n != len(sizes):
        raise ValueError(f"{kind}: kernel_shape {window} does not fit {len(sizes)} spatial axes")
    stride, dilation = given.get("strides") or (1,) * n, given.get("dilations") or (1,) * n
    pads = given.get("pads") or (0,) * (2 * n)
    padding = tuple(zip(pads[:n], pads[n:], strict=True)) if auto == "NOTSET" else ((0, 0),) * n
    if auto.startswith("SAME"):
        padding = refnorm.pool.same_padding(sizes, window=window, stride=stride, dilation=dilation)
        if auto == "SAME_LOWER":
            padding = tuple((after, before) for before, after in padding)
    # an auto_pad says how many windows there are, and nothing is left to round
    options = {"window": window, "stride": stride, "padding": padding}
    options["ceil_mode"] = auto == "NOTSET" and bool(given.get("ceil_mode", 0))
    if kind == "MaxPool":
        return options | {"dilation": dilation}
    return options | {"count_include_pad": bool(given.get("count_include_pad", 0))}


# ---- a call written as a node ----


@dataclass
class Written:
    """A call as one node: its inputs, None where one is left out, and how its answer is turned back."""

    kind: str
    inputs: list
    attributes: dict
    back: Callable


def node_of(kind: str, opset: int, arrays, options: dict) -> Written:
    """Write a call of the operator as a node of this kind; NotImplementedError where it cannot say it.

    `options` has every option of the operator. Axes that ONNX wants elsewhere are moved there and back by NumPy.
    """
    name, roles = KINDS[kind]
    schema = schema_of(kind, opset)
    function = refnorm.OPERATORS[name].function
    names = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_ONLY]
    given = dict(zip(names, arrays, strict=False))
    x, back, axis = given["x"], _same, {}
    if "axis" in options:
        move = _by_rows if "axis" in schema.attributes else _by_channels
        x, back, axis = move(kind, opset, x, options["axis"])
    attributes = axis | _attributes(kind, options, x.shape)
    inputs = [x, *(given.get(role) for role in roles[1:])]
    if one_weight_a_group(kind, opset) and any(a is not None for a in inputs[1:]):
        raise NotImplementedError(f"{kind} of opset {opset} has one weight and bias a group")
    for place, role in enumerate(roles[: schema.min_input]):
        if inputs[place] is None:  # its place cannot be left out
            inputs[place] = neutral(role, parameter_shape(kind, opset, given["x"].shape, options), x.dtype)
    return Written(kind, inputs, _offered(schema, opset, attributes), back)


def neutral(role: str, shape: tuple, dtype) -> np.ndarray:
    """Return the weight or the bias that changes nothing."""
    return (np.ones if role == "weight" else np.zeros)(shape, dtype)


def parameter_shape(kind: str | None, opset: int, shape: tuple, options: dict) -> tuple:
    """Return the shape of the weight and the bias for an x of `shape`."""
    if one_weight_a_group(kind, opset):
        return (options["groups"],)
    axis = options["axis"]
    return tuple(shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)))


def _same(y):
    return y


def _by_channels(kind, opset, x, axis):
    """Bring the channels to axis 1, where ONNX has them."""
    return np.moveaxis(x, axis, 1), (lambda y: np.moveaxis(y, 1, axis)), {}


def _by_rows(kind, opset, x, axis):
    """Bring what is reduced to the end, unless the node can be told where it is."""
    axes = tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    if from_axis_on(kind, opset):
        return moved, (lambda y: np.moveaxis(y, last, axes)), {"axis": last[0]}
    if len(axes) == 1:
        return x, _same, {"axis": axes[0] if isinstance(axis, tuple) else axis}
    rows = moved.reshape(moved.shape[: last[0]] + (math.prod(moved.shape[last[0] :]),))
    return rows, (lambda y: np.moveaxis(y.reshape(moved.shape), last, axes)), {"axis": -1}


def _attributes(kind: str, options: dict, shape: tuple) -> dict:
    if kind == "LpNormalization":
        if options["p"] not in (1, 2) or options["eps"] > 1e-12:
            raise NotImplementedError(
                f"LpNormalization has p = 1 and 2 and no eps, not p = {options['p']}, eps = {options['eps']}"
            )
        return {"p": int(options["p"])}
    if kind.startswith("Global"):
        whole = {"output_size": (1,) * len(shape[2:]), "window": shape[2:], "padding": (0,) * len(shape[2:])}
        if any(_each(options[name], len(v)) != v for name, v in whole.items() if name in options):
            raise NotImplementedError(f"{kind} has one window, over all positions")
        return {}
    if "window" in options:
        return _pool(kind, options, len(shape) - 2)
    return {name: (float if name == "epsilon" else int)(options[o]) for name, o in NAMES.items() if o in options}


def _pool(kind: str, options: dict, n: int) -> dict:
    pads = [p if isinstance(p, tuple | list) else (p, p) for p in _each(options["padding"], n)]
    attributes = {
        "kernel_shape": _each(options["window"], n),
        "strides": _each(options["window"] if options["stride"] is None else options["stride"], n),
        "pads": tuple(before for before, _ in pads) + tuple(after for _, after in pads),
        "ceil_mode": int(options["ceil_mode"]),
    }
    if kind == "MaxPool":
        return attributes | {"dilations": _each(options["dilation"], n)}
    return attributes | {"count_include_pad": int(options["count_include_pad"])}


def _each(value, n: int) -> tuple:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n


def _offered(schema, opset: int, attributes: dict) -> dict:
    """Return the attributes that a schema has; refuse others, unless they say what happens without them."""
    idle = dict(IDLE)
    if not any(attributes.get("pads", ())):
        idle["count_include_pad"] = 1  # there is nothing to count
    for name in [name for name in attributes if name not in schema.attributes]:
        value = attributes.pop(name)
        if any(v not in (IDLE.get(name), idle.get(name)) for v in _each(value, 1)):
            raise NotImplementedError(f"{schema.name} of opset {opset} has no {name}")
    return attributes
