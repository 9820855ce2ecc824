"""What was running when a check was made: versions, as a report keeps them."""

from __future__ import annotations

import platform
import sys

import numpy as np

__all__ = ["versions"]

FRAMEWORKS = ("torch", "jax", "onnxruntime", "keras", "cupy")


def versions(candidate) -> dict[str, str]:
    """Return name -> version of Python, NumPy, refnorm, the frameworks that are loaded and the candidate's own module.

    ``mykernels.norms`` gives the version that ``mykernels`` says it has.
    """
    import refnorm  # here: the package itself imports this module

    said = {"refnorm": refnorm.__version__, "numpy": np.__version__, "python": platform.python_version()}
    for name in (*(getattr(candidate, "__module__", None) or "").split("."), *FRAMEWORKS):
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            said.setdefault(name, version)
    return said
