"""Somebody's ONNX model, or one node of a kind, run by onnxruntime on the CPU.

``model.onnx`` is a model file: what it was made for cannot be changed, so other calls are declined. Its options are
those of its node, where it is one node that `refnorm.onnx_backend.nodes` knows, those said behind the name
(``model.onnx?eps=1e-3&axis=1``), else the operator's defaults. ``node:LayerNormalization?opset=17`` is a node, written
anew for every call with the options of the call.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from ..._registry import Operator
from ...onnx_backend import files
from ...onnx_backend.nodes import (
    KINDS,
    attributes_of,
    neutral,
    one_weight_a_group,
    options_of,
    parameter_shape,
    schema_of,
)
from . import Adapted

__all__ = ["adapt"]

# What a call leaves out of these is the model's own affair, as it is a function's; anything else shapes the call.
CONVENTIONS = ("eps", "count_include_pad")
MISSING = inspect.Parameter.empty


def adapt(where: str, operator: Operator) -> Adapted:
    """Load ``model.onnx``, ``model.onnx?eps=1e-3&axis=1`` or ``node:LayerNormalization?opset=17``."""
    name, _, query = where.partition("?")
    if name.startswith("node:"):
        return _node(name.removeprefix("node:"), _said(query), operator)
    return _model(Path(name), _said(query), operator)


def _said(query: str) -> dict:
    """Return the options behind a name: literals of Python, nothing else."""
    said = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        try:
            said[name] = ast.literal_eval(unquote(value))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise ValueError(f"expected name=value, as in ?eps=1e-3&axis=1, got {part[:60]!r}") from None
    return said


def _parameters(operator: Operator) -> tuple[list[str], dict, inspect.Signature]:
    """Return the operator's arrays, its options with their defaults, and its signature, all without `out`."""
    signature = inspect.signature(operator.function)
    kept = [p for p in signature.parameters.values() if p.name != "out"]
    arrays = [p.name for p in kept if p.kind is p.POSITIONAL_ONLY]
    options = {p.name: p.default for p in kept if p.kind is p.KEYWORD_ONLY}
    return arrays, options, signature.replace(parameters=kept)


# ---- one node ----


def _node(kind: str, said: dict, operator: Operator) -> Adapted:
    import onnx

    from ...peers.onnxruntime import OPSET, ask

    opset, newest = said.pop("opset", OPSET), onnx.defs.onnx_opset_version()
    if kind not in KINDS:
        raise ValueError(f"no node {kind!r} is known; there are {', '.join(KINDS)}")
    if KINDS[kind][0] != operator.name:
        raise ValueError(f"{kind} is the node of {KINDS[kind][0]}, not of {operator.name}")
    if said:
        raise ValueError(f"a node is told its opset alone, its options come with every call; got {', '.join(said)}")
    if not isinstance(opset, int) or not 1 <= opset <= newest:
        raise ValueError(f"opset must be in 1..{newest}, got {opset!r}")
    schema_of(kind, opset)
    _, usual, signature = _parameters(operator)
    defaults = {name: value for name, value in usual.items() if value is not MISSING}

    def call(*arrays, **options):
        return ask(kind, *arrays, opset=opset, **(defaults | options))

    call.__signature__ = signature
    return Adapted(call)


# ---- a model ----


@dataclass(frozen=True)
class Made:
    """What a model was made with: its sole node, where it is one, and the options that were said of it."""

    kind: str | None
    opset: int
    attributes: dict
    said: dict
    usual: dict

    def options(self, shape: tuple) -> dict:
        """Return all options of the operator, as the model has them for an x of some shape."""
        read = {} if self.kind is None else options_of(self.kind, self.attributes, self.opset, shape)
        return self.usual | {name: v for name, v in read.items() if name in self.usual} | self.said

    def default(self, name: str):
        """Return what the model does where a call leaves an option out."""
        read = {"eps": "epsilon", "count_include_pad": "count_include_pad"}.get(name)
        if name not in CONVENTIONS or (name not in self.said and read not in self.attributes):
            return self.usual[name]
        return self.said[name] if name in self.said else type(self.usual[name])(self.attributes[read])

    def require(self, call: dict, shape: tuple) -> dict:
        """Return the options of the model; NotImplementedError where a call wants others."""
        try:
            has, ndim = self.options(shape), len(shape)
        except ValueError as error:  # no axis or no window of the model's is there
            raise NotImplementedError(f"the model was not made for such an x: {error}") from None
        for name, mine in has.items():
            if name in call or name not in CONVENTIONS:
                asked = call.get(name, self.usual[name])
                if _plainly(name, asked, ndim, call) != _plainly(name, mine, ndim, has):
                    raise NotImplementedError(f"the model has {name}={mine!r}, not {asked!r}")
        return has


def _plainly(name: str, value, ndim: int, options: dict):
    """Return an option in one way of writing it, so that two can be compared."""
    if name == "axis":
        return tuple(a % ndim for a in (value if isinstance(value, tuple | list) else (value,)))
    if name == "stride" and value is None:
        value = options.get("window")
    if name == "padding":
        each = value if isinstance(value, tuple | list) else (value,) * (ndim - 2)
        return tuple(tuple(p) if isinstance(p, tuple | list) else (p, p) for p in each)
    if name in ("window", "stride", "dilation", "output_size"):
        return tuple(value) if isinstance(value, tuple | list) else (value,) * (ndim - 2)
    return np.float32(value) if name == "eps" else value  # ONNX keeps it so


def _model(path: Path, said: dict, operator: Operator) -> Adapted:
    names, usual, signature = _parameters(operator)
    if unknown := [name for name in said if name not in usual]:
        raise ValueError(f"{operator.name} has the options {', '.join(usual)}, got {', '.join(unknown)}")
    model, data = files.load(path)
    running = _session(path, data)
    made = _made(model, operator, said, usual)
    inputs, own = files.roles_of(model.graph, names, files.sole_node(model.graph, operator.name))
    outputs = _outputs(operator, len(model.graph.output))

    def call(*arrays, **options):
        has = made.require(options, arrays[0].shape)
        given = dict(zip(names, arrays, strict=False))
        feeds = dict(filter(None, (_fed(made, inputs, own, role, given, has) for role in names)))
        answers = running.run(None, feeds)
        return answers[0] if outputs == 1 else tuple(answers[:outputs])

    options = [p.replace(default=made.default(p.name)) if p.name in usual else p for p in signature.parameters.values()]
    call.__signature__ = signature.replace(parameters=options)
    return Adapted(call, cannot={"other calls": _in_words(made, inputs)})


def _session(path: Path, data: bytes):
    from ...peers.onnxruntime import session

    try:
        return session(data)
    except Exception as error:  # onnxruntime raises classes of its own
        raise ValueError(f"onnxruntime does not take {path}: {str(error).strip().splitlines()[0]}") from None


def _made(model, operator: Operator, said: dict, usual: dict) -> Made:
    opset = next((o.version for o in model.opset_import if not o.domain), 1)
    sole = files.sole_node(model.graph, operator.name)
    attributes = {} if sole is None else attributes_of(sole, opset)
    if "epsilon" in attributes:  # the decimal that was meant, and not what float32 made of it
        attributes["epsilon"] = float(str(np.float32(attributes["epsilon"])))
    made = Made(sole and sole.op_type, opset, attributes, said, usual)
    rank = len(attributes.get("kernel_shape", (1, 1))) + 2
    if absent := [name for name, value in made.options((64,) * rank).items() if value is MISSING]:
        raise ValueError(f"say what the model was made with: ?{'&'.join(f'{name}=...' for name in absent)}")
    return made


def _outputs(operator: Operator, there: int) -> int:
    """Return how many arrays the operator returns; ValueError where the model has fewer."""
    case = operator.cases[0]
    answer = operator.function(*case.arrays(), **case.options)
    wanted = len(answer) if isinstance(answer, tuple) else 1
    if there < wanted:
        raise ValueError(f"{operator.name} returns {wanted} arrays, the model {there}")
    return wanted


def _fed(made: Made, inputs: dict, own: dict, role: str, given: dict, has: dict):
    """Return the name of the input that takes an array, and the array; None where there is nothing to hand over."""
    into, array = inputs.get(role), given.get(role)
    if array is not None:
        if into is None:
            raise NotImplementedError(f"the model has {'its own' if role in own else 'no'} {role}")
        if role in ("weight", "bias") and one_weight_a_group(made.kind, made.opset):
            raise NotImplementedError(f"the model has one {role} a group")
        return into.name, into.take(array)
    if into is not None:
        if role not in ("weight", "bias"):
            raise NotImplementedError(f"the model needs {role}")
        x = given["x"]
        return into.name, into.take(neutral(role, parameter_shape(made.kind, made.opset, x.shape, has), x.dtype))
    if role in own and np.any(own[role] != (role == "weight")):
        raise NotImplementedError(f"the model has its own {role}")
    return None


def _in_words(made: Made, inputs: dict) -> str:
    """Say what a model was made for."""
    told = made.attributes | made.said
    has = ", ".join(f"{name}={value!r}" for name, value in told.items()) or "the operator's default options"
    takes = ", ".join(f"{i.dtype} {i.name} of shape {i.shape}" for i in inputs.values())
    return f"the model has {has}; it takes {takes}"
