"""refnorm as an ONNX backend: runs models made of the operators it holds, on NumPy arrays.

This module is what ``onnx.backend.base.Backend`` describes: `prepare`, `run_model`, `run_node`, `is_compatible` and
`supports_device`. A model is a graph of nodes of `nodes.KINDS` and constants; what is not supported is refused by
BackendIsNotSupposedToImplementIt, before anything is run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .compute import outputs_of
from .nodes import KINDS, attributes_of, obstacle, schema_of

__all__ = ["Prepared", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]

FLOATS = ("float16", "bfloat16", "float32", "float64")
HOME = ("", "ai.onnx")


@dataclass
class Prepared:
    """A model that was read and found to be supported: `run` as often as you like."""

    model: object = field(repr=False)
    opset: int
    held: dict = field(repr=False)

    def run(self, inputs, **options) -> tuple:
        """Return the outputs of the graph for its inputs, a list in their order or a dict by their names.

        Inputs that the model has a value for may be left out, all of them or, in a dict, any.
        """
        values = self.held | self._fed(inputs)
        for node in self.model.graph.node:
            arrays = [values[name] if name else None for name in node.input]
            if node.op_type == "Constant":
                made = (_constant(node),)
            else:
                made = outputs_of(
                    node.op_type, attributes_of(node, self.opset), self.opset, arrays, _last_named(node.output)
                )
            values |= {name: value for name, value in zip(node.output, made, strict=False) if name}
        return tuple(values[output.name] for output in self.model.graph.output)

    def _fed(self, inputs) -> dict:
        declared = {i.name: i for i in self.model.graph.input}
        needed = [name for name in declared if name not in self.held]
        if not isinstance(inputs, dict):
            inputs = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
            names = list(declared) if len(inputs) == len(declared) else needed
            if len(inputs) != len(names):
                raise ValueError(f"expected {len(names)} inputs ({', '.join(names)}), got {len(inputs)}")
            inputs = dict(zip(names, inputs, strict=True))
        if wrong := sorted((set(inputs) - set(declared)) | (set(needed) - set(inputs))):
            raise ValueError(f"expected the inputs {', '.join(needed)}; wrong or missing: {', '.join(wrong)}")
        return {name: _checked(declared[name], np.asarray(a)) for name, a in inputs.items()}


def _checked(declared, array):
    """Return an array that is what the graph says of it; TypeError or ValueError else."""
    name, wanted = declared.name, _dtype(declared.type.tensor_type.elem_type)
    if array.dtype != wanted:
        raise TypeError(f"input {name} must hold {wanted}, got {array.dtype}")
    if declared.type.tensor_type.HasField("shape"):
        dims = [d.dim_value if d.HasField("dim_value") else None for d in declared.type.tensor_type.shape.dim]
        if len(dims) != array.ndim or any(d not in (None, n) for d, n in zip(dims, array.shape, strict=True)):
            raise ValueError(f"input {name} must have shape {tuple(dims)}, got {array.shape}")
    return array


def _dtype(elem_type: int):
    from onnx.helper import tensor_dtype_to_np_dtype

    return np.dtype(tensor_dtype_to_np_dtype(elem_type))


def _last_named(outputs) -> int:
    return max((place for place, name in enumerate(outputs, start=1) if name), default=0)


# ---- what is supported ----


def supports_device(device: str) -> bool:
    """Return whether there is such a device here: the CPU is one."""
    return device.partition(":")[0] == "CPU"


def is_compatible(model, device: str = "CPU", **options) -> bool:
    """Return whether `prepare` takes a model."""
    return supports_device(device) and not any(_obstacles(model))


def _obstacles(model):
    """Yield what stands in the way of a model, in words."""
    graph, opset = model.graph, _opset(model)
    if graph.sparse_initializer:
        yield "sparse initializers"
    for tensor in graph.initializer:
        yield _no_value(tensor, "initializer")
    for given in graph.input:
        if given.type.WhichOneof("value") != "tensor_type":
            yield f"input {given.name}, which is no tensor"
        elif (dtype := _dtype(given.type.tensor_type.elem_type).name) not in FLOATS:
            yield f"input {given.name} of {dtype}: {', '.join(FLOATS)} are supported"
    for node in graph.node:
        yield _unsupported(node, opset)


def _no_value(tensor, what: str) -> str:
    if tensor.data_location == tensor.EXTERNAL:
        return f"{what} {tensor.name} in another file: onnx.load reads it in"
    dtype = _dtype(tensor.data_type).name
    return "" if dtype in FLOATS else f"{what} {tensor.name} of {dtype}: {', '.join(FLOATS)} are supported"


def _unsupported(node, opset: int) -> str:
    """Return why a node is not supported; nothing where it is."""
    if node.domain not in HOME:
        return f"{node.op_type} of the domain {node.domain}"
    if node.op_type == "Constant":
        value = [a for a in node.attribute if a.name in ("value", "value_float", "value_floats")]
        tensors = [a.t for a in value if a.name == "value"]
        return "".join(_no_value(t, "constant") for t in tensors) if value else "a Constant that holds no floats"
    if node.op_type not in KINDS:
        return f"the node {node.op_type}: there are {', '.join(KINDS)}"
    try:
        given = attributes_of(node, opset)
    except ValueError as error:
        return str(error)
    return obstacle(node.op_type, given, opset, _last_named(node.output))


def _opset(model) -> int:
    return next((o.version for o in model.opset_import if o.domain in HOME), 1)


def _constant(node) -> np.ndarray:
    from onnx import helper, numpy_helper

    (value,) = (helper.get_attribute_value(a) for a in node.attribute if a.name.startswith("value"))
    return numpy_helper.to_array(value) if hasattr(value, "data_type") else np.asarray(value, "float32")


# ---- the interface ----


def prepare(model, device: str = "CPU", **options) -> Prepared:
    """Read a model; refuse one that is not valid, and one that is not supported."""
    import onnx

    if not supports_device(device):
        raise _not_supported(f"the device {device}: there is the CPU")
    for why in filter(None, _obstacles(model)):
        raise _not_supported(why)
    opset = _opset(model)
    # ONNX's checker takes no deprecated node, which GroupNormalization of opset 18 is
    kinds = {node.op_type for node in model.graph.node}
    if not any(schema_of(kind, opset).deprecated for kind in kinds):
        onnx.checker.check_model(model)
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return Prepared(model, opset, held)


def run_model(model, inputs, device: str = "CPU", **options) -> tuple:
    """Return the outputs of a model for its inputs."""
    return prepare(model, device, **options).run(inputs)


def run_node(node, inputs, device: str = "CPU", outputs_info=None, **options) -> tuple:
    """Return the outputs of one node for the inputs that it names, by position and by the names of its outputs."""
    import onnx
    from onnx.backend.base import namedtupledict

    opset = options.get("opset_version", onnx.defs.onnx_opset_version())
    names = [name for name in node.input if name]
    inputs = [inputs[name] for name in names] if isinstance(inputs, dict) else inputs
    inputs = [np.asarray(a) for a in (inputs if isinstance(inputs, list | tuple) else [inputs])]
    if len(inputs) != len(names):
        raise ValueError(f"{node.op_type} names {len(names)} inputs ({', '.join(names)}), got {len(inputs)}")
    info = onnx.helper.make_tensor_value_info
    kind = onnx.helper.np_dtype_to_tensor_dtype
    taken = [info(name, kind(a.dtype), a.shape) for name, a in zip(names, inputs, strict=True)]
    given = [info(name, kind(inputs[0].dtype if inputs else np.dtype("float32")), ()) for name in node.output if name]
    graph = onnx.helper.make_graph([node], node.op_type, taken, given)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(node.domain, opset)])
    outputs = run_model(model, inputs, device)
    return namedtupledict("Outputs", [name for name in node.output if name])(*outputs)


def _not_supported(why: str) -> Exception:
    from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

    return BackendIsNotSupposedToImplementIt(f"refnorm does not run {why}")
