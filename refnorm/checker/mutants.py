"""Mutants put to the checker: killed, equivalent, or survivors that show what the checker does not see.

A mutant is killed by the first call that the checker would fail in a `--strict` run: without it, overflow of squares
is a finding only. Equivalent is what gives the same answers to four units of float64, or differs by rounding alone:
what is left of the difference in long double, where roundings are 2048 times smaller, is at most a sixty-fourth of it.
Yardsticks have no say in that, so that a checker which lets everything pass finds no mutant equivalent for it.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from .._modes import compute, lane
from .._registry import OPERATORS, Operator
from .._xp import dtype_name, prepare
from . import Plan, calls, jacobi, run
from .measure import answer, decomposes, levelled, quiet, seen, widened
from .mutate import Mutant, Watch, mutants, rebuilt
from .pace import Pace
from .run import local
from .trial import Trial, ask
from .values import failing

__all__ = ["ROUNDING", "Fate", "fates", "judge_forward", "judge_vjp", "pulled_back"]

ULPS = 4  # of float64, in the wide type
SHRINKS = 64  # what is rounding alone gets 2048 times smaller in long double
SAME, ROUNDING = "the same answers", "the same but for rounding"
HALF = {"float64": "float32", "float32": "float16", "float16": "float16"}


@dataclass
class Fate:
    """What became of a mutant: ``"killed"``, ``"equivalent"`` or ``"survives"``, and why."""

    mutant: Mutant
    end: str
    why: str
    explained: str = ""


def fates(drawn: Plan, sample: int | None = None) -> Iterator[Fate]:
    """Judge the mutants of an operator and of its gradient, or a sample of them chosen by the plan's seed."""
    operator = drawn.operator.load_card()
    chosen = mutants(operator)
    if sample is not None and sample < len(chosen):
        chosen = random.Random(drawn.seed).sample(chosen, sample)
    forward, backward = judge_forward(drawn), judge_vjp(drawn)
    for mutant in chosen:
        end, why = (backward if mutant.gradient else forward)(mutant)
        known = operator.survivors.get(mutant.text, "")
        yield Fate(mutant, end, why, known if end == "survives" else "")


def judge_forward(drawn: Plan) -> Callable[[Mutant], tuple[str, str]]:
    """Return the judge of an operator's mutants: (end, why), by the calls of a plan and then the whole of a check."""
    by_calls = Calls([*drawn.plain, *drawn.hard, *drawn.special], drawn.operator.function)

    def judge(mutant: Mutant) -> tuple[str, str]:
        end, why = by_calls(mutant)
        if end == "survives":
            report = run(candidate(mutant, Watch()), drawn, "C", True, Pace(float("inf")))
            if report.exit_code == 1:
                return "killed", ", ".join(layer.name for layer in report.layers if layer.verdict == "fails")
        return end, why

    return judge


def judge_vjp(drawn: Plan) -> Callable[[Mutant], tuple[str, str]]:
    """Return the judge of a gradient's mutants, by its answers for random cotangents at the inputs of a plan."""
    gradient = pulled_back(drawn.operator)
    asked = [c for call in (*drawn.plain, *drawn.hard, *drawn.special) if call.size for c in backward(call, gradient)]
    return Calls(asked, drawn.operator.gradient)


class Calls:
    """Calls that mutants of one function are asked, those that killed others first."""

    def __init__(self, asked: list, root: Callable | None):
        self.asked, self.root, self.own = list(asked), root, {}
        self.wide = Wide(asked, root)

    def __call__(self, mutant: Mutant) -> tuple[str, str]:
        watch, apart = Watch(), {}
        killer = self._killer(mutant, watch, "wide", self.asked, apart)
        if killer is None:
            killer = self._killer(mutant, watch, "native", [c for c in self.asked if c.dtype == "float32"], {})
        if killer is not None:
            self.asked.remove(killer)
            self.asked.insert(0, killer)
            return "killed", f"'{killer.label}' in {killer.dtype}"
        if not watch.ran:
            return "survives", "no call runs it"
        found = self.wide.difference(mutant, apart)
        return ("equivalent", found) if found else ("survives", "within its yardsticks")

    def _killer(self, mutant: Mutant, watch: Watch, mode: str, asked: list, apart: dict):
        """Return the first call whose answer the checker refuses; `apart` gets what else differs, and by how much."""
        function = candidate(mutant, watch, mode)
        for call in asked:
            own = self._own(mutant, mode, call)
            if failing(own, "C"):  # in float32 alone an honest formula may overflow in between: no call for mutants
                continue
            trial = ask(local(function), call)
            if trial.error or trial.overwritten or trial.got.dtype != call.dtype:
                return call
            if trial.got.tobytes() != own.got.tobytes():
                if failing(trial, "C"):
                    return call
                apart[id(call)] = _apart(call, own.got, trial.got)
        return None

    def _own(self, mutant: Mutant, mode: str, call) -> Trial:
        """Return the answer that is not mutated: the same bytes need no judge."""
        if (mode, id(call)) not in self.own:
            self.own[mode, id(call)] = ask(local(as_asked(self.root, mutant, Watch(), mode)), call)
        return self.own[mode, id(call)]


# ---- how a mutant is asked ----


def candidate(mutant: Mutant, watch: Watch, mode: str = "wide", names: dict | None = None) -> Callable:
    """Return a mutant as the checker asks it."""
    return as_asked(mutant.function(watch, names), mutant, watch, mode)


def as_asked(function: Callable, mutant: Mutant, watch: Watch, mode: str) -> Callable:
    """Return a function on the formula lane; a gradient with its cotangents behind the inputs."""
    function = flat(function, mutant.operator) if mutant.gradient else function

    def asked(*arrays, **options):
        watch.steps, watch.narrow = 0, HALF[arrays[0].dtype.name]
        with lane("formula"), compute(mode):
            return function(*arrays, **options)

    return asked


class Wide:
    """Answers in float64 and in long double: of the function itself, kept, and of mutants of it."""

    def __init__(self, asked: list, root: Callable | None):
        self.asked, self.root, self.own = [c for c in asked if c.dtype == "float64"], root, {}
        self.worlds = {(roomy, long): in_float64(roomy, long) for roomy in (True, False) for long in (True, False)}

    def difference(self, mutant: Mutant, apart: dict) -> str:
        """Return whether a mutant differs not at all or by rounding; nothing where it does by more than that.

        `apart` says by how much it does in float64 without digits to spare. With them, which is for narrow types, the
        plain calls say all: float64 has nothing to lose there in hard data. What rounding takes in one call may be
        little by luck, so it is held against the most of all calls on such data.
        """
        plain = [call for call in self.asked if " + " not in call.label]
        twin = candidate(mutant, Watch(), names=self.worlds[True, False])
        roomy = {id(call): self._apart(mutant, twin, (True, False), call) for call in plain}
        for spare, far in ((True, roomy), (False, apart)):
            twin = candidate(mutant, Watch(), names=self.worlds[spare, True])
            most = {}
            for call in self.asked:
                most[_data(call)] = max(most.get(_data(call), 0.0), far.get(id(call), 0.0))
            for call in self.asked:
                if far.get(id(call), 0) > 0:
                    left = self._apart(mutant, twin, (spare, True), call)
                    if np.isinf(left) or left > (most[_data(call)] + _rounding(call.wanted)) / SHRINKS:
                        return ""
        return ROUNDING if any(roomy.values()) or any(apart.get(id(call)) for call in self.asked) else SAME

    def _apart(self, mutant: Mutant, twin: Callable, world: tuple, call) -> float:
        if (world, id(call)) not in self.own:
            function = as_asked(rebuilt(self.root, {}, self.worlds[world]), mutant, Watch(), "wide")
            self.own[world, id(call)] = _answered(function, call)
        return _apart(call, self.own[world, id(call)], _answered(twin, call))


def _data(call: calls.Call) -> str:
    """Return what was done to the plain data of a case: nothing, or " + mean 1e+04" as in its label."""
    return call.label.partition(" + ")[2]


def _rounding(wanted: np.ndarray) -> float:
    """Return one unit of the largest number of an answer: what rounding takes from small ones may be less by luck."""
    return float(np.spacing(np.abs(wanted).max(where=np.isfinite(wanted), initial=0.0)))


def _answered(function: Callable, call) -> np.ndarray:
    with quiet():
        return seen(call.operator, function(*widened(call.arrays), **call.options))


def _apart(call, wanted: np.ndarray, got: np.ndarray) -> float:
    """Return the largest difference of two answers, 0 where it is within four units of float64.

    Those of a decomposition are units of the largest number.
    """
    if wanted.shape != got.shape:
        return np.inf
    with quiet():
        far, size = np.abs(got - wanted), np.abs(wanted)
        if decomposes(call.operator) and not call.vjp:
            size = levelled(wanted, call.judged_shapes)
        same = (wanted == got) | (np.isnan(wanted) & np.isnan(got)) | (far <= ULPS * np.spacing(size))
        return float(np.nan_to_num(far, nan=np.inf).max(where=~same, initial=0.0))


class LongDouble:
    """NumPy with long double under the name of float64, so that formulas compute in it."""

    float64 = np.longdouble
    linalg = jacobi

    def __getattr__(self, name: str):
        return getattr(np, name)


def in_float64(roomy: bool, long: bool) -> dict:
    """Return the globals with which a formula computes float64, or long double, with or without digits to spare."""
    names = {
        "roomy": lambda x, computed: roomy,
        "require_indices": lambda *asked: None,
        "require_mask": lambda *asked: None,
    }
    if long:
        xp = LongDouble()
        names["prepare"] = lambda *arrays, **need: (xp, *prepare(*arrays, **need)[1:])
        names["dtype_name"] = lambda x: "float64" if x.dtype.kind == "f" else dtype_name(x)
    return names


# ---- gradients as operators ----


def pulled_back(operator: Operator) -> Operator | None:
    """Return a gradient as an operator of its own: its arrays are the inputs and the cotangents, laid out flat."""
    if operator.gradient is None:
        return None
    function = flat(operator.gradient, operator)
    function.__name__, function.__module__ = operator.gradient.__name__, operator.gradient.__module__
    return replace(operator, function=function, gradient=None, cases=[], laws=[], honest=[], mistakes=[], judged=None)


def flat(gradient: Callable, operator: Operator) -> Callable:
    """Return a gradient that takes its cotangents one by one after the inputs, and answers with what is not None."""
    count = outputs(operator.name)

    def asked(*arrays, **options):
        inputs, cotangents = arrays[:-count], arrays[-count:]
        given = gradient(cotangents[0] if count == 1 else cotangents, *inputs, **options)
        return tuple(part for part in given if part is not None) if isinstance(given, tuple) else given

    return asked


@functools.cache
def outputs(name: str) -> int:
    """Return how many floating outputs an operator has."""
    operator = OPERATORS[name]
    case = next(c for c in operator.cases if 0 not in c.draws[0].shape)
    given = answer(operator, case.arrays(0, "float64"), case.options)
    return sum(not isinstance(part, int) for part in given) if isinstance(given, tuple) else 1


def backward(call: calls.Call, gradient: Operator) -> Iterator[calls.Call]:
    """Yield the calls of a gradient at the inputs of a call: with random cotangents, and where there are several
    without each of them; once more with an array where an option is a tuple of numbers."""
    given = call.answer if isinstance(call.answer, tuple) else (call.answer,)
    rng = call.rng
    drawn = [rng.normal(size=part.shape).astype(call.dtype) for part in given if not isinstance(part, int)]
    plain = " + " not in call.label
    for gone in (None, *range(len(drawn) if plain and len(drawn) > 1 else 0)):
        cotangents = [None if i == gone else g for i, g in enumerate(drawn)]
        label = call.label if gone is None else f"{call.label}, cotangent {gone} left out"
        yield calls.Call(gradient, label, call.dtype, [*call.arrays, *cotangents], call.options)
    many = {k: np.array(v, call.dtype) for k, v in call.options.items() if isinstance(v, tuple) and type(v[0]) is float}
    if many and plain:
        yield calls.Call(
            gradient, f"{call.label}, as an array", call.dtype, [*call.arrays, *drawn], call.options | many
        )
