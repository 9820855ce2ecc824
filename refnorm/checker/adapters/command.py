"""A command line, run once a call: ``./mynorm --fast IN OUT`` reads one tensors file and writes another.

IN holds the arrays as ``x0, x1, ...`` (none where the call has None) and, as metadata, `operator` and `options` in
JSON. OUT holds the answer as ``y0``, and ``y1, ...`` where there are several. Exit status 77 says: not offered.

A gradient is a command line of its own, ``--vjp './mynorm --gradient'``. Its IN holds the cotangents as ``g0, g1, ...``
besides, and its OUT the cotangent of every floating input that is there, ``y2`` that of ``x2``.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from ..._registry import Operator
from ..formats import SUFFIXES, read, write
from ..manifest import lay_out, options_text
from . import Adapted

__all__ = ["DECLINES", "adapt", "gradient"]

DECLINES = 77  # what test suites of C programs exit with to say "skipped"
LARGEST = 2**24  # numbers that one call writes to a file: half a gigabyte of JSON
KEPT = 2**16  # bytes of what a program prints, the last ones
LAYOUTS = (
    "negative strides", "transposed memory", "strides with gaps", "memory that starts off a boundary",
    "read-only arrays", "strides of zero", "2^23 rows",
)  # fmt: skip


def adapt(where: str, operator: Operator, *, name: str = "json", limit: float = 10.0) -> Adapted:
    """Return a command as the checker asks it; `name` is the format, json, npz or safetensors (``--as command:npz``).

    `limit` is the seconds that one call may take.
    """
    ask = _asking(where, name, limit)

    def call(*arrays, **options):
        found = ask(operator.name, lay_out("x", arrays)[0], options)
        names = [f"y{i}" for i in range(len(found))] or ["y0"]
        _require(found, names, "y0, y1, ...")
        return tuple(found[name] for name in names) if len(names) > 1 else found["y0"]

    return Adapted(call, cannot=dict.fromkeys(LAYOUTS, "arrays go through a file"))


def gradient(where: str, operator: Operator, *, name: str = "json", limit: float = 10.0) -> Callable:
    """Return a command that answers with gradients, as the checker asks it."""
    ask = _asking(where, name, limit)

    def vjp(cotangent, *arrays, **options):
        if any(isinstance(a, list | tuple) for a in arrays):
            raise NotImplementedError("a list of arrays in one place has no gradient in a file")
        pulled = lay_out("g", cotangent if isinstance(cotangent, tuple) else [cotangent])[0]
        inputs, names = lay_out("x", arrays)
        # what holds indices has no gradient
        wanted = [x and inputs[x].dtype.kind not in "iub" and f"y{x[1:]}" for x in names]
        found = ask(f"{operator.name}_vjp", pulled | inputs, options)
        _require(found, [y for y in wanted if y], ", ".join(y for y in wanted if y))
        return tuple(found[y] if y else None for y in wanted)

    return vjp


def _asking(where: str, name: str, limit: float) -> Callable:
    """Return a function that hands tensors and options to a command, and returns the tensors that it writes."""
    words = shlex.split(where)
    if not words:
        raise ValueError(f"expected a command line such as './mynorm --fast', got {where!r}")
    program = shutil.which(words[0])
    if program is None:
        raise FileNotFoundError(f"there is no program {words[0]!r}: expected one that can be run, as in './mynorm'")
    if f".{name}" not in SUFFIXES:
        raise ValueError(f"expected a format of {', '.join(s[1:] for s in SUFFIXES)}, got {name!r}")
    command = [os.path.abspath(program), *words[1:]]

    def ask(function: str, tensors: dict, options: dict) -> dict:
        if (size := sum(a.size for a in tensors.values())) > LARGEST:
            raise NotImplementedError(f"{size:,} numbers are too many for a file")
        with tempfile.TemporaryDirectory(prefix="refnorm-", ignore_cleanup_errors=True) as folder:
            given, answer = (Path(folder, f"{file}.{name}") for file in ("in", "out"))
            write(given, tensors, {"operator": function, "options": options_text(options)})
            _run([*command, str(given), str(answer)], limit)
            return _answer(answer)

    return ask


def _run(command: list[str], limit: float) -> None:
    """Run a program to its end, and whatever it has started; raise what is to be said of how it ended."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    heard = [_Listener(process.stdout), _Listener(process.stderr)]
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"gives no answer within {limit:g} s") from None
    finally:
        _kill(process)
        said = [listener.last_line() for listener in heard]
    last = said[1] or said[0]
    if status == DECLINES:
        raise NotImplementedError(last or f"exits with status {DECLINES}")
    if status:
        how = f"is killed by {_signal(-status)}" if status < 0 else f"exits with status {status}"
        raise RuntimeError(f"{how}: {last}" if last else how)


def _kill(process: subprocess.Popen) -> None:
    """End a program and its children: those that it left behind would hold the machine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Listener(threading.Thread):
    """Reads what a program prints, for a full pipe would stop it, and keeps the end of it."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.kept = pipe, b""
        self.start()

    def run(self) -> None:
        while piece := self.pipe.read1(KEPT):
            self.kept = (self.kept + piece)[-KEPT:]

    def last_line(self) -> str:
        self.join(1.0)  # one that fled from its group may hold the pipe open for ever
        if not self.is_alive():
            self.pipe.close()
        lines = self.kept.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""


def _answer(path: Path) -> dict:
    try:
        return read(path)[0]
    except FileNotFoundError:
        raise RuntimeError("writes no answer") from None
    except ValueError as error:
        raise ValueError(f"writes a malformed answer: {error.__cause__ or error}") from error


def _require(found: dict, names: list[str], expected: str) -> None:
    if set(found) != set(names):
        raise ValueError(f"writes {', '.join(found)[:100] or 'nothing'}, expected {expected}")
