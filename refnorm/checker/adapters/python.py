"""A Python function of NumPy arrays; a torch Module found under its name goes to the torch adapter."""

from __future__ import annotations

import sys

from ..load import load
from . import Adapted

__all__ = ["adapt"]


def adapt(where: str, operator) -> Adapted:
    """Load ``pkg.mod:func`` or ``path/to/file.py:func``; its attribute `vjp`, where it has one, is its gradient."""
    found = load(where)
    modules = sys.modules.get("torch.nn.modules.module")
    if modules is not None and (
        isinstance(found, modules.Module) or (isinstance(found, type) and issubclass(found, modules.Module))
    ):
        from . import torch

        return torch.of(found, operator)
    return Adapted(found, getattr(found, "vjp", None))
