"""``refnorm stats``: statistics of a file that is larger than memory, block by block."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import sys
from pathlib import Path

import numpy as np

from ._core.triples import require_rank
from .stats import Moments, Scatter

__all__ = ["NpyFile", "ParquetFile", "ZarrFile", "open_rows", "stats"]

GIB = 2**30
STANDING = GIB // 4  # Python, NumPy and a reading library themselves, and the pieces that statistics work on
MOST = 2**26  # bytes read at once: more makes nothing faster
LIVE = 8  # scatter matrices alive while two are merged, each in two parts


def stats(arguments) -> int:
    """Take the statistics of a file, and write them to another."""
    rank = arguments.whiten
    state = Scatter() if arguments.scatter or rank is not None else Moments()
    with open_rows(arguments.data, arguments.columns) as rows:
        if rank is not None:
            require_rank(rank, rows.features)
        if not rows.count > arguments.correction >= 0:
            raise ValueError(f"--correction must be 0 or more and below the {rows.count} rows of {arguments.data}")
        if Path(arguments.out).exists() and Path(arguments.out).samefile(arguments.data):
            raise ValueError(f"--out {arguments.out} is the file that is read")
        size = block_bytes(rows, arguments.memory, matrix=type(state) is Scatter)
        with progress(rows.count) as told:
            for block in rows.blocks(size):
                state.update(block)
                told(block.shape[0])
    if state.count != rows.count:
        raise ValueError(f"{arguments.data}: announces {rows.count} rows, and holds {state.count}")
    found = state.finalize(correction=arguments.correction)
    beside = {"found_mean": found.mean, "found_var": found.var, "found_std": found.std}
    if rank is not None:
        axes = state.axes(rank=rank, correction=arguments.correction)
        beside |= {f"axes_{name}": part for name, part in axes._asdict().items()}
    state.save(arguments.out, **beside)
    unclear = int(np.isnan(found.var).sum())
    print(f"{state!r} of {arguments.data} in {arguments.out}" + (f"; {unclear} features are NaN" if unclear else ""))
    return 0


def block_bytes(rows, memory, *, matrix) -> int:
    """Return how many bytes may be read at once; refuse a bound on memory, in GiB, that nothing fits in."""
    if not 0 < memory < math.inf:
        raise ValueError(f"--memory must be a number of GiB above 0, got {memory!r}")
    standing = STANDING + (LIVE * 16 * rows.features**2 if matrix else 0)
    room = int(memory * GIB) - standing
    least = 4 * rows.least  # what is read, what a library unpacks it from, and their copies
    if room < least:
        wanted = (standing + least) / GIB
        raise ValueError(f"--memory {memory:g} is too little for this file: {wanted:.2f} GiB at least")
    return max(rows.least, min(MOST, room // 4))


@contextlib.contextmanager
def progress(count):
    """Yield what to tell a number of rows to: a bar on a terminal's stderr, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda n: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=count)
        yield lambda n: bar.advance(task, n)


# ---- files ----


def open_rows(path, columns=None):
    """Return a file of rows by the ending of its name, to be opened by ``with``."""
    endings = {".npy": NpyFile, ".zarr": ZarrFile, ".parquet": ParquetFile}
    path = Path(path)
    ending = ".zarr" if any(folder.suffix == ".zarr" for folder in path.parents) else path.suffix
    if ending not in endings:
        raise ValueError(f"{path}: a name ending in {', '.join(endings)} was expected")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if columns and ending != ".parquet":
        raise ValueError("--columns: only a .parquet file has columns with names")
    return endings[ending](path, columns) if columns else endings[ending](path)


def need(module, path):
    """Return an optional library; say what it is needed for where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise ImportError(f"{path}: reading it needs {name}, which is not installed: pip install {name}") from None


def require_table(path, shape, dtype) -> None:
    """Refuse what is no table of floating numbers, before any of it is read."""
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise ValueError(f"{path}: floating numbers of 16, 32 or 64 bits were expected, got {dtype}")
    if len(shape) != 2 or shape[1] == 0:
        raise ValueError(f"{path}: shape (n, features) was expected, got {tuple(shape)}")


class NpyFile:
    """A .npy file, read in order without mapping it: mapped pages would count as memory."""

    def __init__(self, path):
        self.file = open(path, "rb")  # noqa: SIM115  (closed by __exit__)
        try:
            version = np.lib.format.read_magic(self.file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in read:
                raise ValueError(f"version {version} of the format")
            shape, by_columns, self.dtype = read[version](self.file)
        except ValueError as error:
            self.file.close()
            raise ValueError(f"{path}: no .npy file that can be read: {error}") from None
        try:
            require_table(path, shape, self.dtype)
            there = os.fstat(self.file.fileno()).st_size - self.file.tell()
            if there < math.prod(shape) * self.dtype.itemsize:
                raise ValueError(f"{path}: cut short: {shape} of {self.dtype} announced, {there} bytes held")
            if by_columns and shape[1] > 1:
                raise ValueError(f"{path}: is in Fortran order, column after column; save np.ascontiguousarray of it")
        except ValueError:
            self.file.close()
            raise
        self.count, self.features = shape
        self.least = self.features * self.dtype.itemsize

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def blocks(self, size):
        """Yield some rows at a time, of at most so many bytes, in memory that is used again."""
        room = np.empty((max(1, min(size // self.least, self.count)), self.features), dtype=self.dtype)
        for start in range(0, self.count, room.shape[0]):
            block = room[: self.count - start]
            self.file.readinto(memoryview(block).cast("B"))
            yield block


class ZarrFile:
    """A zarr array, read by whole chunks."""

    def __init__(self, path):
        self.array = need("zarr", path).open(path, mode="r")
        if not hasattr(self.array, "chunks"):
            raise ValueError(f"{path}: an array was expected, got a group; name one of its arrays, {path}/NAME")
        require_table(path, self.array.shape, self.array.dtype)
        about = self.array.metadata.to_dict()
        if "pickle" in str([about.get(name) for name in ("filters", "compressor", "codecs")]):
            raise ValueError(f"{path}: is pickled, which is not read")
        self.count, self.features = self.array.shape
        self.step = self.array.chunks[0]
        self.least = self.step * self.features * self.array.dtype.itemsize

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def blocks(self, size):
        """Yield whole chunks of rows."""
        step = max(1, size // self.least) * self.step
        for start in range(0, self.count, step):
            yield self.array[start : start + step]


class ParquetFile:
    """A parquet file: its columns of floating numbers, or those named, or one column of lists of one length."""

    def __init__(self, path, columns=None):
        self.arrow = need("pyarrow", path)
        self.file = need("pyarrow.parquet", path).ParquetFile(path)
        schema = self.file.schema_arrow
        self.columns = columns or schema.names
        if missing := [name for name in self.columns if name not in schema.names]:
            raise ValueError(f"{path}: has no column {missing[0]!r}; it has {', '.join(schema.names)}")
        kinds = [schema.field(name).type for name in self.columns]
        is_list = self.arrow.types.is_fixed_size_list
        self.lists = len(kinds) == 1 and is_list(kinds[0]) and self.arrow.types.is_floating(kinds[0].value_type)
        for name, kind in zip(self.columns, kinds, strict=True):
            if not (self.lists or self.arrow.types.is_floating(kind)):
                raise ValueError(f"{path}: column {name!r} holds {kind}, no floating numbers; choose by --columns")
        self.features = kinds[0].list_size if self.lists else len(kinds)
        self.count = self.file.metadata.num_rows
        groups = [self.file.metadata.row_group(i) for i in range(self.file.metadata.num_row_groups)]
        self.least = max([self.features * 8, *(group.total_byte_size for group in groups)])
        self.row = self.features * 8

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def blocks(self, size):
        """Yield batches of rows; a null is NaN."""
        for batch in self.file.iter_batches(max(1, size // self.row), columns=self.columns, use_threads=False):
            if self.lists:
                column = batch.column(0)
                if column.null_count:
                    raise ValueError(f"column {self.columns[0]!r} has rows without a list")
                yield column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.features)
            else:
                yield np.stack([c.to_numpy(zero_copy_only=False) for c in batch.columns], axis=1)
