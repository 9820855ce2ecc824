"""Reports as a person reads them, through rich."""

from __future__ import annotations

import io
import json
import shlex

from rich import markup
from rich.console import Console
from rich.table import Table

from .._registry import OPERATORS
from .harmless import harmless
from .measure import decomposes
from .plots import figure
from .report import Layer, Report, Worst

__all__ = ["again", "brief", "shares", "show", "show_peers", "show_selftest", "snippet", "text"]

COLOURS = {"conforms": "green", "warning": "yellow", "fails": "red", "skipped": "dim"}


def show(report: Report, console: Console | None = None) -> None:
    """Print the layers, the verdict, the smallest failing call, and how to see it again."""
    console = console or Console()
    convention = f", convention {escape(report.convention)}" if report.convention else ""
    console.print(f"[bold]{escape(report.candidate)}[/] as [bold]{report.operator}[/]{convention}, seed {report.seed}")
    console.print(_table(report))
    for dtype, errors in report.errors.items():
        console.print(f"  [dim]{dtype}:[/] {', '.join(shares(errors))}", highlight=False, soft_wrap=True)
    for line in (line for layer in report.layers for line in _findings(layer)):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(_verdict(report), soft_wrap=True)
    if report.worst is not None:
        console.print(_worst(report.worst), highlight=False, soft_wrap=True)
        console.print("\nTo see it again:\n", highlight=False)
        # as plain lines: a panel's border would be copied along
        console.print(snippet(report), markup=False, highlight=False, soft_wrap=True)


def text(report: Report) -> str:
    """Return what `show` prints, without colours."""
    console = Console(file=io.StringIO(), width=110, color_system=None, force_terminal=False)
    show(report, console)
    return console.file.getvalue()


def brief(report: Report) -> str:
    """Return the verdict in one line: whose, of what, how bad, recognised as what, from which seed."""
    named = f": recognised {report.named[0]!r}" if report.named and not report.conforms else ""
    if not report.enough:
        named = f": {report.ran} of {report.floor} cases"
    line = (
        f"{report.candidate} as {report.operator}: {report.verdict} (grade {report.grade}){named}, seed {report.seed}"
    )
    return harmless(line).replace("\n", " ")


def shares(errors: dict) -> list[str]:
    """Return a histogram of errors in words: how much is as well rounded as can be, and how far off the rest is."""
    counts, edges = errors["counts"], errors["edges"]
    of = sum(counts) + errors["nonfinite"]
    said = [f"{of:,} numbers"]
    if of:
        said += [f"{100 * sum(counts[:upto]) / of:.1f}% within {edge} ulp" for upto, edge in ((2, 0.5), (3, 1))]
    if any(counts[3:]):
        said.append(f"the furthest {'beyond' if edges[-1] >= 2**64 else 'up to'} {figure(edges[-1])} ulp")
    if errors["nonfinite"]:
        said.append(f"{errors['nonfinite']:,} NaN or infinite in the wrong place")
    if errors["unanswered"]:
        said.append(f"{errors['unanswered']:,} calls without numbers to compare")
    return said


def escape(text) -> str:
    """Return somebody's text as it stands: no markup, no control characters."""
    return markup.escape(harmless(text))


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("layer", "verdict", "calls", "grade", "yardsticks", "ulp"):
        table.add_column(name, justify="right" if name in ("calls", "yardsticks", "ulp") else "left")
    for layer in report.layers:
        figures = [f"{layer.yardsticks:.3g}", f"{layer.ulp:.3g}"] if layer.grade else ["", ""]
        verdict = f"[{COLOURS[layer.verdict]}]{layer.verdict}[/]"
        table.add_row(layer.name, verdict, str(layer.ran or ""), layer.grade, *figures)
    return table


def _findings(layer: Layer) -> list[str]:
    lines = []
    for f in layer.findings:
        mark = COLOURS[f.verdict] if f.verdict != "conforms" else "dim"
        count = f" ({f.calls} calls)" if f.calls > 1 and layer.name != "diagnosis" else ""
        lines.append(f"  [{mark}]{layer.name}:[/] {escape(f.what)}{count}")
    if layer.skipped:
        lines.append(f"  [dim]{layer.name}: skipped: {escape(layer.skipped)}[/]")
    return lines


def _verdict(report: Report) -> str:
    colour = "red" if not report.conforms else "green" if report.verdict == "conforms" else "yellow"
    ran = f"{report.ran} of {report.floor} cases ran"
    line = f"\n[bold {colour}]{report.verdict}[/]: grade {report.grade or '-'}, {ran} in {report.seconds:.1f} s"
    if report.declined:
        line += f"; [yellow]the candidate declines {report.declined} more[/]"
    if report.named:
        line += f"; recognised: [bold]{escape(report.named[0])}[/]"
    return line


def _worst(worst: Worst) -> str:
    options = "".join(f", {k}={v!r}" for k, v in worst.options.items())
    options = escape(options)
    lines = [f"\nSmallest failing call: '{worst.label}', {worst.dtype} {tuple(worst.shape)}{options}"]
    if worst.why:
        lines.append(f"  {escape(worst.why)}")
    if worst.got is not None and worst.wanted is not None:
        where = ", ".join(map(str, worst.index))
        lines.append(f"  at \\[{where}]  got    {worst.got!r:>24}  {worst.got.hex()}")
        lines.append(f"  {' ' * (5 + len(where))}  wanted {worst.wanted!r:>24}  {worst.wanted.hex()}")
        lines.append(f"  {worst.ulp:.3g} ulp, {worst.yardsticks:.3g} yardsticks away")
    return "\n".join(lines)


def again(report: Report) -> str:
    """Return the command that asks the same calls again; nothing where no command line can name the candidate."""
    if not (report.kind or _importable(report.candidate)):
        return ""
    words = ["refnorm", "check", report.operator, "--impl", report.candidate, "--seed", str(report.seed)]
    words += ["--dtypes", ",".join(report.dtypes), "--grade", report.wanted_grade]
    words += ["--as", report.kind] if report.kind not in ("", "numpy") else []
    words += ["--convention", report.convention] if report.convention else []
    words += ["--strict"] if report.strict else []
    return shlex.join(words)


def _importable(candidate: str) -> bool:
    module, _, name = candidate.rpartition(":")
    from_file = module.endswith(".py") and harmless(candidate) == candidate
    named = all(part.isidentifier() for part in name.split("."))
    return named and (from_file or (module != "__main__" and all(part.isidentifier() for part in module.split("."))))


def snippet(report: Report) -> str:
    """Return Python that makes the smallest failing call again and prints both answers."""
    worst = report.worst
    at = f"[{', '.join(map(str, worst.index))}]" if worst.index else ""
    call = report.smallest and report.smallest.call
    drawn = _drawn(report) if call is None or call.size > LITERAL else _literal(call)
    if report.convention:
        framework = f"{quoted(report.convention)}, {quoted(report.operator)}"
        drawn += f"\noptions = refnorm.convention({framework}) | options"
    vjp = "_vjp" if call is not None and call.vjp else ""
    whole = decomposes(OPERATORS[report.operator]) and not vjp  # the numbers compared are not those of the answer
    seen, of = ("seen", f"refnorm.OPERATORS[{quoted(report.operator)}], ") if whole else ("packed", "")
    needs = "\nimport ml_dtypes  # NumPy learns bfloat16 from it" if worst.dtype == "bfloat16" else ""
    return f"""import numpy as np, refnorm
from numpy import inf, nan
from refnorm.checker import inputs, {seen}{needs}
{_candidate(report, vjp)}
{drawn}
got = {seen}({of}candidate(*arrays, **options))
{drawn}
with refnorm.lane("formula"):
    wanted = {seen}({of}refnorm.{report.wing}.{report.operator}{vjp}(*arrays, **options))
print("got", got{at}, "wanted", wanted{at})"""


LITERAL = 64  # elements of the data of a call that is written out


def _candidate(report: Report, vjp: str) -> str:
    module, _, name = report.candidate.rpartition(":")
    if vjp or report.kind not in ("", "numpy") or not _importable(report.candidate):
        return f"candidate = ...  # your {'gradient' if vjp else 'function'}"
    if module.endswith(".py"):
        return f"from refnorm.checker.load import load\ncandidate = load({quoted(report.candidate)})"
    first, _, rest = name.partition(".")
    return f"from {module} import {first}\ncandidate = {first}{'.' + rest if rest else ''}"


def _drawn(report: Report) -> str:
    worst = report.worst
    words = f"{quoted(report.operator)}, {quoted(worst.label)}, dtype={quoted(worst.dtype)}, seed={report.seed}"
    return f"arrays, options = inputs({words})"


def _literal(call) -> str:
    """Return a call written out; decimals of this many digits are exact."""
    return f"arrays = [{', '.join(_written(a, call.vjp) for a in call.arrays)}]\noptions = {call.options!r}"


def _written(a, vjp: bool) -> str:
    if a is None:
        return "None"
    if isinstance(a, list):  # several cotangents
        inner = ", ".join(_written(part, vjp) for part in a)
        return f"({inner},)" if vjp else f"[{inner}]"
    values = a.astype("float64").tolist() if a.dtype.name == "bfloat16" else a.tolist()
    shaped = f".reshape{a.shape}" if a.size == 0 else ""
    return f"np.array({values!r}, {quoted(a.dtype.name)}){shaped}"


def quoted(text: str) -> str:
    """Return a Python literal in the quotes of the house."""
    return json.dumps(harmless(text), ensure_ascii=False)


def show_peers(reports: dict, console: Console) -> None:
    """Print a verdict for each (framework, operator), and the smallest case that fails."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in (
        "framework",
        "operator",
        "verdict",
        "grade",
        "calls",
        "declined",
        "recognised as",
        "smallest failing call",
    ):
        table.add_column(name, justify="right" if name in ("calls", "declined") else "left", overflow="fold")
    for (framework, operator), report in reports.items():
        colour = "green" if report.conforms else "red"
        calls = sum(layer.ran for layer in report.layers if layer.name != "diagnosis")
        worst = report.worst if not report.conforms else None
        shown = f"'{worst.label}', {worst.dtype} {tuple(worst.shape)}" if worst else ""
        named = report.named[0] if report.named and not report.conforms else ""
        table.add_row(
            framework, operator, f"[{colour}]{report.verdict}[/]", report.grade, str(calls), str(report.declined or ""),
            escape(named), escape(shown),
        )  # fmt: skip
    console.print(table)


def show_selftest(result, console: Console | None = None) -> None:
    """Print what the checker got wrong, the margins, the mutants that survive, and the mutation scores."""
    console = console or Console()
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("operator", "honest implementation", "grade", "yardsticks", ""):
        table.add_column(name, justify="right" if name == "yardsticks" else "left", overflow="fold")
    for line in result.lines:
        if line.sort == "honest":
            table.add_row(line.operator, line.name, line.grade, f"{line.yardsticks:.3g}", escape(line.said))
    console.print(table)
    for line in result.lines:
        if not line.ok or line.end in ("survives", "stale"):
            where = f" at {line.place}" if line.place else ""
            said = f"{line.sort} '{escape(line.name)}' of {line.operator}{where}: {escape(line.said)}"
            console.print(said, style="dim" if line.ok else "red", soft_wrap=True)
    for sort in ("mistake", "null"):
        lines = [line for line in result.lines if line.sort == sort]
        console.print(f"{sort}s refused: {sum(line.ok for line in lines)} of {len(lines)}")
    colour = "green" if result.passed else "red"
    console.print(f"[bold {colour}]mutation score of known mistakes {_share(*result.score)}[/]")
    m = result.mutants
    if m["of"]:
        equal = f"{m['equivalent']} are equivalent, {m['equivalent_but_for_rounding']} of them but for rounding"
        alive = f"{m['of'] - m['killed']} survive, {m['explained']} of them explained"
        console.print(f"[bold {colour}]mutation score by machine {_share(m['killed'], m['of'])}[/]; {equal}; {alive}")
    console.print(f"seed {result.seed}, {result.seconds:.0f} s")


def _share(some: int, of: int) -> str:
    return f"{some}/{of} ({100 * some / of if of else 0:.1f}%)"
