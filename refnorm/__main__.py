"""The command line: ``refnorm check layer_norm --impl pkg.mod:func``."""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
import traceback

EPILOG = "exit codes: 0 conforms, 1 does not, 2 the tool or the adapter failed, 3 too few cases ran"


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (ImportError, AttributeError, OSError, TypeError, ValueError, KeyError) as error:
        print(f"refnorm: {type(error).__name__}: {_line(error)}", file=sys.stderr)
    except Exception as error:  # Python's own exit code for it, 1, would say that somebody's code is wrong
        if type(error).__name__ == "Unloadable":  # by its name: importing it would cost every command NumPy
            print(f"refnorm: {_line(error)}", file=sys.stderr)
        else:
            traceback.print_exc()
    return 2


def _line(error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


# ---- what can be said ----


def parser() -> argparse.ArgumentParser:
    """Build the parser; what a command does is imported when it is run."""
    about = "Judge implementations of normalization, pooling and projection operators."
    top = argparse.ArgumentParser("refnorm", description=about, epilog=EPILOG)
    commands = top.add_subparsers(required=True, metavar="command")
    for name, help in (("check", "judge an implementation"), ("diagnose", "say what explains an implementation")):
        sub = _command(commands, name, help)
        _operator(sub)
        _candidate(sub)
        _asked(sub)
        _graded(sub)
        sub.add_argument("--partial", action="store_true", help="judge what it offers; it declines the rest")
        sub.add_argument("--convention", metavar="NAME", help="with a framework's keyword values: torch, keras, ...")
        sub.add_argument("--budget", type=float, metavar="S", help="seconds for all calls (default 10; jax and jit 60)")
        sub.add_argument("--save", metavar="FILE", help="write the smallest failing call to FILE.json, to be replayed")
    sub = _command(commands, "replay", "ask one call again")
    sub.add_argument("file", help="what check --save wrote")
    _candidate(sub)
    _graded(sub)
    vectors = commands.add_parser("vectors", help="write golden vectors, judge answers to them", epilog=EPILOG)
    vectors = vectors.add_subparsers(required=True, metavar="what")
    sub = _command(vectors, "export", "write the calls of a check to a file")
    _operator(sub)
    sub.add_argument("file", help="ends in .npz, .safetensors or .json")
    sub.add_argument("--gradients", action="store_true", help="the calls of the operator's gradient too")
    _asked(sub)
    sub = _command(vectors, "verify", "judge a file of answers")
    sub.add_argument("file", help="what vectors export wrote")
    sub.add_argument("answers", help="arrays named as the file says: 0007/y0")
    _graded(sub)
    sub = _command(commands, "list", "list the operators", list_operators)
    _json(sub)
    sub = _command(commands, "papers", "list the papers, and how much of each is held", list_papers)
    sub.add_argument("--open", action="store_true", help="only those of which operators are missing, and which")
    _json(sub)
    _operator(_command(commands, "show", "show an operator: docstring, cases, mistakes, conventions", show))
    _operator(_command(commands, "conventions", "show the keyword values of each framework", conventions))
    sub = _command(commands, "selftest", "show that the checker refuses what is wrong, and nothing else")
    sub.add_argument("operator", nargs="*", help="all when left out")
    sub.add_argument("--no-mutants", action="store_true", help="leave out the machine-made mutants")
    _seed(sub)
    _json(sub)
    sub = _command(commands, "peers", "judge the operators of the installed frameworks")
    sub.add_argument("framework", nargs="*", help="torch, onnxruntime, keras: all that are installed when left out")
    sub.add_argument("--operator", action="append", metavar="NAME", help="only this one; may be given more than once")
    _seed(sub)
    _json(sub)
    sub = _command(commands, "stats", "take mean, variance and scatter of a file larger than memory", stats)
    sub.add_argument("data", help="rows of floating numbers: ends in .npy, .zarr or .parquet")
    sub.add_argument("--out", required=True, metavar="FILE", help="what to write, for refnorm.stats.load and np.load")
    sub.add_argument("--scatter", action="store_true", help="what is between two features too")
    sub.add_argument("--whiten", type=int, metavar="K", help="K principal axes too; implies --scatter")
    sub.add_argument("--correction", type=float, default=0, metavar="C", help="taken off n in variances (default 0)")
    sub.add_argument("--memory", type=float, default=1.0, metavar="GIB", help="memory it may take (default 1)")
    sub.add_argument("--columns", type=lambda text: text.split(","), metavar="A,B", help="of a .parquet file")
    _command(commands, "include", "print the folder of refnorm.h, the header for C")
    _command(commands, "demo", "show the main job in under a minute", demo)
    return top


def _command(commands, name: str, help: str, run=None) -> argparse.ArgumentParser:
    sub = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=EPILOG)
    sub.set_defaults(run=run or functools.partial(_judging, name))
    return sub


def _judging(name: str, arguments) -> int:
    """Run one of the commands that judge."""
    return getattr(importlib.import_module("refnorm.checker.commands"), name)(arguments)


def _operator(sub) -> None:
    sub.add_argument("operator", help="its name, as `refnorm list` shows it")


def _candidate(sub) -> None:
    group = sub.add_argument_group("the implementation")
    group.add_argument(
        "--impl", required=True, metavar="WHERE",
        help="pkg.mod:func, path/to/file.py:func, model.onnx, libmine.so, or what --as says",
    )  # fmt: skip
    group.add_argument(
        "--as", dest="kind", metavar="KIND",
        help="numpy, torch, jax, jit, cupy, xp:NAMESPACE, onnx, c, command (default: by the name)",
    )  # fmt: skip
    group.add_argument("--vjp", metavar="WHERE", help="its gradient: cotangent, arrays, options")
    group.add_argument("--limit", type=float, default=10.0, metavar="S", help="seconds an answer may take (default 10)")
    group.add_argument("--memory", type=float, default=4.0, metavar="GIB", help="memory it may take (default 4)")
    group.add_argument("--in-process", action="store_true", help="run it in this process, for a debugger")


def _asked(sub) -> None:
    _seed(sub)
    sub.add_argument(
        "--dtypes", default="float32,float64", help="of float16, bfloat16, float32, float64 (default %(default)s)"
    )


def _graded(sub) -> None:
    sub.add_argument("--grade", default="C", choices="ABC", help="the lowest that conforms (default %(default)s)")
    sub.add_argument("--strict", action="store_true", help="let findings fail")
    _json(sub)
    sub.add_argument("--junit", metavar="FILE", help="write JUnit XML")
    sub.add_argument("--html", metavar="FILE", help="write one page with plots")


def _json(sub) -> None:
    sub.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write JSON to FILE, - for stdout")


def _seed(sub) -> None:
    sub.add_argument("--seed", type=int, help="what inputs are drawn from; fresh when left out")


# ---- the book ----


def list_operators(arguments) -> int:
    """List the operators."""
    from ._registry import OPERATORS

    rows = [_record(op) for op in OPERATORS.values()]
    if arguments.json:
        from .checker.commands import write

        write(rows, arguments.json)
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("operator", "wing", "summary", "kernel", "gradient", "papers", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for row in rows:
        marks = ["yes" if row[k] else "" for k in ("kernel", "gradient")]
        table.add_row(row["name"], row["wing"], row["summary"], *marks, "\n".join(row["papers"]))
    Console().print(table, markup=False)
    return 0


def list_papers(arguments) -> int:
    """List the papers, and how much of each is held."""
    from ._papers import OPEN, STATUSES, shelf

    rows = [row for row in shelf() if row["status"] in OPEN or not arguments.open]
    if arguments.json:
        from .checker.commands import write

        write(rows, arguments.json)
        return 0
    from rich.console import Console
    from rich.table import Table

    last = "missing" if arguments.open else "operators"
    table = Table("paper", "year", "arxiv", "status", last, box=None, pad_edge=False)
    table.columns[2].no_wrap = True
    table.columns[4].overflow = "fold"
    for row in rows:
        paper = row["title"] if arguments.open or not row["heart"] else f"{row['title']}\n{row['heart']}"
        names = "\n".join(row[last]) or ("cited by no operator" if arguments.open else "")
        table.add_row(paper, str(row["year"] or ""), row["arxiv"], row["status"], names)
    Console().print(table, markup=False)
    counted = [(sum(row["status"] == status for row in rows), status) for status in STATUSES]
    print(f"\n{len(rows)} papers:", ", ".join(f"{n} {status}" for n, status in counted if n))
    return 0


def show(arguments) -> int:
    """Show an operator: signature, docstring, cases, mistakes, conventions."""
    import inspect

    op = _found(arguments.operator)
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
    op = _found(arguments.operator)
    for framework, options in op.conventions.items():
        said = ", ".join(f"{k}={v!r}" for k, v in options.items())
        note = op.notes[framework]
        print(f"  {framework}: {said}" + (f"  ({note})" if note else ""))
    return 0


def stats(arguments) -> int:
    """Take the statistics of a file, block by block."""
    from ._stream import stats

    return stats(arguments)


def demo(arguments) -> int:
    """Show the main job in under a minute: both lanes, verdicts, error and time."""
    from .demo import run

    return run() or 0


# ---- helpers ----


def _found(name: str):
    from .checker import find_operator

    return find_operator(name).load_card()


def _record(op) -> dict:
    summary = (op.function.__doc__ or "").strip().splitlines()[0]
    return {
        "name": op.name, "wing": op.wing, "summary": summary, "kernel": op.kernel is not None,
        "gradient": op.gradient is not None, "papers": list(op.papers), "cases": len(op.cases),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
