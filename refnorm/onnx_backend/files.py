"""A model file read with care, and which of its inputs is which array of an operator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .nodes import KINDS

__all__ = ["Input", "load", "roles_of", "sole_node"]

LARGEST = 2**31  # bytes of a model, and of what it keeps in other files
NAMES = {
    "x": ("x", "input", "data"),
    "weight": ("weight", "scale", "gamma", "w"),
    "bias": ("bias", "b", "beta"),
    "mean": ("mean", "input_mean", "running_mean", "moving_mean"),
    "var": ("var", "input_var", "running_var", "moving_var", "variance", "moving_variance"),
}


@dataclass(frozen=True)
class Input:
    """What a model takes: for which array of the operator, of what type and sizes (None: any)."""

    name: str
    role: str
    dtype: str
    sizes: tuple | None

    def take(self, array: np.ndarray) -> np.ndarray:
        """Return the array; NotImplementedError where the model was not made for such a one."""
        if array.dtype != self.dtype:
            raise NotImplementedError(f"the model takes {self.dtype} for {self.name}, not {array.dtype}")
        sizes = array.shape if self.sizes is None else self.sizes
        if len(sizes) != array.ndim or any(n not in (None, m) for n, m in zip(sizes, array.shape, strict=True)):
            raise NotImplementedError(f"the model takes the shape {self.shape} for {self.name}, not {array.shape}")
        return array

    @property
    def shape(self) -> str:
        """The sizes in words."""
        return "any" if self.sizes is None else f"({', '.join('any' if n is None else str(n) for n in self.sizes)})"


def load(path: Path):
    """Return a model and its bytes; what it keeps in other files must lie in its folder, and is read in.

    OSError or ValueError, in one line, for what is no file, no model, or larger than `LARGEST`.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{path} is larger than {LARGEST:,} bytes")
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ValueError(f"{path} is no ONNX model, or not the whole of one: {error}") from None
    if _bring_in(model, path):
        data = model.SerializeToString()
    return model, data


def _bring_in(model, path: Path) -> bool:
    """Read the data that a model keeps in other files: onnx refuses files outside its folder, and links to such."""
    from onnx.checker import ValidationError
    from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data

    kept = [ExternalDataInfo(tensor) for tensor in model.graph.initializer if uses_external_data(tensor)]
    try:
        sizes = [info.length or (path.parent / info.location).stat().st_size for info in kept]
        if sum(sizes) > LARGEST:
            raise ValueError(f"{path} keeps more than {LARGEST:,} bytes in other files")
        load_external_data_for_model(model, str(path.parent))
    except ValidationError as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from None
    return bool(kept)


# ---- which input is which array ----


def sole_node(graph, operator: str):
    """Return the node of a graph that is nothing but that and constants, and a node of this operator."""
    nodes = [node for node in graph.node if node.op_type != "Constant"]
    known = len(nodes) == 1 and not nodes[0].domain and KINDS.get(nodes[0].op_type, ("",))[0] == operator
    return nodes[0] if known else None


def roles_of(graph, names: list[str], sole) -> tuple[dict[str, Input], dict[str, np.ndarray]]:
    """Return array of the operator -> the input that takes it, and weight and bias -> what the model itself has.

    An array is known by its place in the sole node, else by its name, else by its place among the inputs. ValueError
    where the model needs more than the operator has.
    """
    from onnx.numpy_helper import to_array

    constants = [(node.output[0], a.t) for node in graph.node for a in node.attribute if a.name == "value"]
    held = dict([(tensor.name, tensor) for tensor in graph.initializer] + constants)
    needed = [i.name for i in graph.input if i.name not in held]
    if len(needed) > len(names):
        raise ValueError(f"the model takes {len(needed)} inputs ({', '.join(needed)}), not {', '.join(names)}")
    if sole is not None:
        roles = {name: role for name, role in zip(sole.input, KINDS[sole.op_type][1], strict=False) if name}
    else:
        roles = {name: _role(name, names) for name in (*needed, *held)}
        found = [roles[name] for name in needed]
        if None in found or len(set(found)) < len(found):
            roles |= dict(zip(needed, names, strict=False))
    own = {roles[n]: to_array(t) for n, t in held.items() if roles.get(n) in ("weight", "bias") and t.dims}
    inputs = sorted(graph.input, key=lambda i: i.name in needed)  # the one that has to be fed, where two have one role
    return {roles[i.name]: _input(i, roles[i.name]) for i in inputs if roles.get(i.name)}, own


def _role(name: str, names: list[str]) -> str | None:
    """Return which array of the operator goes by such a name."""
    last = name.replace("/", ".").rpartition(".")[2].lower()
    return next((role for role in names if last in NAMES.get(role, (role,))), None)


def _input(declared, role: str) -> Input:
    from onnx.helper import tensor_dtype_to_np_dtype

    if declared.type.WhichOneof("value") != "tensor_type":
        raise ValueError(f"the model's input {declared.name} is no tensor")
    tensor, sizes = declared.type.tensor_type, None
    if tensor.HasField("shape"):
        sizes = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return Input(declared.name, role, np.dtype(tensor_dtype_to_np_dtype(tensor.elem_type)).name, sizes)
