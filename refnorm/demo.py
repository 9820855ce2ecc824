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
from .checker import check
from .checker.honest import HONEST, along

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


def run(*, seed: int = 0, console: Console | None = None) -> int:
    """Tell the whole story; return 0 when everything came out as expected, else 1."""
    started = time.monotonic()
    # not a terminal: wide enough that no line of a log is broken
    console = console or Console(width=None if sys.stdout.isatty() else 118, highlight=False)
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


# ---- both lanes ----


def lanes(story: Story) -> Table:
    """Call every operator on its own cases, as a formula and as a kernel, and compare."""
    compiled = cpu_level() is not None
    if not compiled:
        story.skipped.append("the kernel lane: no kernels are compiled here (formulas do all the work)")
    title = "1. Every operator on both lanes, float32: how many numbers differ, and by how many ulp"
    columns = ("operator", "called as", "calls", "numbers", "with other bits", "largest difference")
    table = story.table(title, *columns, right=2)
    with following("lanes", len(OPERATORS)) as tell:
        for name, operator in OPERATORS.items():
            tell(name)
            called = f"refnorm.{operator.wing}.{name}"
            if compiled:
                count, other, ulp = _compared(operator, story.seed)
                story.expect(ulp <= 1, f"{name}: the lanes differ by {ulp:.3g} ulp")
                table.add_row(name, called, str(len(operator.cases)), f"{count:,}", f"{other:,}", f"{ulp:.0f}")
            else:
                count = sum(a.size for a in _answers(operator, story.seed, "formula"))
                table.add_row(name, called, str(len(operator.cases)), f"{count:,}", "-", "-")
    return table


def _answers(operator, seed: int, name: str) -> list[np.ndarray]:
    with lane(name):
        return [operator.function(*case.arrays(seed), **case.options) for case in operator.cases]


def _compared(operator, seed: int) -> tuple[int, int, float]:
    """Return how many numbers there were, how many differ, and by how many ulp at most."""
    pairs = zip(*(_answers(operator, seed, name) for name in ("formula", "kernel")), strict=True)
    far = np.concatenate([(np.abs(a - b) / np.spacing(np.abs(a))).ravel() for a, b in pairs])
    return far.size, int(np.count_nonzero(far)), float(far.max())


# ---- real implementations ----


@dataclass(frozen=True)
class Candidate:
    """Somebody's function and what we expect of it: a special value at which it is known to differ, or no failure."""

    operator: str
    name: str
    function: Callable
    needs: tuple[str, ...]
    differs: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ("float32", "float64")

    @property
    def missing(self) -> list[str]:
        return [module for module in self.needs if find_spec(module) is None]


def candidates() -> list[Candidate]:
    """Return what the checker's own test uses of libraries, and two more that it does not know."""
    known = [
        Candidate(h.operator, h.name, h.function, (h.needs,), tuple(h.differs)) for h in HONEST if h.needs != "numpy"
    ]
    # in ONNX eps and the statistics are float32 whatever the data: only float32 can be right
    narrow = {"dtypes": ("float32",)}
    return [
        *known,
        Candidate("layer_norm", "onnxruntime, float32", onnxruntime_layer_norm, ("onnxruntime", "onnx"), **narrow),
        Candidate("softmax", "sklearn.utils.extmath", sklearn_softmax, ("sklearn",)),
    ]


def sklearn_softmax(x, /, *, axis=-1):
    """scikit-learn takes tables only, and writes into them unless told to copy."""
    from sklearn.utils.extmath import softmax

    axes = axis if isinstance(axis, tuple) else (axis,)
    back = tuple(range(-len(axes), 0))
    moved = np.moveaxis(x, axes, back)
    kept = moved.shape[: x.ndim - len(axes)]
    rows = moved.reshape(int(np.prod(kept)), -1 if x.size else int(np.prod(moved.shape[len(kept) :])))
    return np.moveaxis(softmax(rows, copy=True).reshape(moved.shape), back, axes)


def onnxruntime_layer_norm(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    """The operator LayerNormalization of ONNX, one node; it normalizes over all axes from one on."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    back = tuple(range(-len(axes), 0))
    moved = np.ascontiguousarray(np.moveaxis(x, axes, back))
    shape = moved.shape[x.ndim - len(axes) :]
    scale = np.ones(shape, x.dtype) if weight is None else np.ascontiguousarray(weight)
    given = {"x": moved, "w": scale} | ({} if bias is None else {"b": np.ascontiguousarray(bias)})
    session = _onnx_session(tuple((name, a.ndim) for name, a in given.items()), len(axes), x.dtype.name, eps)
    return np.moveaxis(session.run(None, given)[0], back, axes)


@functools.cache
def _onnx_session(inputs, axes: int, dtype: str, eps: float):
    import onnxruntime
    from onnx import helper

    node = helper.make_node("LayerNormalization", [name for name, _ in inputs], ["y"], axis=-axes, epsilon=eps)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    taken = [helper.make_tensor_value_info(name, kind, [None] * ndim) for name, ndim in inputs]
    given = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph([node], "layer_norm", taken, [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def real_implementations(story: Story) -> Table:
    """Judge the functions of other libraries."""
    columns = ("operator", "whose", "verdict", "grade", "yardsticks", "calls", "what fails")
    table = story.table("2. Other people's functions, judged", *columns, right=7)
    everyone = candidates()
    with following("judging", len(everyone)) as tell:
        for c in everyone:
            tell(f"{c.operator} of {c.name}")
            if c.missing:
                story.skipped.append(f"{c.operator} of {c.name}: not installed: {' and '.join(c.missing)}")
                continue
            report = check(c.function, c.operator, seed=story.seed, dtypes=c.dtypes)
            calls = str(sum(layer.ran for layer in report.layers if layer.name != "diagnosis"))
            sticks = f"{report.worst_yardsticks:.3g}"
            table.add_row(c.operator, c.name, _coloured(report), report.grade, sticks, calls, _failures(report))
            story.expect(_as_known(c, report), f"{c.operator} of {c.name} was known otherwise: {report.verdict}")
    table.caption = "yardstick: what the smallest change of the input does to an answer, and one rounding of it"
    return table


def _coloured(report) -> str:
    return f"[{'green' if report.conforms else 'red'}]{report.verdict}[/]"


def _failures(report) -> str:
    return "; ".join(f.what for layer in report.layers for f in layer.findings if f.verdict == "fails")


def _as_known(candidate: Candidate, report) -> bool:
    if not candidate.differs:
        return report.conforms
    return report.worst is not None and report.worst.label.endswith(candidate.differs)


# ---- wrong implementations ----


def blog_rms_norm(x, weight=None, /, *, axis=-1, eps=1e-6):
    """Adds eps to the root and not under it."""
    y = x / (np.sqrt(np.mean(x * x, axis=axis, keepdims=True)) + eps)
    return y if weight is None else y * along(x, weight, axis)


def ported_layer_norm(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    """Takes the sample variance, as torch.var does when nobody tells it otherwise."""
    y = (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True, ddof=1) + eps)
    y = y if weight is None else y * along(x, weight, axis)
    return y if bias is None else y + along(x, bias, axis)


WRONG = (
    ("rms_norm", blog_rms_norm, "eps outside the root"),
    ("layer_norm", ported_layer_norm, "n - 1 in place of n"),
)


def wrong_implementations(story: Story) -> Table:
    """Judge wrong code: it must be failed, and the mistake called by its name."""
    columns = ("operator", "whose", "verdict", "recognised as", "smallest call that shows it", "got", "wanted")
    table = story.table("3. Wrong code, failed and named", *columns, right=5)
    with following("judging", len(WRONG)) as tell:
        for name, function, mistake in WRONG:
            tell(function.__name__)
            report = check(function, name, seed=story.seed)
            named, worst = report.named[:1], report.worst
            story.expect(not report.conforms, f"{function.__name__} was passed")
            story.expect(named == [mistake], f"{function.__name__} was called {named}, and is {mistake!r}")
            shown = (f"'{worst.label}', {worst.dtype}", f"{worst.got:.9g}", f"{worst.wanted:.9g}") if worst else ()
            table.add_row(name, function.__name__, _coloured(report), *(named or ["-"]), *shown)
    return table


# ---- error and time ----


def error_and_time(story: Story) -> Table:
    """Measure what float32 answers are worth and cost, ours and others', calls taking turns in one process."""
    if find_spec("torch") is None:
        story.skipped.append("torch in the table of error and time: not installed")
    columns = ("operator", "computed by", "output", "normal", "mean 1e4", "ms", "as long as the first")
    title = (
        f"4. Error (float32: mean and largest ulp against long double) and time ({ROWS}x{COLUMNS}, medians of {TURNS})"
    )
    table = story.table(title, *columns, right=3)
    names = ("layer_norm", "rms_norm", "softmax")
    with following("measuring", len(names)) as tell:
        for name in names:
            tell(name)
            errors = [_errors(name, mean, story.seed) for mean in (0, 1e4)]
            times = _medians({what: call for what, _, call in contenders(name, _arrays(name, ROWS, 0, story.seed))})
            for what, output, _ in contenders(name, _arrays(name, 1, 0, story.seed)):
                shown = [f"{e[what].mean():.2g}, {e[what].max():.2g}" for e in errors]
                ratio = times[what] / next(iter(times.values()))
                table.add_row(name, what, output, *shown, f"{1e3 * times[what]:.2f}", f"{ratio:.2f}")
                # where x - mean nearly vanishes beside x a layer_norm may be 1.5 ulp off, elsewhere half
                worst = max(float(e[what].max()) for e in errors)
                story.expect(not what.startswith("refnorm") or worst <= 1.5, f"{name}, {what}: {worst:.3g} ulp")
    table.caption = (
        f"error: mean and largest, in ulp, against long double, on data of mean 0 and of mean 1e4, both of std 1; time: "
        f"{ROWS}x{COLUMNS}, medians of {TURNS}, calls taking turns, output given or fresh memory; kernels "
        f"{cpu_level() or 'none'} on up to {thread_count()} threads, others as they come"
    )
    return table


def _arrays(name: str, rows: int, mean: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(rows, COLUMNS)] + [(COLUMNS,)] * {"layer_norm": 2, "rms_norm": 1}.get(name, 0)
    first, *parameters = [rng.normal(size=shape) for shape in shapes]
    return [a.astype("float32") for a in (first + mean, *parameters)]


def _plain(name: str) -> Callable:
    """Return the operator as one writes it in NumPy: it computes in the type of its input."""
    return next(h.function for h in HONEST if h.operator == name and h.needs == "numpy")


def contenders(name: str, arrays: list[np.ndarray]) -> Iterator[tuple[str, str, Callable]]:
    """Yield (who, whether the output's memory is there already, the call)."""
    f, out = OPERATORS[name].function, np.empty_like(arrays[0])
    for which in ("kernel", "formula")[cpu_level() is None :]:
        yield f"refnorm, {which}", "given", functools.partial(_in_lane, which, f, arrays, out)
    yield "NumPy, float32", "fresh", lambda: _plain(name)(*arrays)
    if find_spec("torch"):
        yield "torch", *_torch(name, arrays)


def _in_lane(which: str, f: Callable, arrays, out):
    with lane(which):
        return f(*arrays, out=out)


def _torch(name: str, arrays) -> tuple[str, Callable]:
    import torch
    from torch.nn import functional

    x, *parameters = map(torch.from_numpy, arrays)
    if name == "softmax":
        out = torch.empty_like(x)
        return "given", lambda: torch.softmax(x, -1, out=out)
    eps = {"layer_norm": 1e-5, "rms_norm": 1e-6}[name]
    return "fresh", lambda: getattr(functional, name)(x, x.shape[-1:], *parameters, eps=eps)


def _errors(name: str, mean: float, seed: int) -> dict[str, np.ndarray]:
    """Return the errors in ulp of everybody on a few rows."""
    arrays = _arrays(name, 32, mean, seed)
    exact = _plain(name)(*(a.astype(np.longdouble) for a in arrays))
    unit = np.spacing(np.abs(exact).astype("float32"))
    return {what: np.abs(np.asarray(call()) - exact) / unit for what, _, call in contenders(name, arrays)}


def _medians(calls: dict[str, Callable]) -> dict[str, float]:
    """Let the calls take turns, so that whatever else the machine does disturbs all alike."""
    times: dict[str, list[float]] = {what: [] for what in calls}
    for turn in range(1 + TURNS):
        for what, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:  # the first turn is for warming up
                times[what].append(time.perf_counter() - start)
    return {what: statistics.median(t) for what, t in times.items()}


# ---- the end ----


def _end(story: Story, seconds: float) -> None:
    say = functools.partial(story.console.print, markup=False)
    if story.skipped:
        say("\nNot run", *(f"  {what}" for what in story.skipped), sep="\n")
    say("\nWhat to try next", *(f"  {command}" for command in NEXT), sep="\n")
    for what in story.surprises:
        story.console.print(f"[red]unexpected:[/] {what}")
    verdict = f"{len(story.surprises)} things came out otherwise" if story.surprises else "everything came out"
    say(f"\n{verdict} as expected, in {seconds:.0f} s (seed {story.seed})".replace("otherwise as", "otherwise than"))
