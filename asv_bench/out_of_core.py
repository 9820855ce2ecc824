"""Standardise, whiten and project more embeddings than fit in memory: ``python asv_bench/out_of_core.py --rows 1e7``.

Rows are made chunk by chunk (or, with ``--file``, written to a file once and read again), twice: once for their
statistics, once for what is done with them. Prints one JSON record: rates, the largest memory, and beside them what
reading the rows costs alone, and a plain float64 pass of NumPy over the same chunks.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import threading
import time
from pathlib import Path
from queue import Queue

import numpy as np

import refnorm
from refnorm.stats import Scatter

FEATURES, WHITE, PROJECTED = 256, 64, 32
CHUNK = 2**15


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--file", help="a .npy file to write, read and remove; made chunks when left out")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="threads (default: CPUs)")
    arguments = parser.parse_args()
    rows = int(arguments.rows)
    pool = drawn()
    if arguments.file:
        with open(arguments.file, "wb") as file:
            about = {"descr": "<f4", "fortran_order": False, "shape": (rows, FEATURES)}
            np.lib.format.write_array_header_1_0(file, about)
            for chunk in made(pool, rows):
                file.write(memoryview(chunk).cast("B"))
            os.fsync(file.fileno())
    try:
        print(json.dumps(measured(arguments, rows, pool), indent=1))
    finally:
        if arguments.file:
            Path(arguments.file).unlink()


def measured(arguments, rows, pool) -> dict:
    """Return the record of both passes, and of what they are held against."""

    def source():
        return read(arguments.file, rows) if arguments.file else made(pool, rows)

    record = {
        "rows": rows,
        "features": FEATURES,
        "workers": arguments.workers,
        "source": "file" if arguments.file else "made",
    }
    start = time.perf_counter()
    for chunk in source():
        chunk.max()  # every number is touched
    record["reading_s"] = time.perf_counter() - start
    start = time.perf_counter()
    states = [Scatter() for _ in range(arguments.workers)]
    share(states, source(), lambda state, chunk: state.update(chunk))
    state = Scatter()
    for part in states:
        state.merge(part)
    record["statistics_s"] = time.perf_counter() - start
    start = time.perf_counter()
    found, axes, matrix = state.finalize(), state.axes(rank=WHITE), projection()
    checks = [Scatter() for _ in range(arguments.workers)]
    share(checks, source(), lambda check, chunk: check.update(applied(chunk, found, axes, matrix)[::64]))
    record["applying_s"] = time.perf_counter() - start
    record["peak_memory_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    record |= beside(pool, rows)
    check = Scatter()
    for part in checks:
        check.merge(part)
    record["variance_of_white"] = [float(v) for v in np.quantile(check.finalize().var[:WHITE], [0, 1])]
    record["rows_per_s"] = rows / (record["statistics_s"] + record["applying_s"])
    record["same_in_another_order"] = again(pool)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in record.items()}


def applied(chunk, found, axes, matrix):
    """Return a chunk standardised, whitened and projected at random, side by side."""
    standard = refnorm.norm.batch_norm(chunk, *(a.astype(np.float32) for a in found[1:3]), axis=-1, eps=0.0)
    white = refnorm.proj.pca_whiten(chunk, *axes)
    projected = refnorm.proj.count_sketch(standard, *matrix, output_size=PROJECTED)
    return np.concat([white, projected], axis=-1)


def projection():
    """Return a sparse random projection, from its seed alone."""
    rng = np.random.default_rng(2)
    return rng.integers(0, PROJECTED, FEATURES), rng.choice(np.float32([-1, 1]), FEATURES)


def drawn():
    """Return correlated embeddings of which chunks are made: to draw each number anew would take longest of all."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(FEATURES, FEATURES)) / FEATURES**0.5 + np.eye(FEATURES)
    return (rng.normal(size=(4 * CHUNK, FEATURES)) @ mix + 10).astype(np.float32)


def made(pool, rows):
    """Yield chunks of rows: those drawn, from another place and scaled by another number each time."""
    rng = np.random.default_rng(1)
    for start in range(0, rows, CHUNK):
        at = rng.integers(0, pool.shape[0] - CHUNK)
        yield pool[at : at + min(CHUNK, rows - start)] * np.float32(rng.uniform(0.5, 2))


def read(path, rows):
    """Yield chunks of rows of a file."""
    from refnorm._stream import open_rows

    with open_rows(path) as file:
        for block in file.blocks(CHUNK * FEATURES * 4):
            yield block.copy()  # another thread works on it while the next is read


def share(states, chunks, work) -> None:
    """Give chunks to one thread for each state."""
    queue = Queue(maxsize=2)

    def serve(state):
        while (chunk := queue.get()) is not None:
            work(state, chunk)

    threads = [threading.Thread(target=serve, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for chunk in chunks:
        queue.put(chunk)
    for _ in threads:
        queue.put(None)
    for thread in threads:
        thread.join()


def beside(pool, rows) -> dict:
    """Return how long a plain pass takes: float64 sums and products, by NumPy, of some chunks."""
    some = list(made(pool, min(rows, 8 * CHUNK)))
    start = time.perf_counter()
    for chunk in some:
        wide = chunk.astype(np.float64)
        wide.sum(axis=0), wide.T @ wide
    seconds = time.perf_counter() - start
    return {"plain_statistics_s": seconds * rows / sum(map(len, some))}


def again(pool) -> bool:
    """Return whether chunks in another order, merged as a tree, give the same bits."""
    chunks = list(made(pool, 8 * CHUNK))
    one, other = Scatter(), [Scatter().update(chunk) for chunk in reversed(chunks)]
    for chunk in chunks:
        one.update(chunk)
    while len(other) > 1:
        other = [a.merge(b) for a, b in zip(other[::2], other[1::2], strict=True)]
    return all(np.array_equal(a, b) for a, b in zip(one.finalize(), other[0].finalize(), strict=True))


if __name__ == "__main__":
    main()
