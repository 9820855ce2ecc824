"""Somebody's implementation, whatever it is, as the checker asks it: one module a kind.

=========  ==================================================================================================
numpy      ``pkg.mod:func`` or ``path/to/file.py:func``, called with NumPy arrays
torch      a torch function, Module or Module class; autograd gives the gradients
jax, jit   a JAX function, as it is or under ``jax.jit``; ``jax.vjp`` gives the gradients
cupy       a function of CuPy arrays
xp:NAME    a function of the arrays of the array-API namespace NAME
onnx       ``model.onnx`` or ``node:LayerNormalization``, through onnxruntime
c          ``libmine.so`` or ``libmine.so:symbol``, by the header of ``refnorm include``
command    a command line, run once a call with two files to read and write; ``command:npz`` says their format
=========  ==================================================================================================
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..._registry import Operator

__all__ = ["KINDS", "Adapted", "adapt", "kind_of"]

# kind -> its module, and what that is told beside
KINDS = {
    "numpy": ("python", {}), "torch": ("torch", {}), "jax": ("jax", {}), "jit": ("jax", {"jit": True}),
    "cupy": ("namespace", {"name": "cupy"}), "xp": ("namespace", {}), "onnx": ("onnx", {}), "c": ("c", {}),
    "command": ("command", {}),
}  # fmt: skip
LIBRARIES = (".so", ".dylib", ".dll")


@dataclass(frozen=True)
class Adapted:
    """Somebody's implementation: NumPy arrays in, NumPy arrays out.

    `call` takes ``(*arrays or None, **options)`` and returns an array, a tuple of arrays or an Answer; `vjp` takes the
    cotangent, or the tuple of them, before the arrays. `cannot` says what it is not asked, and why.
    """

    call: Callable
    vjp: Callable | None = None
    cannot: dict[str, str] = field(default_factory=dict)


def kind_of(where: str, kind: str | None = None) -> str:
    """Return the kind of an implementation: as said, or by what its name ends with."""
    if kind is None:
        path = where.partition("?")[0]
        if path.endswith(".onnx") or where.startswith("node:"):
            return "onnx"
        return "c" if path.rpartition(":")[0].endswith(LIBRARIES) or path.endswith(LIBRARIES) else "numpy"
    if kind.partition(":")[0] not in KINDS:
        raise ValueError(f"expected one of {', '.join(KINDS)} as the kind of an implementation, got {kind!r}")
    return kind


def adapt(where: str, kind: str, operator: Operator, vjp: str | None = None) -> Adapted:
    """Load an implementation; OSError, ImportError, TypeError or ValueError where that cannot be done."""
    sort, _, name = kind.partition(":")
    module, told = KINDS[sort]
    module = importlib.import_module(f".{module}", __name__)
    told = told | ({"name": name} if name else {})
    adapted = module.adapt(where, operator, **told)
    if vjp is None:
        return adapted
    if hasattr(module, "gradient"):  # where cotangents do not simply come before the arrays
        return replace(adapted, vjp=module.gradient(vjp, operator, **told))
    return replace(adapted, vjp=module.adapt(vjp, operator, **told).call)
