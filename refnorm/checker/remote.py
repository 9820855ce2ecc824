"""A candidate in a process of its own: its crash, hang or flood of memory is a finding, and no end of the run."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass

from . import wire
from .answer import Reply, Request

__all__ = ["Remote", "Spec", "Unloadable"]

STARTING = 120.0  # seconds in which a candidate must have been loaded: frameworks are slow to import
RESTARTS = 3


class Unloadable(Exception):
    """An implementation could not be loaded, or not be called as the operator is."""


@dataclass(frozen=True)
class Spec:
    """Where an implementation of an operator is, as text: all that the other process is told."""

    operator: str
    where: str
    kind: str = "numpy"
    vjp: str | None = None


class Remote:
    """A candidate in a process of its own, started anew where it dies.

    `limit` is the seconds that one answer may take, `memory` the bytes it may ask for beyond what loading took.
    """

    def __init__(self, spec: Spec, *, limit: float = 10.0, memory: int = 4 * 2**30):
        self.spec, self.limit, self.memory = spec, limit, memory
        self.filled: dict = {}
        self.deaths = 0
        self._start()

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def gone(self) -> str:
        """Say why nothing more is asked: every start takes time, and the finding is clear."""
        return f"its process died {self.deaths} times" if self.deaths > RESTARTS else ""

    def send(self, request: Request) -> Reply:
        """Put one request; what kills or stalls the process is its error."""
        if self.process is None:
            self._start()
        try:
            wire.send(self.process.stdin, asdict(request))
            told = self._receive(self.limit)
        except TimeoutError as error:
            self.close()
            self.deaths += 1
            return Reply(error=f"hangs: {error}")
        except (EOFError, BrokenPipeError):
            return Reply(error=self._death())
        return Reply(**told)

    def close(self) -> None:
        """End the process and all that it started."""
        process, self.process = self.process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (AttributeError, ProcessLookupError, PermissionError):  # no process groups, or it is gone
            process.kill()
        process.wait()
        process.stdin.close()
        self.reader.join()
        process.stdout.close()

    # ---- the process ----

    def _start(self) -> None:
        # the same path as here, and nothing of the current directory before it
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__package__}.worker import main; sys.exit(main())"
        command = [sys.executable, "-P", "-c", code]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=-1
        )
        self.frames: queue.Queue = queue.Queue()
        self.reader = threading.Thread(target=_read, args=(self.process.stdout, self.frames), daemon=True)
        self.reader.start()
        try:
            wire.send(self.process.stdin, asdict(self.spec) | {"memory": self.memory})
            told = self._receive(STARTING)
        except TimeoutError:
            self.close()
            raise Unloadable(f"{self.spec.where} is not loaded within {STARTING:.0f} s") from None
        except (EOFError, BrokenPipeError):
            raise Unloadable(f"loading {self.spec.where} {self._death()}") from None
        if "error" in told:
            self.close()
            raise Unloadable(told["error"])
        self.cannot, self.defaults = told["cannot"], told["defaults"]
        self.has_vjp, self.takes_out, self.versions = told["has_vjp"], told["takes_out"], told["versions"]

    def _receive(self, seconds: float):
        try:
            frame = self.frames.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"no answer within {seconds:.0f} s") from None
        if isinstance(frame, Exception):
            raise EOFError(str(frame))
        return frame

    def _death(self) -> str:
        """Say how the process ended."""
        self.deaths += 1
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it closed its end and lives on
            code = None
        self.close()
        if code is None:
            return "closes the pipe to the checker"
        if code < 0:
            return f"kills its process: {signal.Signals(-code).name}"
        return f"ends its process with exit status {code}"


def _read(file, frames: queue.Queue) -> None:
    try:
        while True:
            frames.put(wire.receive(file))
    except (EOFError, OSError, ValueError) as error:
        frames.put(error)
