"""The two switches, `lane` and `compute`: how an answer is computed, never what it is."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

__all__ = ["MODES", "compute", "lane"]

LANES = ("auto", "formula", "kernel")
COMPUTES = ("wide", "native")


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(allowed)}, got {value!r}")
    return value


DEFAULT_LANE = _one_of("REFNORM_LANE", os.environ.get("REFNORM_LANE", "auto"), LANES)
DEFAULT_COMPUTE = _one_of("REFNORM_COMPUTE", os.environ.get("REFNORM_COMPUTE", "wide"), COMPUTES)


class _Modes(threading.local):
    # A thread-local and no context variable: torch.compile(fullgraph=True) traces the one and not the other.
    # Set in __init__ and no class attributes: only on an instance's own attributes does dynamo put a guard.
    def __init__(self):
        self.lane = DEFAULT_LANE
        self.compute = DEFAULT_COMPUTE


MODES = _Modes()


@contextmanager
def lane(name: str):
    """Choose the lane for the calls inside: ``"auto"``, ``"formula"`` or ``"kernel"``.

    ``"kernel"`` raises where no kernel takes the call, so nothing falls back unseen. The choice holds in
    this thread only: other threads see the environment's ``REFNORM_LANE`` (default ``"auto"``).

    >>> import numpy as np, refnorm
    >>> with refnorm.lane("formula"):
    ...     refnorm.prob.softmax(np.zeros(4))
    array([0.25, 0.25, 0.25, 0.25])
    """
    _one_of("lane", name, LANES)
    before, MODES.lane = MODES.lane, name
    try:
        yield
    finally:
        MODES.lane = before


@contextmanager
def compute(name: str):
    """Choose what formulas compute in, for the calls inside and in this thread: ``"wide"`` or ``"native"``.

    ``"wide"`` (the default, also ``REFNORM_COMPUTE``): half types and float32 in float64, rounded once at the
    end. ``"native"``: float32 in float32 and half types in float32, for training and for devices slow at
    float64; within grade B of the checker. Kernels compute wide always.

    >>> import numpy as np, refnorm
    >>> with refnorm.compute("native"), refnorm.lane("formula"):
    ...     refnorm.prob.softmax(np.zeros(2, dtype="float32"))
    array([0.5, 0.5], dtype=float32)
    """
    _one_of("compute", name, COMPUTES)
    before, MODES.compute = MODES.compute, name
    try:
        yield
    finally:
        MODES.compute = before
