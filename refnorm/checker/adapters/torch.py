"""A torch function or Module: NumPy arrays go in as tensors, autograd gives the gradients.

A Module is handed the operator's arrays in place of its parameters and buffers of the same names, and the options as
its attributes; a Module class is made anew for every call, from what its constructor asks for.
"""

from __future__ import annotations

import functools
import inspect

import numpy as np

from ..load import load
from . import Adapted

__all__ = ["adapt", "of"]

# what Modules call the operators' options and arrays, and the length of the axis they work on
OPTIONS = {
    "eps": ("eps", "epsilon", "variance_epsilon"), "groups": ("num_groups", "groups"), "p": ("p", "norm_type"),
    "window": ("kernel_size",), "output_size": ("output_size",), "stride": ("stride",), "padding": ("padding",),
    "dilation": ("dilation",), "ceil_mode": ("ceil_mode",), "count_include_pad": ("count_include_pad",),
    "momentum": ("momentum",),
}  # fmt: skip
BUFFERS = {"mean": "running_mean", "var": "running_var"}
LENGTHS = ("normalized_shape", "num_features", "num_channels", "hidden_size", "dim", "size", "features")


def adapt(where: str, operator) -> Adapted:
    """Load a function of tensors, a Module, or a Module class."""
    return of(load(where), operator)


def of(found, operator) -> Adapted:
    """Return a function, a Module or a class of Modules as the checker asks it."""
    import torch

    function = found
    if isinstance(found, torch.nn.Module) or (isinstance(found, type) and issubclass(found, torch.nn.Module)):
        function = functools.partial(_module, found, operator)

    def call(*arrays, **options):
        with torch.no_grad():
            return _numpy(function(*_tensors(arrays), **options))

    def vjp(cotangents, *arrays, **options):
        return _gradient(function, cotangents, _tensors(arrays), options)

    if function is found:
        call = functools.wraps(found)(call)  # its defaults are asked for
    return Adapted(call, vjp, {"negative strides": "torch has none"})


# ---- tensors ----


def _tensors(arrays) -> list:
    return [a if a is None else _tensor(a) for a in arrays]


def _tensor(a: np.ndarray):
    import torch

    if any(s < 0 or s % a.itemsize for s in a.strides):
        a = a.copy()
    if a.dtype.name == "bfloat16":
        return torch.from_numpy(a.view("int16")).view(torch.bfloat16)
    return torch.from_numpy(a)


def _numpy(answer):
    import torch

    if isinstance(answer, tuple | list):
        return tuple(_numpy(part) for part in answer)
    if not isinstance(answer, torch.Tensor):
        return answer
    answer = answer.detach().cpu()
    if answer.dtype == torch.bfloat16:
        from ..wire import dtype_of

        return answer.contiguous().view(torch.int16).numpy().view(dtype_of("bfloat16"))
    return answer.resolve_conj().resolve_neg().numpy()


def _several(answer):
    return answer if isinstance(answer, tuple | list) else (answer,)


def _gradient(function, cotangents, tensors, options) -> tuple:
    """Return one gradient for each floating tensor, nought where the answer does not depend on it."""
    import torch

    tensors = [t.detach().clone() if t is not None else t for t in tensors]
    wanted = [t.requires_grad_() for t in tensors if t is not None and t.is_floating_point()]
    answers = [y for y in _several(function(*tensors, **options)) if isinstance(y, torch.Tensor)]
    given = [(y, g) for y, g in zip(answers, _tensors(_several(cotangents)), strict=True) if g is not None]
    outputs, grads = zip(*given, strict=True)
    made = iter(torch.autograd.grad(outputs, wanted, grads, allow_unused=True, materialize_grads=True))
    return tuple(_numpy(next(made)) if t is not None and t.is_floating_point() else None for t in tensors)


# ---- Modules ----


def _module(found, operator, x, *arrays, **options):
    """Run a Module, or one made of a class, as the operator is called."""
    import torch

    parameters = inspect.signature(operator.function).parameters.values()
    usual = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("out", "axis")}
    home = next((p.default for p in parameters if p.name == "axis"), None)
    axis = options.pop("axis", home)
    axes = axis if isinstance(axis, tuple) else (axis,)
    there = tuple(range(-len(axes), 0)) if home == -1 else (home,)  # Modules normalize the last axes, or over axis 1
    moved = x if home is None else torch.movedim(x, axes, there)
    shape = moved.shape
    if len(axes) > 1:  # count as one
        moved = moved.flatten(-len(axes))
        arrays = [a if a is None else a.flatten() for a in arrays]
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY][1:]
    options = {name: options.get(name, default) for name, default in usual.items()}
    if names:
        told = dict.fromkeys(LENGTHS, moved.shape[home]) if home is not None else {}
    else:
        told = {"dim": home}
    module = (_made if isinstance(found, type) else _set)(found, options, usual, told).to(x.dtype)
    given = {BUFFERS.get(n, n): a for n, a in zip(names, arrays, strict=False) if a is not None}
    held = dict(module.named_parameters()) | dict(module.named_buffers())
    for name, neutral in (("weight", torch.ones), ("bias", torch.zeros)):
        if name in names and name in held and name not in given:  # left out is not: whatever the Module has learned
            given[name] = neutral(moved.shape[home], dtype=x.dtype)
    if absent := sorted(set(given) - set(held)):
        raise NotImplementedError(f"the Module has no {', '.join(absent)}")
    y = torch.func.functional_call(module.train("running_mean" not in given), given, (moved,))
    return y if home is None else torch.movedim(y.reshape(shape), there, axes)


def _made(found, options: dict, usual: dict, told: dict):
    """Make a Module of a class from the options and lengths that its constructor names."""
    asked = inspect.signature(found).parameters
    told = {name: value for name, value in told.items() if name in asked}
    for option, value in options.items():
        name = next((n for n in OPTIONS.get(option, (option,)) if n in asked), None)
        if name is not None:
            told[name] = value
        elif value != usual[option]:
            raise NotImplementedError(f"{found.__name__} takes no {option}")
    missing = [n for n, p in asked.items() if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]
    if unknown := [n for n in missing if n not in told]:
        raise TypeError(f"{found.__name__} asks for {', '.join(unknown)}, which no option is: hand in a function")
    return found(**told)


def _set(found, options: dict, usual: dict, told: dict):
    """Set a Module's attributes to the options of the call."""
    for option, value in options.items():
        name = next((n for n in OPTIONS.get(option, (option,)) if hasattr(found, n)), None)
        if name is not None:
            setattr(found, name, value)
        elif value != usual[option]:
            raise NotImplementedError(f"the Module has no {option}")
    for name, value in told.items():
        if hasattr(found, name):
            setattr(found, name, (value,) if name == "normalized_shape" else value)
    return found
