"""Implementations of rms_norm of every sort, as the checker judges them: what the tests of reports write out."""

import functools

import numpy as np

import refnorm

# markup, quotes, a template, controls, a terminal's colours, turned text, a lone surrogate, a noncharacter
HOSTILE = "<script>alert(1)</script>\"'&]]>{{ 7 * 7 }}\x00\x08\x1b[31m\u202e\ud800\ufffe<img src=x onerror=alert(1)>"
LONG = 10_000_000


def shaped(x, weight, axis):
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    return weight.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])


def right(x, weight=None, /, *, axis=-1, eps=1e-6):
    y = x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * shaped(x, weight, axis)


def wrong(x, weight=None, /, *, axis=-1, eps=1e-6):
    y = x / np.sqrt(np.sum(x * x, axis=axis, keepdims=True) + x.dtype.type(eps))
    return y if weight is None else y * shaped(x, weight, axis)


def vanishing(x, weight=None, /, *, axis=-1, eps=1e-6):
    y = right(x, weight, axis=axis, eps=eps)
    return np.where(np.abs(y) < 1, np.nan, y).astype(x.dtype)


def crashing(x, weight=None, /, *, axis=-1, eps=1e-6):
    raise RuntimeError("no such device")


def declining(x, weight=None, /, *, axis=-1, eps=1e-6):
    if axis != -1:
        raise NotImplementedError("the last axis only")
    return right(x, weight, axis=axis, eps=eps)


def hostile(x, weight=None, /, *, axis=-1, eps=1e-6):
    raise RuntimeError(HOSTILE + "x" * LONG)


hostile.__qualname__ = HOSTILE + "x" * LONG
hostile.__module__ = HOSTILE

# which -> candidate, options of the check
CANDIDATES = {
    "right": (right, {}),
    "strictly right": (right, {"strict": True}),
    "following": (right, {"convention": "torch"}),
    "wrong": (wrong, {}),
    "vanishing": (vanishing, {}),
    "crashing": (crashing, {}),
    "declining": (declining, {"partial": True}),
    "declining too much": (declining, {}),
    "out of time": (right, {"budget": 0.0}),
    "hostile": (hostile, {}),
}


@functools.cache
def report(which: str):
    """Return the report on a candidate, judged once."""
    candidate, options = CANDIDATES[which]
    found = refnorm.check(candidate, "rms_norm", seed=1, dtypes=("float32",), **options)
    if which == "hostile":  # what an adapter or a law might hand on
        found.named.append(HOSTILE)
        found.layers[-1].find(HOSTILE + "y" * LONG, "fails")
        found.layers[-1].skipped = HOSTILE
        found.versions[HOSTILE] = HOSTILE
    return found
