"""Names of a package that are imported when they are first asked for: a wing of forty modules opens at once."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable

__all__ = ["later"]


def later(package: str, modules: dict[str, Iterable[str]]) -> tuple[Callable, Callable, list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package that gives out the names in its modules.

    >>> from refnorm._later import later
    >>> get, names, public = later("refnorm.norm", {"layer": ["layer_norm"]})
    >>> public, get("layer_norm").__name__
    (['layer_norm'], 'layer_norm')
    """
    home = {name: module for module, names in modules.items() for name in names}
    inside = [module for module in modules if "." not in module]

    def get(name: str):
        if name in home:
            value = getattr(importlib.import_module(f".{home[name]}", package), name)
            setattr(sys.modules[package], name, value)  # the next time it is there
            return value
        if name in inside:
            return importlib.import_module(f".{name}", package)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted([*home, *inside]), sorted(home)
