"""What crosses between the checker and somebody's code: a request, and the reply to it."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Answer", "Reply", "Request"]


@dataclass
class Answer:
    """An answer, and what an adapter saw beside it: faults of the contract, named by place."""

    values: object
    faults: list[str] = field(default_factory=list)


@dataclass
class Request:
    """One thing to ask.

    `kind` is ``"call"``, ``"vjp"`` (the arrays begin with the cotangents), ``"again"`` (the arrays come in the memory
    in which `before` came first) or ``"out"`` (the answer goes into the memory of an array of `shape`).
    """

    kind: str
    arrays: list
    options: dict
    layout: str = "as drawn"
    before: list | None = None
    shape: tuple = ()
    dtype: str = ""


@dataclass
class Reply:
    """What came back: an answer (an array, or a tuple of arrays, counts and None), or an error."""

    answer: object = None
    error: str | None = None
    declined: bool = False
    overwritten: bool = False
    faults: list[str] = field(default_factory=list)
