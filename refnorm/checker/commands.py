"""The commands that judge: what they are told on the command line, and what they hand over."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

__all__ = ["check", "diagnose", "export", "include", "peers", "replay", "selftest", "verify", "write"]

SLOW = ("jax", "jit")  # compile anew for every shape and set of options
SLOWLY = 60.0


def check(arguments) -> int:
    """Judge an implementation."""
    report = judged(arguments)
    hand_over(report, arguments)
    return report.exit_code


def diagnose(arguments) -> int:
    """Say which convention, option or known mistake explains an implementation."""
    report = judged(arguments)
    layer = report.layers[-1]
    if arguments.json:
        said = report.as_dict()
        kept = ("candidate", "operator", "seed", "conforms", "named")
        write({name: said[name] for name in kept} | {"diagnosis": layer.as_dict()}, arguments.json)
    if arguments.json != "-":
        if layer.findings:
            said = [f.what for f in layer.findings]
        else:
            said = [f"{report.verdict}: {layer.skipped or 'nothing to explain'}"]
        print(*said, sep="\n")
    return report.exit_code


def replay(arguments) -> int:
    """Ask one call again, from the file that `check --save` wrote."""
    from .replay import ask_again, load

    call, told = load(arguments.file)
    with candidate_of(arguments, call.operator.name) as candidate:
        report = ask_again(candidate, call, arguments.impl, told["grade"], arguments.strict)
    report.kind = arguments.kind or ""
    hand_over(report, arguments)
    return report.exit_code


def export(arguments) -> int:
    """Write the calls of a check, with their wanted answers, to a .npz, .safetensors or .json file."""
    from .vectors import export

    asked = {"seed": arguments.seed, "dtypes": dtypes_of(arguments), "gradients": arguments.gradients}
    n = export(arguments.operator, arguments.file, **asked)
    print(f"{n} calls of {arguments.operator} in {arguments.file}")
    return 0


def verify(arguments) -> int:
    """Judge a file of answers to a file of vectors."""
    from .vectors import verify

    report = verify(arguments.file, arguments.answers, grade=arguments.grade, strict=arguments.strict)
    hand_over(report, arguments)
    return report.exit_code


def selftest(arguments) -> int:
    """Show that the checker refuses every known mistake and machine-made mutant, and fails no honest code."""
    from .selftest import selftest

    with progress() as told:
        result = selftest(arguments.operator, seed=arguments.seed, mutants=not arguments.no_mutants, progress=told)
    if arguments.json != "-":
        result.print(console())
    if arguments.json:
        write(result.as_dict(), arguments.json)
    return 0 if result.passed else 1


def peers(arguments) -> int:
    """Judge the operators of the installed frameworks."""
    from ..peers import FRAMEWORKS, absent, peers
    from . import find_operator

    unknown = [name for name in arguments.framework if name not in FRAMEWORKS]
    if unknown:
        raise ValueError(f"no framework {unknown[0]!r}; there are {', '.join(FRAMEWORKS)}")
    wanted = [find_operator(name).name for name in arguments.operator or ()]
    reports = {}
    with talk_to_stderr(arguments.json), progress() as told:
        for framework in arguments.framework or FRAMEWORKS:
            if missing := absent(framework):
                print(f"{framework}: not installed: {', '.join(missing)}", file=sys.stderr)
                continue
            for peer in peers(framework):
                if wanted and peer.operator not in wanted:
                    continue
                if told:
                    told(f"{peer.operator} of {framework}")
                reports[framework, peer.operator] = peer.judged(arguments.seed)
    if wanted and not reports:
        raise ValueError(f"no framework that is asked and installed has {', '.join(wanted)}")
    if arguments.json:
        write([{"framework": f} | report.as_dict() for (f, _), report in reports.items()], arguments.json)
    if arguments.json != "-":
        from .show import show_peers

        show_peers(reports, console())
    return 0 if reports and all(report.conforms for report in reports.values()) else 1


def include(arguments) -> int:
    """Print the folder of refnorm.h, for ``cc -I"$(refnorm include)"``."""
    from .adapters.c import include_path

    print(include_path())
    return 0


# ---- a candidate ----


def judged(arguments):
    """Return the report on the implementation that the command line names."""
    from . import BUDGET, check

    kind = (arguments.kind or "").partition(":")[0]
    usual = SLOWLY if kind in SLOW else BUDGET
    budget = usual if arguments.budget is None else arguments.budget
    with talk_to_stderr(arguments.json), candidate_of(arguments, arguments.operator) as candidate, progress() as told:
        report = check(
            candidate, arguments.operator, seed=arguments.seed, dtypes=dtypes_of(arguments), grade=arguments.grade,
            strict=arguments.strict, partial=arguments.partial, convention=arguments.convention, budget=budget,
            progress=told,
        )  # fmt: skip
    report.candidate = arguments.impl
    return report


@contextlib.contextmanager
def candidate_of(arguments, operator: str):
    """Yield the implementation: in a process of its own, unless it is to be debugged in this one."""
    from . import Remote, Spec, find_operator
    from .adapters import adapt, kind_of
    from .local import Local, require_signature

    kind = kind_of(arguments.impl, arguments.kind)
    record = find_operator(operator)
    if arguments.in_process:
        adapted = adapt(arguments.impl, kind, record, arguments.vjp)
        require_signature(adapted.call, record)
        yield Local(adapted)
        return
    spec = Spec(record.name, arguments.impl, kind, arguments.vjp)
    with Remote(spec, limit=arguments.limit, memory=int(arguments.memory * 2**30)) as candidate:
        yield candidate


def dtypes_of(arguments) -> tuple[str, ...]:
    return tuple(arguments.dtypes.split(","))


# ---- what is handed over ----


def hand_over(report, arguments) -> None:
    """Print the report, and write the files that were asked for."""
    if arguments.json != "-":
        report.print(console())
    if arguments.json:
        write(report.as_dict(), arguments.json)
    if arguments.junit:
        from .junit import junit

        Path(arguments.junit).write_text(junit(report), encoding="utf-8")
    if arguments.html:
        from .html import html

        Path(arguments.html).write_text(html(report), encoding="utf-8")
    if getattr(arguments, "save", None) and report.smallest is not None:
        from .replay import save

        save(arguments.save, report)


def console():
    from rich.console import Console

    return Console()


def talk_to_stderr(as_json):
    """A candidate that prints must not spoil the JSON on stdout."""
    return contextlib.redirect_stdout(sys.stderr) if as_json == "-" else contextlib.nullcontext()


@contextlib.contextmanager
def progress():
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


def write(data, where: str) -> None:
    """Write JSON to a file, or to stdout where that is called ``-``."""
    text = json.dumps(data, indent=2, allow_nan=False, default=list) + "\n"
    if where == "-":
        sys.stdout.write(text)
    else:
        Path(where).write_text(text, encoding="utf-8")
