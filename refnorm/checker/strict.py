"""JSON from somebody else: keys once, numbers that are numbers, and no nesting without end."""

from __future__ import annotations

import json

__all__ = ["CONTAINERS", "strict_json"]

CONTAINERS = 1_000_000  # lists and objects in a text


def strict_json(text: bytes | str):
    """Parse JSON; refuse a key that comes twice, NaN, and nesting without end."""
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    if text.count("[") + text.count("{") > CONTAINERS:
        raise ValueError(f"more than {CONTAINERS} lists and objects")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise ValueError("lists or objects nested too deep") from None


def _object(pairs: list) -> dict:
    found = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key[:50]!r} comes twice")
        found[key] = value
    return found


def _constant(text: str):
    raise ValueError(f"{text} is no JSON")
