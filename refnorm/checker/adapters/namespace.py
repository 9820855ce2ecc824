"""A function of the arrays of some array-API namespace; CuPy is one whose arrays live on a GPU."""

from __future__ import annotations

import functools
import importlib

import numpy as np

from ..load import load
from . import Adapted

__all__ = ["adapt"]


def adapt(where: str, operator, *, name: str = "") -> Adapted:
    """Load a function of the arrays of the namespace `name` (``--as xp:array_api_strict``, ``--as cupy``)."""
    if not name:
        raise ValueError("expected the name of a namespace, as in xp:array_api_strict")
    xp = importlib.import_module(name)
    function = load(where)

    @functools.wraps(function)
    def call(*arrays, **options):
        return _numpy(function(*(a if a is None else xp.asarray(a) for a in arrays), **options))

    return Adapted(call)


def _numpy(answer):
    if isinstance(answer, tuple | list):
        return tuple(part if isinstance(part, int) else _numpy(part) for part in answer)
    if hasattr(answer, "get") and not isinstance(answer, np.ndarray):  # CuPy's way back from the GPU
        return answer.get()
    return np.from_dlpack(answer) if hasattr(answer, "__dlpack__") else np.asarray(answer)
