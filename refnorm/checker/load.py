"""Find somebody's function: ``pkg.mod:func`` or ``path/to/file.py:func``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["load"]


def load(where: str) -> Callable:
    """Import the function that `where` names; the current directory is importable.

    >>> from refnorm.checker.load import load
    >>> load("math:hypot")(3, 4)
    5.0
    """
    module, colon, name = where.rpartition(":")
    if not colon or not module or not name:
        raise ValueError(f"expected pkg.mod:func or path/to/file.py:func, got {where!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    found = _from_file(Path(module)) if module.endswith(".py") else importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _from_file(path: Path):
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses and pickle look their module up there
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module
