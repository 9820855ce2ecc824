"""One pool of threads for all kernels: no OpenMP, safe across fork, bitwise the same for any number."""

from __future__ import annotations

import itertools
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # 10 ms that only a large call pays
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["share", "thread_count"]

SPLIT_BYTES = 2 << 20  # handing out work costs 50-70 us: for smaller inputs one thread is faster

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_inside = threading.local()


def thread_count() -> int:
    """Return how many threads a large call may use: ``REFNORM_NUM_THREADS``, else the CPUs we may run on."""
    asked = os.environ.get("REFNORM_NUM_THREADS")
    if asked is not None:
        if not asked.isdecimal() or int(asked) < 1:
            raise ValueError(f"REFNORM_NUM_THREADS must be a whole number from 1, got {asked!r}")
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(kernel, units: int, *args) -> None:
    """Call ``kernel(lo, hi, *args)`` until all units are done, in equal shares; the caller does the first."""
    n = 1 if getattr(_inside, "worker", False) else min(thread_count(), units)
    if n < 2:
        kernel(0, units, *args)
        return
    ends = [units * i // n for i in range(n + 1)]
    futures = [_submit(kernel, lo, hi, *args) for lo, hi in itertools.pairwise(ends[1:])]
    kernel(0, ends[1], *args)
    for future in futures:
        future.result()


def _submit(kernel, *args) -> Future:
    try:
        return _the_pool().submit(kernel, *args)
    except RuntimeError:  # the interpreter is shutting down: no new threads, but the work is still owed
        from concurrent.futures import Future

        done: Future = Future()
        done.set_result(kernel(*args))
        return done


def _the_pool() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None or _pool._max_workers < thread_count() - 1:
            from concurrent.futures import ThreadPoolExecutor

            if _pool is not None:
                _pool.shutdown(wait=False)  # finishes what it has; only its size was wrong
            _pool = ThreadPoolExecutor(max(1, thread_count() - 1), "refnorm", initializer=_mark_worker)
        return _pool


def _mark_worker() -> None:
    _inside.worker = True


def _forget_pool() -> None:
    global _pool, _lock
    _pool, _lock = None, threading.Lock()  # the parent's threads do not exist in the child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
