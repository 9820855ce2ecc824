"""``refnorm demo``: both lanes, the checker on well-known code and on wrong code, error and speed, in under a minute.

It runs on NumPy, SciPy and rich; torch, onnxruntime and scikit-learn are judged where they are installed. Every number
it prints was measured just before.
"""

from __future__ import annotations

import contextlib
import functools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
from rich.console import Console
from rich.table import Table

from ._lanes import cpu_level
from ._modes import lane
from ._registry import OPERATORS
from ._threads import thread_count
from .cards.rows import rowwise
from .checker import check, packed
from .peers import KNOWN, absent, peers

__all__ = ["run"]

ROWS, COLUMNS = 2048, 1024
TURNS = 9
NEXT = (
    "refnorm check rms_norm --impl yours.py:rms_norm   judge your own function",
    "refnorm list                                      what there is to be judged against",
    "refnorm show layer_norm                           its formula, cases, known mistakes, conventions",
    "refnorm conventions avg_pool                      with what options it equals each framework's",
    "refnorm selftest                                  the checker put to its own test",
)


@dataclass
class Story:
    """Where to print, what came out otherwise than expected, and what could not be run."""

    console: Console
    seed: int
    surprises: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def expect(self, came_true: bool, what: str) -> None:
        if not came_true:
            self.surprises.append(what)

    def table(self, title: str, *columns: str, right: int) -> Table:
        """Return a table whose columns from number `right` on hold numbers."""
        table = Table(box=None, pad_edge=False, title=f"\n{title}", title_justify="left", title_style="bold")
        table.caption_justify = "left"
        for i, name in enumerate(columns):
            table.add_column(name, justify="right" if i >= right else "left", overflow="fold")
        return table


def run(*, seed: int = 0) -> int:
    """Tell the whole story; return 0 when everything came out as expected, else 1."""
    started = time.monotonic()
    # not a terminal: wide enough that no line of a log is broken
    console = Console(width=None if sys.stdout.isatty() else 118, highlight=False)
    story = Story(console, seed)
    for part in (lanes, real_implementations, wrong_implementations, error_and_time):
        console.print(part(story))
    _end(story, time.monotonic() - started)
    return 1 if story.surprises else 0


@contextlib.contextmanager
def following(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """Yield what to tell of each step: a bar on a terminal's stderr, a plain line elsewhere."""
    if not sys.stderr.isatty():
        yield lambda what: print(f"{title}: {what}", file=sys.stderr, flush=True)
        return
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda what: bar.update(task, advance=1, description=f"{title}: {what}")


def lanes(story: Story) -> Table:
    """Call every operator on its own cases, as a formula and as a kernel, and compare."""
    title = "1. Every operator on both lanes, float32: how many numbers differ, and by how many ulp"
    columns = ("operator", "called as", "calls", "numbers", "with other bits", "largest difference")
    table = story.table(title, *columns, right=2)
    if cpu_level() is None:
        story.skipped.append("the kernel lane: no kernels are compiled here")
    with following("lanes", len(OPERATORS)) as tell:
        for name, op in OPERATORS.items():
            tell(name)
            formula = _answers(op, story.seed, "formula")
            said = [name, f"refnorm.{op.wing}.{name}", str(len(op.cases)), f"{formula.size:,}"]
            if op.kernel and cpu_level() is not None:
                far = _ulps(_answers(op, story.seed, "kernel"), formula)
                said += [f"{np.count_nonzero(far):,}", f"{far.max():.0f}"]
                story.expect(far.max() <= 1, f"{name}: the lanes differ by {far.max():.3g} ulp")
            table.add_row(*said)
    return table


def _answers(op, seed: int, name: str) -> np.ndarray:
    with lane(name):
        return np.concatenate([packed(op.function(*case.arrays(seed), **case.options)).ravel() for case in op.cases])


def _ulps(got, wanted) -> np.ndarray:
    return np.abs(got - wanted) / np.spacing(np.abs(wanted).astype("float32"))


@dataclass(frozen=True)
class Candidate:
    """Somebody's function, and the special values at which we expect it to fail; where there are none, not to."""

    operator: str
    name: str
    function: Callable
    differs: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ("float32", "float64")

    def is_as_known(self, report) -> bool:
        known = report.worst is not None and report.worst.drawn.endswith(self.differs)
        return known if self.differs else report.conforms


SHOWN = ("layer_norm", "batch_norm", "batch_norm_train", "group_norm", "softmax", "log_softmax", "avg_pool", "max_pool")


def candidates(story: Story) -> list[Candidate]:
    """Return what SciPy, scikit-learn, torch and onnxruntime have of the operators shown, as far as installed."""
    found = []
    for name in SHOWN:
        for one in OPERATORS[name].load_card().honest:
            if one.needs not in ("numpy", "torch"):
                found.append(Candidate(name, one.name, one.function, tuple(one.differs)))
    if find_spec("sklearn"):
        found.append(Candidate("softmax", "scikit-learn", sklearn_softmax))
    else:
        story.skipped.append("softmax of scikit-learn: not installed: sklearn")
    for framework in ("torch", "onnxruntime"):
        if missing := absent(framework):
            story.skipped.append(f"the operators of {framework}: not installed: {' and '.join(missing)}")
            continue
        for peer in peers(framework):
            if peer.operator in SHOWN:
                known = KNOWN.get((framework, peer.operator))
                differs = (known,) if known else ()
                found.append(Candidate(peer.operator, framework, peer.function, differs, peer.dtypes))
    return sorted(found, key=lambda c: SHOWN.index(c.operator))


@rowwise
def sklearn_softmax(x, *, axis=-1):
    """It takes tables only, and writes into them unless told to copy."""
    from sklearn.utils.extmath import softmax

    return softmax(x.reshape(-1, x.shape[-1]), copy=True).reshape(x.shape)


def real_implementations(story: Story) -> Table:
    """Judge the functions of other libraries."""
    columns = ("operator", "whose", "verdict", "grade", "yardsticks", "calls", "what fails")
    table = story.table("2. Other people's functions, judged", *columns, right=7)
    everyone = candidates(story)
    with following("judging", len(everyone)) as tell:
        for c in everyone:
            tell(f"{c.operator} of {c.name}")
            report = check(c.function, c.operator, seed=story.seed, dtypes=c.dtypes)
            calls = str(sum(layer.ran for layer in report.layers if layer.name != "diagnosis"))
            fails = "; ".join(f.what for layer in report.layers for f in layer.findings if f.verdict == "fails")
            sticks = f"{report.worst_yardsticks:.3g}"
            table.add_row(c.operator, c.name, _coloured(report), report.grade, sticks, calls, fails)
            story.expect(c.is_as_known(report), f"{c.operator} of {c.name} was known otherwise: {report.verdict}")
    table.caption = "yardstick: what the smallest change of the input does to an answer, and one rounding of it"
    return table


def _coloured(report) -> str:
    return f"[{'green' if report.conforms else 'red'}]{report.verdict}[/]"


@rowwise
def blog_rms_norm(x, weight=None, *, axis=-1, eps=1e-6):
    """Adds eps to the root and not under it."""
    y = x / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + eps)
    return y if weight is None else y * weight


@rowwise
def ported_layer_norm(x, weight=None, bias=None, *, axis=-1, eps=1e-5):
    """Takes the sample variance, as torch.var does when nobody tells it otherwise."""
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True, ddof=1) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


WRONG = (("rms_norm", blog_rms_norm, "eps outside the root"), ("layer_norm", ported_layer_norm, "n - 1 in place of n"))


def wrong_implementations(story: Story) -> Table:
    """Judge wrong code: it must be failed, and the mistake called by its name."""
    columns = ("operator", "whose", "verdict", "recognised as", "smallest case of it", "got", "wanted")
    table = story.table("3. Wrong code, failed and named", *columns, right=5)
    with following("judging", len(WRONG)) as tell:
        for name, function, mistake in WRONG:
            tell(function.__name__)
            report = check(function, name, seed=story.seed)
            named, worst = report.named[:1] or ["-"], report.worst
            story.expect(not report.conforms, f"{function.__name__} was passed")
            story.expect(named == [mistake], f"{function.__name__} was called {named[0]!r}, and is {mistake!r}")
            numbers = (worst.got, worst.wanted) if worst and worst.got is not None else ()
            shown = [f"'{worst.label}', {worst.dtype}" if worst else "-", *(f"{v:.9g}" for v in numbers)]
            table.add_row(name, function.__name__, _coloured(report), *named, *shown)
    return table


def error_and_time(story: Story) -> Table:
    """Measure what float32 answers are worth and cost, ours and others', calls taking turns in one process."""
    if find_spec("torch") is None:
        story.skipped.append("torch in the table of error and time: not installed")
    columns = ("operator", "computed by", "output", "normal", "mean 1e4", "ms", "as long as the first")
    table = story.table("4. Error and time, float32", *columns, right=3)
    with following("measuring", 3) as tell:
        for name in ("layer_norm", "rms_norm", "softmax"):
            tell(name)
            errors = [_errors(name, mean, story.seed) for mean in (0, 1e4)]
            for what, (memory, ms, ratio) in _times(name, story.seed).items():
                shown = [f"{e[what].mean():.2g}, {e[what].max():.2g}" for e in errors]
                table.add_row(name, what, memory, *shown, f"{ms:.2f}", f"{ratio:.2f}")
                # where x - mean nearly vanishes beside x a layer_norm may be 1.5 ulp off, elsewhere half
                worst = max(float(e[what].max()) for e in errors)
                story.expect(not what.startswith("refnorm") or worst <= 1.5, f"{name}, {what}: {worst:.3g} ulp")
    table.caption = (
        f"error: mean and largest, in ulp, against long double, for data of mean 0 and of mean 1e4, std 1; time: "
        f"median of {TURNS} on {ROWS}x{COLUMNS}, in turns, the output's memory given or fresh; "
        f"kernels: {cpu_level() or 'none'}, on up to {thread_count()} threads; others on those they take"
    )
    return table


def _arrays(name: str, rows: int, mean: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(rows, COLUMNS)] + [(COLUMNS,)] * {"layer_norm": 2, "rms_norm": 1}.get(name, 0)
    first, *parameters = [rng.normal(size=shape) for shape in shapes]
    return [a.astype("float32") for a in (first + mean, *parameters)]


def _plain(name: str) -> Callable:
    """Return the operator as one writes it in NumPy: it computes in the type of its input."""
    return next(h.function for h in OPERATORS[name].load_card().honest if h.needs == "numpy")


def contenders(name: str, arrays: list[np.ndarray]) -> Iterator[tuple[str, str, Callable]]:
    """Yield (who, whether the output's memory is there already, the call)."""
    f, out = OPERATORS[name].function, np.empty_like(arrays[0])
    for which in ("kernel", "formula")[cpu_level() is None :]:
        yield f"refnorm, {which}", "given", functools.partial(lane(which)(f), *arrays, out=out)
    yield "NumPy, float32", "fresh", lambda: _plain(name)(*arrays)
    if find_spec("torch"):
        yield "torch", *_torch(name, arrays)


def _torch(name: str, arrays) -> tuple[str, Callable]:
    import torch

    x, *parameters = map(torch.from_numpy, arrays)
    if name == "softmax":
        return "given", functools.partial(torch.softmax, x, -1, out=torch.empty_like(x))
    eps = {"layer_norm": 1e-5, "rms_norm": 1e-6}[name]
    return "fresh", functools.partial(getattr(torch.nn.functional, name), x, x.shape[-1:], *parameters, eps=eps)


def _errors(name: str, mean: float, seed: int) -> dict[str, np.ndarray]:
    """Return the errors in ulp of everybody on a few rows."""
    arrays = _arrays(name, 32, mean, seed)
    exact = _plain(name)(*(a.astype(np.longdouble) for a in arrays))
    return {what: _ulps(np.asarray(call()), exact) for what, _, call in contenders(name, arrays)}


def _times(name: str, seed: int) -> dict[str, tuple[str, float, float]]:
    """Return the output's memory, the milliseconds and their ratio to the first of everybody.

    They take turns, so that whatever else the machine does disturbs all alike.
    """
    calls = list(contenders(name, _arrays(name, ROWS, 0, seed)))
    times: dict[str, list[float]] = {what: [] for what, _, _ in calls}
    for turn in range(1 + TURNS):
        for what, _, call in calls:
            start = time.perf_counter()
            call()
            if turn:  # the first turn is for warming up
                times[what].append(1e3 * (time.perf_counter() - start))
    middle = {what: statistics.median(t) for what, t in times.items()}
    return {what: (memory, middle[what], middle[what] / middle[calls[0][0]]) for what, memory, _ in calls}


def _end(story: Story, seconds: float) -> None:
    say = functools.partial(story.console.print, markup=False)
    if story.skipped:
        say("\nNot run", *(f"  {what}" for what in story.skipped), sep="\n")
    say("\nWhat to try next", *(f"  {command}" for command in NEXT), sep="\n")
    for what in story.surprises:
        story.console.print(f"[red]unexpected:[/] {what}")
    verdict = f"{len(story.surprises)} things not as expected" if story.surprises else "everything came out as expected"
    say(f"\n{verdict}, in {seconds:.0f} s (seed {story.seed})")
