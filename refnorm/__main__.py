"""The command line: ``refnorm check layer_norm --impl pkg.mod:func``."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import sys
import traceback

EPILOG = "exit codes: 0 conforms, 1 does not, 2 the tool or the adapter failed, 3 too few cases ran"


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (ImportError, AttributeError, OSError, TypeError, ValueError, KeyError) as error:
        print(f"refnorm: {type(error).__name__}: {error}", file=sys.stderr)
    except Exception:  # Python's own exit code for it, 1, would say that somebody's code is wrong
        traceback.print_exc()
    return 2


def parser() -> argparse.ArgumentParser:
    """Build the parser; every command's function is read from `run`."""
    about = "Judge implementations of normalization, pooling and projection operators."
    top = argparse.ArgumentParser("refnorm", description=about, epilog=EPILOG)
    command = functools.partial(_command, top.add_subparsers(required=True, metavar="command"))
    operator = (["operator"], {"help": "its name, as `refnorm list` shows it"})
    as_json = (["--json"], {"nargs": "?", "const": "-", "metavar": "FILE", "help": "write JSON to FILE, - for stdout"})
    seed = (["--seed"], {"type": int, "help": "what inputs are drawn from; fresh when left out"})
    command(
        check, "check", operator, as_json, seed,
        (["--impl"], {"required": True, "metavar": "WHERE", "help": "pkg.mod:func or path/to/file.py:func"}),
        (["--dtypes"], {"default": "float32,float64", "help": "comma-separated (default %(default)s)"}),
        (["--grade"], {"default": "C", "choices": "ABC", "help": "the lowest that conforms (default %(default)s)"}),
        (["--strict"], {"action": "store_true", "help": "let findings fail"}),
        (["--partial"], {"action": "store_true", "help": "judge what it offers; it declines by NotImplementedError"}),
        (["--budget"], {"type": float, "default": 60.0, "metavar": "S", "help": "seconds (default %(default)s)"}),
    )  # fmt: skip
    command(list_operators, "list", as_json)
    command(show, "show", operator)
    command(conventions, "conventions", operator)
    command(selftest, "selftest", (["operator"], {"nargs": "*", "help": "all when left out"}), as_json, seed)
    command(
        peers, "peers", as_json, seed,
        (["framework"], {"nargs": "*", "help": "torch, onnxruntime, keras: all that are installed when left out"}),
    )  # fmt: skip
    command(demo, "demo")
    return top


def _command(commands, run, name: str, *arguments) -> None:
    sub = commands.add_parser(name, help=run.__doc__.rstrip("."), description=run.__doc__, epilog=EPILOG)
    sub.set_defaults(run=run)
    for flags, more in arguments:
        sub.add_argument(*flags, **more)


# ---- commands ----


def check(arguments) -> int:
    """Judge an implementation."""
    from .checker import check
    from .checker.load import load

    with _talk_to_stderr(arguments.json):
        candidate = load(arguments.impl)
        with _progress() as progress:
            report = check(
                candidate, arguments.operator, seed=arguments.seed, dtypes=tuple(arguments.dtypes.split(",")),
                grade=arguments.grade, strict=arguments.strict, partial=arguments.partial, budget=arguments.budget,
                progress=progress,
            )  # fmt: skip
    report.candidate = arguments.impl
    _hand_over(report, arguments.json)
    return report.exit_code


def selftest(arguments) -> int:
    """Show that the checker refuses every known mistake and fails no honest code."""
    from .checker.selftest import selftest

    with _progress() as progress:
        result = selftest(arguments.operator, seed=arguments.seed, progress=progress)
    _hand_over(result, arguments.json)
    return 0 if result.passed else 1


def peers(arguments) -> int:
    """Judge the operators of the installed frameworks."""
    from .checker import check
    from .peers import FRAMEWORKS, absent, peers

    unknown = [name for name in arguments.framework if name not in FRAMEWORKS]
    if unknown:
        raise ValueError(f"no framework {unknown[0]!r}; there are {', '.join(FRAMEWORKS)}")
    reports = {}
    with _talk_to_stderr(arguments.json), _progress() as progress:
        for framework in arguments.framework or FRAMEWORKS:
            if missing := absent(framework):
                print(f"{framework}: not installed: {', '.join(missing)}", file=sys.stderr)
                continue
            for peer in peers(framework):
                if progress:
                    progress(f"{peer.operator} of {framework}")
                reports[framework, peer.operator] = check(
                    peer.function, peer.operator, seed=arguments.seed, dtypes=peer.dtypes, partial=True
                )
    if arguments.json:
        _write([{"framework": f} | report.as_dict() for (f, _), report in reports.items()], arguments.json)
    if arguments.json != "-":
        from .checker.show import show_peers

        show_peers(reports, _console())
    return 0 if reports and all(report.conforms for report in reports.values()) else 1


def list_operators(arguments) -> int:
    """List the operators."""
    from ._registry import OPERATORS

    rows = [_record(op) for op in OPERATORS.values()]
    if arguments.json:
        _write(rows, arguments.json)
        return 0
    from rich.table import Table

    table = Table("operator", "wing", "summary", "kernel", "gradient", "papers", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for row in rows:
        marks = ["yes" if row[k] else "" for k in ("kernel", "gradient")]
        table.add_row(row["name"], row["wing"], row["summary"], *marks, "\n".join(row["papers"]))
    _console().print(table, markup=False)
    return 0


def show(arguments) -> int:
    """Show an operator: signature, docstring, cases, mistakes, conventions."""
    import inspect

    op = _operator(arguments.operator)
    print(f"refnorm.{op.wing}.{op.name}{inspect.signature(op.function)}\n\n{inspect.getdoc(op.function)}\n")
    print("Cases")
    for case in op.cases:
        shapes = ", ".join("None" if d is None else str(getattr(d, "shape", "list")) for d in case.draws)
        print(f"  {case.label}: {shapes}{''.join(f', {k}={v!r}' for k, v in case.options.items())}")
    print("\nLaws", *(f"  {law.name}" for law in op.laws), sep="\n")
    print("\nKnown mistakes", *(f"  {m.name} ({m.kind})" for m in op.mistakes), sep="\n")
    print("\nConventions")
    return conventions(arguments)


def conventions(arguments) -> int:
    """Show with what keyword values an operator equals each framework's."""
    op = _operator(arguments.operator)
    for framework, options in op.conventions.items():
        said = ", ".join(f"{k}={v!r}" for k, v in options.items())
        note = op.notes[framework]
        print(f"  {framework}: {said}" + (f"  ({note})" if note else ""))
    return 0


def demo(arguments) -> int:
    """Show the main job in under a minute: both lanes, verdicts, error and time."""
    from .demo import run

    return run() or 0


# ---- helpers ----


def _operator(name: str):
    from .checker import find_operator

    return find_operator(name).load_card()


def _record(op) -> dict:
    summary = (op.function.__doc__ or "").strip().splitlines()[0]
    return {
        "name": op.name, "wing": op.wing, "summary": summary, "kernel": op.kernel is not None,
        "gradient": op.gradient is not None, "papers": list(op.papers), "cases": len(op.cases),
    }  # fmt: skip


def _console():
    from rich.console import Console

    return Console()


def _talk_to_stderr(as_json):
    """A candidate that prints must not spoil the JSON on stdout."""
    return contextlib.redirect_stdout(sys.stderr) if as_json == "-" else contextlib.nullcontext()


@contextlib.contextmanager
def _progress():
    """Yield what to tell the progress to: a spinner on a terminal's stderr, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("drawing", total=None)
        yield lambda what: bar.update(task, description=what)


def _hand_over(result, as_json) -> None:
    if as_json != "-":
        result.print(_console())
    if as_json:
        _write(result.as_dict(), as_json)


def _write(data, where: str) -> None:
    text = json.dumps(data, indent=2, allow_nan=False, default=list) + "\n"
    if where == "-":
        sys.stdout.write(text)
    else:
        with open(where, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
