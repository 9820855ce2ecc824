"""The other process: load one candidate, answer requests until the pipe closes.

What the candidate prints goes to stderr: stdout is the pipe.
"""

from __future__ import annotations

import os
from dataclasses import fields

from . import wire
from .adapters import adapt
from .answer import Reply, Request
from .local import Local, require_signature

__all__ = ["main"]


def main() -> int:
    """Serve the candidate that the first frame names."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    spec = wire.receive(requests)
    try:
        candidate = load(spec)
        defaults = {name: value for name, value in candidate.defaults.items() if _plain(value)}
        told = {"cannot": candidate.cannot, "defaults": defaults, "has_vjp": candidate.has_vjp}
        wire.send(replies, told | {"takes_out": candidate.takes_out, "versions": candidate.versions})
    except (Exception, SystemExit) as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        wire.send(replies, {"error": f"{type(error).__name__}: {text}"})
        return 2
    limit(spec["memory"])
    while True:
        try:
            request = Request(**wire.receive(requests))
        except EOFError:
            return 0
        reply = candidate.send(request)
        told = {field.name: getattr(reply, field.name) for field in fields(Reply)}
        try:
            wire.send(replies, told)
        except TypeError as error:  # an answer of objects, say
            wire.send(replies, {"error": f"returns what is no array: {error}"})


def load(spec: dict) -> Local:
    """Load the candidate and see that it can be called as the operator is."""
    from . import find_operator

    operator = find_operator(spec["operator"])
    adapted = adapt(spec["where"], spec["kind"], operator, spec["vjp"])
    require_signature(adapted.call, operator)
    return Local(adapted)


def limit(memory: int) -> None:
    """Let the process ask for no more than so many bytes beyond those it has (where there are such limits)."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    resource.setrlimit(resource.RLIMIT_AS, (now + memory, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _plain(value) -> bool:
    try:
        wire.encode(value, [])
    except TypeError:
        return False
    return True
