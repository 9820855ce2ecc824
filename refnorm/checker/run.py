"""One check from end to end: draw the calls, put them to a candidate, judge the answers layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .._registry import Operator
from . import calls
from .adapters import Adapted
from .contract import contract_layer
from .diagnose import diagnosis_layer
from .gradients import gradients_layer
from .histogram import histogram, results
from .laws import laws_layer
from .local import Local
from .measure import is_float
from .pace import Pace
from .remote import Remote
from .report import Layer, Report, Worst
from .shrink import shrink
from .trial import Trial
from .values import failing, special_layer, values_layer
from .wire import dtype_of

__all__ = ["Plan", "local", "name_of", "plan", "run", "smallest_failing", "worst_of"]

SHRINKING = 2.0  # seconds
# Of the time that the plain calls leave; what is over is for the contract, the laws and the judging.
SHARES = {"hard": 0.15, "special": 0.3, "gradients": 0.2}


@dataclass
class Plan:
    """Every call of one check. What the reference says of them is kept, so that selftest can ask them again."""

    operator: Operator
    seed: int
    dtypes: Sequence[str]
    plain: list[calls.Call]
    hard: list[calls.Call]
    special: list[calls.Call]
    gradients: list[calls.Call]


def plan(op: Operator, seed: int, dtypes: Sequence[str]) -> Plan:
    """Draw the calls of a check from a seed."""
    kinds = (calls.plain, calls.hard, calls.special, calls.gradients)
    return Plan(op, seed, dtypes, *([c for dtype in dtypes for c in kind(op, seed, dtype)] for kind in kinds))


def local(function: Callable, vjp: Callable | None = None) -> Local:
    """Return a callable as the checker asks it."""
    return Local(Adapted(function, getattr(function, "vjp", None) if vjp is None else vjp))


def run(
    candidate, drawn: Plan, grade: str, strict: bool, pace: Pace, partial=False, name="", shrinking=False
) -> Report:
    """Ask every call of a plan, or as many as there is time for, and judge the answers."""
    name = name or name_of(candidate)
    candidate = candidate if isinstance(candidate, Local | Remote) else local(candidate)
    pace.candidate, pace.seed = candidate, drawn.seed
    partial = partial or "other calls" in candidate.cannot  # a model has its options and sizes frozen in
    op = drawn.operator
    report = Report(op.name, op.wing, name, drawn.seed, drawn.dtypes, grade, strict)
    plain = Asked(candidate, drawn.plain, "plain", pace)
    report.ran, report.declined = len(plain.trials), plain.declined
    report.floor = max(1, len(op.cases) * len(drawn.dtypes) - (plain.declined if partial else 0))
    rest = {}
    for kind, share in SHARES.items():
        wanted = getattr(drawn, kind) if kind != "gradients" or candidate.has_vjp else []
        rest[kind] = Asked(candidate, wanted, kind, pace, pace.affords(share, len(drawn.plain)))
    hard, special, gradients = rest.values()
    pace.tell("contract")
    report.layers.append(contract_layer(candidate, plain.trials, pace, strict))
    pace.tell("laws")
    laws = laws_layer(candidate, op, drawn.seed, drawn.dtypes, pace)
    pace.tell("judging")
    values = plain.trials + hard.trials
    report.layers.append(hard.told(plain.told(values_layer(values, grade, strict))))
    report.layers.append(special.told(special_layer(special.trials, grade, strict)))
    report.layers.append(laws)
    report.layers.append(gradients.told(gradients_layer(candidate, op, gradients.trials, grade)))
    pace.tell("diagnosis")
    counted = values + [t for t in special.trials if not t.call.strict_only]
    layer, report.named = diagnosis_layer(candidate, op, counted, grade)
    report.layers.append(layer)
    found = (smallest_failing(trials, grade) for trials in (values, counted, gradients.trials))
    smallest = next((t for t in found if t is not None), None)
    if smallest is not None and shrinking and not pace.gone:
        pace.tell("shrinking the smallest failing call")
        smallest = shrink(candidate, smallest, grade, drawn.seed, SHRINKING)
    report.smallest, report.worst = smallest, smallest and worst_of(smallest)
    kinds = {"plain": plain} | rest
    report.errors = histogram(values + special.trials)
    report.cases = results({kind: asked.trials for kind, asked in kinds.items()}, grade, strict)
    report.versions = candidate.versions
    report.seconds = pace.seconds
    return report


class Asked:
    """The answers to calls of one kind: those that were not declined, and what was not asked."""

    def __init__(self, candidate, drawn: list, kind: str, pace: Pace, most: int | None = None):
        pace.tell(f"{kind} calls")
        chosen = drawn if most is None else calls.thinned(drawn, most, pace.seed)
        given = list(pace.ask_all(candidate, chosen))
        self.kind, self.drawn, self.asked = kind, len(drawn), len(given)
        self.trials = [t for t in given if not t.declined]
        self.declined = len(given) - len(self.trials)
        self.cut = pace.spent if self.asked < len(chosen) else ""

    def told(self, layer: Layer) -> Layer:
        """Say in a layer what was not asked, and why."""
        if self.cut:
            layer.cut(f"{self.drawn - self.asked} of {self.drawn} {self.kind} calls: {self.cut}")
        elif self.asked < self.drawn:
            layer.skip(f"{self.drawn - self.asked} of {self.drawn} {self.kind} calls: a larger --budget asks all")
        return layer


def name_of(candidate) -> str:
    """Return where a callable comes from."""
    name = getattr(candidate, "__qualname__", type(candidate).__qualname__)
    return f"{getattr(candidate, '__module__', '?')}:{name}"


def smallest_failing(trials: list[Trial], grade: str) -> Trial | None:
    """Return the call to look at first: an empty one that fails is small, but shows nothing where another fails too."""
    bad = [t for t in trials if failing(t, grade)]
    first = bad[0].call.dtype if bad else ""
    return min(bad, key=lambda t: (t.call.size == 0, t.call.size, t.call.dtype != first), default=None)


def worst_of(t: Trial) -> Worst:
    """Return what is shown of a trial."""
    call, judged = t.call, t.judged
    worst = Worst(call.label, call.dtype, call.data.shape, call.options, judged.why, place=judged.place)
    if t.got is not None and len(judged.index) == t.got.ndim and is_float(t.got):
        worst.index, worst.ulp, worst.yardsticks = judged.index, judged.ulp, judged.yardsticks
        worst.got = float(t.got[judged.index])
        worst.wanted = float(call.wanted[judged.index].astype(dtype_of(call.dtype)))
    return worst
