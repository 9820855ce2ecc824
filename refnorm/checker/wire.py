"""Values and arrays as bytes, without pickle: what crosses to the process in which a candidate runs.

A frame is a header in JSON, its length before it, and the bytes of the arrays behind it. JSON lacks tuples, infinities
and arrays; they are written as an object of one key.
"""

from __future__ import annotations

import json
import math
import struct

import numpy as np

__all__ = ["decode", "dtype_of", "encode", "receive", "send"]

LONGEST = 2**26  # bytes of a header
LARGEST = 2**34  # bytes of the arrays of one frame


def dtype_of(name: str) -> np.dtype:
    """Return a dtype by its name; NumPy learns bfloat16 from ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    dtype = np.dtype(name)
    if dtype.kind not in "fiub":
        raise ValueError(f"expected numbers or booleans, got {name}")
    return dtype


def encode(value, arrays: list):
    """Return a value as JSON takes it; its arrays are appended to `arrays`."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return encode(value.item(), arrays)
    if isinstance(value, list):
        return [encode(v, arrays) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(v, arrays) for v in value]}
    if isinstance(value, dict):
        return {"dict": {str(k): encode(v, arrays) for k, v in value.items()}}
    raise TypeError(f"cannot send a {type(value).__name__}")


def decode(value, arrays: list):
    """Return what `encode` was given; ValueError for anything else."""
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, list):
        return [decode(v, arrays) for v in value]
    if isinstance(value, dict) and len(value) == 1:
        ((sort, inner),) = value.items()
        if sort == "float" and inner in ("inf", "-inf", "nan"):
            return float(inner)
        if sort == "array" and isinstance(inner, int) and 0 <= inner < len(arrays):
            return arrays[inner]
        if sort == "tuple" and isinstance(inner, list):
            return tuple(decode(v, arrays) for v in inner)
        if sort == "dict" and isinstance(inner, dict):
            return {k: decode(v, arrays) for k, v in inner.items()}
    raise ValueError(f"expected a value as it was written, got {str(value)[:80]}")


def send(file, value) -> None:
    """Write one frame."""
    arrays: list = []
    body = encode(value, arrays)
    told = [{"dtype": a.dtype.name, "shape": list(a.shape)} for a in arrays]
    header = json.dumps({"body": body, "arrays": told}).encode()
    file.write(struct.pack("<Q", len(header)) + header)
    for a in arrays:
        file.write(np.ascontiguousarray(a).reshape(-1).view("uint8").data)
    file.flush()


def receive(file):
    """Read one frame; EOFError where the other side is gone."""
    (length,) = struct.unpack("<Q", _exactly(file, 8))
    if length > LONGEST:
        raise ValueError(f"a header of {length} bytes is too long")
    header = json.loads(_exactly(file, length))
    arrays, total = [], 0
    for told in header["arrays"]:
        dtype, shape = dtype_of(told["dtype"]), tuple(told["shape"])
        size = math.prod(shape) * dtype.itemsize
        total += size
        if size < 0 or total > LARGEST:
            raise ValueError(f"arrays of {total} bytes are too large")
        arrays.append(np.ndarray(shape, dtype, _exactly(file, size)))
    return decode(header["body"], arrays)


def _exactly(file, n: int) -> bytearray:
    """Return the next `n` bytes as memory that can be written to."""
    memory = bytearray(n)
    view, got = memoryview(memory), 0
    while got < n:
        more = file.readinto(view[got:])
        if not more:
            raise EOFError("the other side is gone")
        got += more
    return memory
