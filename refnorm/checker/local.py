"""Put a request to a candidate in this process; whatever it raises is an answer too."""

from __future__ import annotations

import inspect

import numpy as np

from .adapters import Adapted
from .answer import Answer, Reply, Request
from .harmless import harmless
from .layouts import laid, mapped
from .measure import quiet
from .versions import versions

__all__ = ["Local", "defaults", "require_signature", "serve"]


LONG = 300  # characters of what a candidate says


class Local:
    """A candidate in this process: quick to ask, but a hang or a crash of it is one of the checker."""

    def __init__(self, adapted: Adapted):
        self.adapted = adapted
        self.cannot = adapted.cannot
        self.filled: dict = {}  # what it is told where a law leaves it out
        self.gone = ""
        self.defaults = defaults(adapted.call)
        self.has_vjp = adapted.vjp is not None
        self.takes_out = _takes_out(adapted.call)
        self.versions = versions(adapted.call)

    def send(self, request: Request) -> Reply:
        return serve(self.adapted, request)


def serve(adapted: Adapted, request: Request) -> Reply:
    """Answer a request."""
    how = {"call": _call, "vjp": _vjp, "again": _again, "out": _out}[request.kind]
    try:
        with quiet():
            return how(adapted, request)
    except NotImplementedError as error:  # said aloud, and counted apart from crashes
        return Reply(error=f"does not offer this: {harmless(error, LONG)}", declined=True)
    except (Exception, SystemExit) as error:  # a crash is a finding, not the end of the run
        text = harmless(error, LONG).strip().splitlines()
        return Reply(error=f"{type(error).__name__}: {text[0]}" if text else type(error).__name__)


def _call(adapted: Adapted, request: Request) -> Reply:
    """Call it with copies that it may spoil."""
    arrays = laid(request.arrays, request.layout)
    reply = _reply(adapted.call(*arrays, **request.options))
    if request.layout != "2^23 rows":  # which are one row
        reply.overwritten = _bytes(arrays) != _bytes(request.arrays)
    return reply


def _vjp(adapted: Adapted, request: Request) -> Reply:
    cotangents, *arrays = mapped(np.array, request.arrays)
    cotangents = tuple(cotangents) if isinstance(cotangents, list) else cotangents
    return _reply(adapted.vjp(cotangents, *arrays, **request.options))


def _again(adapted: Adapted, request: Request) -> Reply:
    """Call it twice with the same memory, in which there are other numbers the second time."""
    arrays = mapped(np.array, request.before)
    adapted.call(*arrays, **request.options)
    _refill(arrays, request.arrays)
    return _reply(adapted.call(*arrays, **request.options))


def _refill(arrays, contents) -> None:
    for a, content in zip(arrays, contents, strict=True):
        if isinstance(a, list):
            _refill(a, content)
        elif a is not None:
            a[...] = content


def _out(adapted: Adapted, request: Request) -> Reply:
    """Hand it memory to write to, between guards, with nothing in it that a number is like."""
    from .wire import dtype_of
    from .zones import Zone

    zone = Zone(request.shape, dtype_of(request.dtype))
    answer = adapted.call(*mapped(np.array, request.arrays), **request.options, out=zone.array)
    reply = Reply(np.array(zone.array), faults=zone.faults())
    if answer is not zone.array:
        reply.faults.append("does not return the array handed to it as out")
    return reply


def _reply(answer) -> Reply:
    """Return an answer copied at once: its memory may be the input's, or be used again for the next answer."""
    answer, faults = (answer.values, answer.faults) if isinstance(answer, Answer) else (answer, [])
    if isinstance(answer, tuple):
        return Reply(tuple(a if a is None or isinstance(a, int) else _array(a) for a in answer), faults=list(faults))
    return Reply(_array(answer), faults=list(faults))


def _array(answer) -> np.ndarray:
    copy = np.array(answer)
    if copy.dtype.kind not in "fiub" and copy.dtype.name != "bfloat16":
        raise TypeError(f"returns {type(answer).__name__} of {copy.dtype}, which is no array of numbers")
    return copy


def _bytes(arrays) -> list:
    return mapped(lambda a: a.tobytes(), arrays)


# ---- what a callable says of itself ----


def require_signature(candidate, operator) -> None:
    """Refuse what cannot be called as the operator is, before anything is run."""
    if not callable(candidate):
        raise TypeError(f"a candidate must be callable, got {type(candidate).__name__}")
    try:
        signature = inspect.signature(candidate)
    except (TypeError, ValueError):  # compiled functions need not tell
        return
    for case in operator.cases:
        try:
            signature.bind(*case.draws, **case.options)
        except TypeError as error:
            wanted = inspect.signature(operator.function)
            wanted = wanted.replace(parameters=[p for p in wanted.parameters.values() if p.name != "out"])
            name = getattr(candidate, "__name__", type(candidate).__name__)
            raise TypeError(
                f"{name}{signature} cannot be called as {operator.name}{wanted}: case {case.label!r}, {error}"
            ) from None


def defaults(function) -> dict:
    """Return the default values of a function's options, without `out`."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name != "out"}


def _takes_out(function) -> bool:
    try:
        return "out" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
