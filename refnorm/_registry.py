"""The book of operators: written by decorators that give each function back untouched."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec

from ._cases import Case

__all__ = [
    "OPERATORS", "WINGS", "Honest", "Law", "Mistake", "Operator", "conventions", "decomposition", "gradient", "honest",
    "law", "mistake", "operator", "survivor",
]  # fmt: skip

WINGS = ("norm", "pool", "proj", "prob")


@dataclass(frozen=True)
class Law:
    """An identity: called with a candidate and arrays it returns two things that must agree."""

    name: str
    draws: tuple
    function: Callable


@dataclass(frozen=True)
class Mistake:
    """A wrong twin: the operator as it is got wrong in one named way."""

    name: str
    kind: str
    function: Callable


@dataclass(frozen=True)
class Honest:
    """Somebody's implementation, right in the type of its input; known to differ at some special values, if any.

    One that is a `baseline` sets what grade C allows the operator beside yardsticks: twice the error of honest code.
    """

    operator: str
    name: str
    function: Callable
    needs: str = "numpy"
    differs: dict[str, str] = field(default_factory=dict)
    baseline: bool = False

    @property
    def installed(self) -> bool:
        return find_spec(self.needs) is not None


@dataclass
class Operator:
    """What is known of one public function."""

    function: Callable
    papers: tuple[str, ...]
    kernel: str | None
    cases: list[Case]
    bench: Case | None
    rows: Callable
    gradient: Callable | None = None
    laws: list[Law] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    honest: list[Honest] = field(default_factory=list)
    conventions: dict[str, dict] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    survivors: dict[str, str] = field(default_factory=dict)
    judged: Callable | None = None

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def wing(self) -> str:
        return self.function.__module__.split(".")[1]

    @property
    def idea(self) -> str:
        return self.function.__module__.split(".")[2]

    def load_card(self) -> Operator:
        """Read this operator's mistakes and conventions; returns the operator."""
        importlib.import_module(f"refnorm.cards.{self.wing}.{self.idea}")
        return self


class _Operators(Mapping):
    """Name -> Operator, in the order of the wings; loads every module of them when it is first read."""

    def __init__(self):
        self.book: dict[str, Operator] = {}
        self.loaded = False

    def _load(self) -> None:
        if not self.loaded:
            for wing in WINGS:
                opened = importlib.import_module(f"refnorm.{wing}")
                for name in opened.__all__:
                    getattr(opened, name)
            self.loaded = True

    def __getitem__(self, name: str) -> Operator:
        self._load()
        return self.book[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self.book, key=lambda name: (self.book[name].function.__module__, name)))

    def __len__(self) -> int:
        self._load()
        return len(self.book)


OPERATORS = _Operators()


def alone(x, rng):
    """Return rows as the whole of a call."""
    return [x], {}


def operator(*, paper, cases: list[Case], kernel: str | None = None, bench: Case | None = None, rows=alone):
    """Write a public function in the book.

    `paper` is a key of papers.json, or several. `rows` says how a table of rows, each of which the operator reduces
    or transforms, becomes a call: ``rows(x, rng)`` returns (arrays, options).
    """

    def write(function):
        papers = (paper,) if isinstance(paper, str) else tuple(paper)
        if function.__name__ in OPERATORS.book:
            raise ValueError(f"operator {function.__name__} is written twice")
        OPERATORS.book[function.__name__] = Operator(function, papers, kernel, cases, bench, rows)
        return function

    return write


def _of(function) -> Operator:
    return OPERATORS.book[function.__name__]


def gradient(function):
    """Write ``<name>_vjp(cotangent, *inputs)`` beside its operator."""

    def write(vjp):
        _of(function).gradient = vjp
        return vjp

    return write


def law(function, *draws):
    """Write an identity of an operator: ``def scale_free(f, x): return f(7 * x, eps=0.0), f(x, eps=0.0)``."""

    def write(identity):
        _of(function).laws.append(Law(identity.__name__, draws, identity))
        return identity

    return write


def mistake(function, name: str, *, kind: str):
    """Write a wrong twin of an operator. It gets float64 NumPy arrays; its answer is rounded to their dtype."""

    def write(twin):
        _of(function).mistakes.append(Mistake(name, kind, twin))
        return twin

    return write


def honest(function, name: str, **more):
    """Write an implementation apart from the formula, which no check may fail: `needs`, `differs`, `baseline`."""

    def write(implementation):
        _of(function).honest.append(Honest(function.__name__, name, implementation, **more))
        return implementation

    return write


def conventions(function, framework: str, note: str = "", **options) -> None:
    """Write the keyword values under which an operator equals a framework's, and where that is discussed."""
    _of(function).conventions[framework] = options
    _of(function).notes[framework] = note


def decomposition(function):
    """Write that an operator decomposes a matrix, so that its answer is judged as a whole and not number by number.

    Where signs or bases are free, the function that this decorates says what of the outputs is not: it takes them and
    returns what is compared with the same of the reference. Without one the answer itself is.
    """
    _of(function).judged = lambda *outputs: outputs

    def write(judged):
        _of(function).judged = judged
        return judged

    return write


def survivor(function, mutant: str, why: str) -> None:
    """Write why a mutant that the checker lets pass does no harm: ``refnorm selftest`` prints the text of each."""
    _of(function).survivors[mutant] = why


@cache
def papers() -> dict[str, dict]:
    """Return every paper: key -> title, authors, year, arxiv, doi, repo, heart, the operators it asks for."""
    from importlib.resources import files  # 7 ms that only a reader of papers pays

    return {p["id"]: p for p in json.loads(files("refnorm").joinpath("papers.json").read_text("utf-8"))}
