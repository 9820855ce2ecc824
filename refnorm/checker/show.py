"""Reports as a person reads them, through rich."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .report import Layer, Report, Worst

__all__ = ["show", "show_peers", "show_selftest", "snippet"]

COLOURS = {"conforms": "green", "warning": "yellow", "fails": "red", "skipped": "dim"}


def show(report: Report, console: Console | None = None) -> None:
    """Print the layers, the verdict, the smallest failing call, and how to see it again."""
    console = console or Console()
    console.print(f"[bold]{escape(report.candidate)}[/] as [bold]{report.operator}[/], seed {report.seed}")
    console.print(_table(report))
    for line in (line for layer in report.layers for line in _findings(layer)):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(_verdict(report), soft_wrap=True)
    if report.worst is not None:
        console.print(_worst(report.worst), highlight=False, soft_wrap=True)
        console.print("\nTo see it again:\n", highlight=False)
        # as plain lines: a panel's border would be copied along
        console.print(snippet(report), markup=False, highlight=False, soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("layer", "verdict", "calls", "grade", "yardsticks"):
        table.add_column(name, justify="right" if name in ("calls", "yardsticks") else "left")
    for layer in report.layers:
        sticks = f"{layer.yardsticks:.3g}" if layer.grade else ""
        verdict = f"[{COLOURS[layer.verdict]}]{layer.verdict}[/]"
        table.add_row(layer.name, verdict, str(layer.ran or ""), layer.grade, sticks)
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
    colour = "green" if report.conforms else "red"
    ran = f"{report.ran} of {report.floor} cases ran"
    line = f"\n[bold {colour}]{report.verdict}[/]: grade {report.grade or '-'}, {ran} in {report.seconds:.1f} s"
    if report.declined:
        line += f"; [yellow]the candidate declines {report.declined} more[/]"
    if report.named:
        line += f"; recognised: [bold]{escape(report.named[0])}[/]"
    return line


def _worst(worst: Worst) -> str:
    options = "".join(f", {k}={v!r}" for k, v in worst.options.items())
    lines = [f"\nSmallest failing call: '{worst.label}', {worst.dtype} {tuple(worst.shape)}{options}"]
    if worst.why:
        lines.append(f"  {worst.why}")
    if worst.got is not None and worst.wanted is not None:
        where = ", ".join(map(str, worst.index))
        lines.append(f"  at \\[{where}]  got    {worst.got!r:>24}  {worst.got.hex()}")
        lines.append(f"  {' ' * (5 + len(where))}  wanted {worst.wanted!r:>24}  {worst.wanted.hex()}")
        lines.append(f"  {worst.ulp:.3g} ulp, {worst.yardsticks:.3g} yardsticks away")
    return "\n".join(lines)


def snippet(report: Report) -> str:
    """Return Python that draws the smallest failing call again and prints both answers."""
    worst = report.worst
    at = f"[{', '.join(map(str, worst.index))}]" if worst.index else ""
    module, _, name = report.candidate.rpartition(":")
    if module.endswith(".py"):
        given = f'from refnorm.checker.load import load\ncandidate = load("{report.candidate}")'
    elif module == "__main__" or "<" in name:
        given = "candidate = ...  # your function"
    else:
        first, _, rest = name.partition(".")
        given = f"from {module} import {first}\ncandidate = {first}{'.' + rest if rest else ''}"
    return f"""import numpy as np, refnorm
from refnorm.checker import inputs, packed
{given}
arrays, options = inputs("{report.operator}", "{worst.label}", dtype="{worst.dtype}", seed={report.seed})
got = packed(candidate(*arrays, **options))
arrays, options = inputs("{report.operator}", "{worst.label}", dtype="{worst.dtype}", seed={report.seed})
with refnorm.lane("formula"):
    wanted = packed(refnorm.{report.wing}.{report.operator}(*arrays, **options))
print("got", got{at}, "wanted", wanted{at})"""


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
    """Print what the checker got wrong, the margins, and the mutation score."""
    console = console or Console()
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("operator", "honest implementation", "grade", "yardsticks", ""):
        table.add_column(name, justify="right" if name == "yardsticks" else "left", overflow="fold")
    for line in result.lines:
        if line.sort == "honest":
            table.add_row(line.operator, line.name, line.grade, f"{line.yardsticks:.3g}", escape(line.said))
    console.print(table)
    for line in result.lines:
        if not line.ok:
            console.print(
                f"[red]{line.sort} '{escape(line.name)}' of {line.operator}: {escape(line.said)}[/]", soft_wrap=True
            )
    for sort in ("mistake", "null"):
        lines = [line for line in result.lines if line.sort == sort]
        console.print(f"{sort}s refused: {sum(line.ok for line in lines)} of {len(lines)}")
    refused, of = result.score
    colour = "green" if result.passed else "red"
    share = 100 * refused / of if of else 0
    score = f"mutation score {refused}/{of} ({share:.1f}%)"
    console.print(f"[bold {colour}]{score}[/], seed {result.seed}, {result.seconds:.0f} s")
