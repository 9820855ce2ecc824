"""Time our kernels against torch, torch.compile, onnxruntime, numba, JAX and NumPy:
``python asv_bench/peers.py layer_norm --threads 1``.

Each family runs in a process of its own; in it our call and theirs take turns, and medians are compared. Forward calls
write to memory that is there already, where the rival can; every process reuses freed heap (MALLOC_MMAP_MAX_=0,
MALLOC_TRIM_THRESHOLD_=16 GiB: "nofault"), or three quarters of a large torch call would be page faults. A ratio above 1
says how many times faster ours is. float32 where the case does not say otherwise, formulas checked to agree before
they are timed. On a busy machine the wall clock counts who else had the core, and a long call more often than a short
one: `--threads 1 --clock cpu` counts what the process was charged.
"""

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
from rivals import CASES, CLOCKS, FAMILIES, NOFAULT, medians, ours, require_agreement

from refnorm import OPERATORS
from refnorm._lanes import cpu_level
from refnorm._threads import thread_count


def main(argv=None) -> int:
    arguments = parser().parse_args(argv)
    chosen = [c for c in CASES if not arguments.case or any(word in c.label for word in arguments.case)]
    if arguments.clock == "cpu" and arguments.threads != 1:
        print("--clock cpu adds threads up: it goes with --threads 1", file=sys.stderr)
        return 2
    if not chosen:
        print(f"no such case; there are {', '.join(c.label for c in CASES)}", file=sys.stderr)
        return 2
    if arguments.inside:
        for record in inside(arguments.inside, chosen, arguments):
            print(json.dumps(record), flush=True)
        return 0
    records, absent = [], []
    for family in arguments.family or FAMILIES:
        if all(importlib.util.find_spec(module) for module in needs(family)):
            records += in_its_own_process(family, arguments)
        else:
            absent.append(family)
    if arguments.json:
        print(json.dumps({"schema": "refnorm.peers/1", "absent": absent, "records": records}, indent=2))
    else:
        show(records, absent, arguments)
    return 0 if records else 1


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    cases = ", ".join(c.label for c in CASES)
    words.add_argument("case", nargs="*", help=f"part of a name; all when left out: {cases}")
    words.add_argument("--threads", type=int, default=thread_count(), help="of both sides (default %(default)s)")
    words.add_argument("--family", action="append", choices=FAMILIES, help="only these rivals (may be repeated)")
    words.add_argument("--seconds", type=float, default=2.0, help="for each case and family (default %(default)s)")
    words.add_argument("--clock", choices=CLOCKS, default="wall", help="(default %(default)s)")
    words.add_argument("--json", action="store_true", help="records in place of the table")
    words.add_argument("--inside", choices=FAMILIES, help=argparse.SUPPRESS)
    return words


def needs(family: str) -> tuple[str, ...]:
    return {"onnxruntime": ("onnxruntime", "onnx"), "inductor": ("torch",)}.get(family, (family,))


def in_its_own_process(family: str, arguments) -> list[dict]:
    """Run this file again for one family; tell progress on stderr."""
    command = [sys.executable, __file__, "--inside", family, "--threads", str(arguments.threads)]
    command += ["--seconds", str(arguments.seconds), "--clock", arguments.clock, *arguments.case]
    threads = dict.fromkeys(("REFNORM_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(arguments.threads))
    given = NOFAULT | threads | {"REFNORM_LANE": "kernel"}  # nothing falls back unseen
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | given)
    records = []
    for line in child.stdout:
        records.append(json.loads(line))
        print(f"{family}: {records[-1]['case']}: {records[-1]['ratio']}", file=sys.stderr)
    if child.wait():
        print(f"{family}: stopped with exit code {child.returncode}", file=sys.stderr)
    return records


def inside(family: str, chosen, arguments):
    """Yield one record for each call that the family has."""
    rival = importlib.import_module(f"rivals.with_{family}")
    rival.use_threads(arguments.threads)
    for case in (c for c in chosen if c.operator in OPERATORS):
        arrays = case.arrays()
        us = ours(case, arrays)
        calls = dict(rival.calls(case, arrays))
        for name, call in calls.items():
            require_agreement(f"{family} {case.label} {name}", call(), us())
        if calls:
            yield from compared(case, family, {"ours": us, **calls}, arguments)


def compared(case, family, calls, arguments):
    median, turns = medians(calls, arguments.seconds, CLOCKS[arguments.clock])
    for name in median.keys() - {"ours"}:
        yield {
            "case": case.label, "operator": case.operator, "family": family, "call": name, "turns": turns,
            "threads": arguments.threads, "clock": arguments.clock,
            "ours_us": round(1e6 * median["ours"], 2), "theirs_us": round(1e6 * median[name], 2),
            "ratio": round(median[name] / median["ours"], 3),
        }  # fmt: skip


def show(records, absent, arguments) -> None:
    table = Table("case", "rival", "ours, µs", "theirs, µs", "ours is x times as fast", box=None, pad_edge=False)
    order = [case.label for case in CASES]
    before = None
    for r in sorted(records, key=lambda r: (order.index(r["case"]), r["ratio"])):
        times = (f"{r['ours_us']:,.1f}", f"{r['theirs_us']:,.1f}", f"{r['ratio']:.2f}")
        table.add_row("" if r["case"] == before else r["case"], f"{r['family']}: {r['call']}", *times)
        before = r["case"]
    for column in table.columns[2:]:
        column.justify = "right"
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    how = f"threads: {arguments.threads}, kernels: {cpu_level()}, {arguments.clock} clock"
    console.print(f"float32 where not said otherwise, {how}; medians, calls taking turns, one process a family")
    if absent:
        console.print(f"not installed: {', '.join(absent)}")


if __name__ == "__main__":
    sys.exit(main())
