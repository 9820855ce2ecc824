"""What files of calls are made of: arrays by name, and options as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

__all__ = ["back", "lay_out", "options_text", "plain"]


def lay_out(stem: str, arrays: Sequence) -> tuple[dict[str, np.ndarray], list]:
    """Return arrays by name (``x0``, ``x2`` where the second is None) and the names in the arrays' places.

    >>> import numpy as np
    >>> from refnorm.checker.manifest import lay_out
    >>> lay_out("x", [np.ones(1), None, [np.zeros(1)]])[1]
    ['x0', None, ['x2.0']]
    """
    tensors, names = {}, []
    for i, a in enumerate(arrays):
        if a is None:
            names.append(None)
        elif isinstance(a, list | tuple):
            inner, inner_names = lay_out(f"{stem}{i}.", a)
            tensors |= inner
            names.append(inner_names)
        else:
            tensors[f"{stem}{i}"] = np.asarray(a)
            names.append(f"{stem}{i}")
    return tensors, names


def options_text(options: dict) -> str:
    """Return options as JSON: tuples as lists, what is not finite as ``{"float": "inf"}``."""
    return json.dumps(plain(options), allow_nan=False)


def plain(value):
    """Return an option as JSON can hold it."""
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(float(value))}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"an option is a {type(value).__name__}, expected numbers, text, None and tuples of them")


def back(value):
    """Return the option that came as JSON; ValueError where it is none."""
    if isinstance(value, list):
        return tuple(back(v) for v in value)
    if isinstance(value, dict):
        text = value.get("float")
        if text not in ("inf", "-inf", "nan") or len(value) > 1:
            raise ValueError(f"an option is {str(value)[:50]}, expected a float as {{'float': 'inf'}}")
        return float(text)
    return value
