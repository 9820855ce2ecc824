"""refnorm: the reference library for normalization, pooling and projection operators.

Wings: `norm`, `pool`, `proj`, `prob`; each operator is one plain function, ``refnorm.norm.layer_norm(x)``.
`lane` and `compute` choose how it is computed, `check` judges somebody's implementation, `convention` gives
a framework's keyword values, `OPERATORS` is the book of all of them.
"""

from __future__ import annotations

import importlib

from ._modes import compute, lane

__version__ = "0.1.0"
__all__ = ["OPERATORS", "check", "compute", "convention", "lane", "norm", "pool", "prob", "proj", "stats"]

_LATER = {"OPERATORS": "._registry", "check": ".checker"}


def convention(framework: str, operator: str) -> dict:
    """Return the keyword values under which `operator` equals a framework's.

    >>> import refnorm
    >>> refnorm.convention("keras", "layer_norm")
    {'eps': 0.001}
    """
    from ._registry import OPERATORS

    if operator not in OPERATORS:
        raise ValueError(f"no operator is called {operator!r}; `refnorm list` shows them all")
    known = OPERATORS[operator].load_card().conventions
    if framework not in known:
        raise ValueError(f"{operator} has no convention {framework!r}; it has {', '.join(known)}")
    return dict(known[framework])


def __getattr__(name: str):
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name], __name__), name)
    if name in __all__:  # a wing, or statistics
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*__all__, "__version__"])
