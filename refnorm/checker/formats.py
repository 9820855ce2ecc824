"""Tensors files: named arrays and a few words about them, as .npz, .safetensors or .json.

What comes in is not trusted: every size is checked before memory is taken for it, and whatever is wrong with a
file is one `ValueError` that names the file, what came and what was expected.
"""

from __future__ import annotations

import importlib
import io
import json
import math
import os
import re
import stat
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .strict import strict_json

__all__ = ["LIMIT", "SCHEMA", "SUFFIXES", "read", "write"]

SCHEMA = "refnorm.tensors/1"
LIMIT = 2**30  # bytes of a file, and of what it holds
JSON_SHARE = 4  # a JSON file may take this part of the limit: parsed it takes up to twelve times its size
MEMBERS = 20_000  # arrays in a file
HEADER = 2**24  # bytes of the JSON header of a .safetensors file
NPY_HEADER = 1000  # characters of the header of one array in a .npz file: three short fields
METADATA, DTYPES = "__metadata__", "__dtypes__"  # members of a .npz file that are no tensors

INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
NAMES = ("float16", "bfloat16", "float32", "float64", *INTEGERS, "bool")
CODES = {
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "BOOL": "bool",
    **{name[0].upper() + name.partition("int")[2]: name for name in INTEGERS},
}  # fmt: skip
NAME = re.compile(r"[\w./ -]{1,200}", re.ASCII)
HEX = re.compile(r"[+-]?0x([0-9a-f]+(\.[0-9a-f]*)?|\.[0-9a-f]+)(p[+-]?[0-9]{1,6})?", re.ASCII | re.IGNORECASE)
ODD = re.compile(r"([+-]?)(nan|inf)(inity|\(\w*\))?", re.ASCII | re.IGNORECASE)  # as C, Go, Java and Python write them


def read(path, limit: int = LIMIT) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays of a tensors file by name, and its metadata."""
    path, (parse, _) = Path(path), _format(path)
    data = _bytes(path, limit)
    try:
        return parse(data, limit)
    except MemoryError:  # about this machine, not about what the file says
        raise
    except Exception as error:  # the libraries below raise a dozen kinds
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise ValueError(f"{path} is no {path.suffix} file of tensors: {said}") from error


def write(path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays and words about them, in the format that the suffix names."""
    _, serialize = _format(path)
    metadata = _words(dict(metadata or {}))
    kept = {_name(name): _native(np.asarray(a)) for name, a in tensors.items()}
    Path(path).write_bytes(serialize(kept, metadata))


def _format(path) -> tuple[Callable, Callable]:
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: expected a file name that ends in {', '.join(SUFFIXES)}, got {suffix or 'none'}")
    return SUFFIXES[suffix]


def _bytes(path: Path, limit: int) -> bytes:
    about = os.stat(path)
    if not stat.S_ISREG(about.st_mode):  # a pipe would hang, a device never end
        raise ValueError(f"{path} is no regular file")
    if about.st_size > limit:
        raise ValueError(f"{path} has {about.st_size} bytes, larger than the {limit} that are read of a tensors file")
    with open(path, "rb") as file:
        return file.read(about.st_size)  # as much memory is taken as is asked for, whatever the file has


# ---- what every format owes ----


def _name(name) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError(f"a tensor is called {str(name)[:50]!r}, expected letters, digits, and . / _ - in between")
    return name


def _dtype(name) -> np.dtype:
    if name not in NAMES:
        raise ValueError(f"dtype {str(name)[:50]!r}, expected one of {', '.join(NAMES)}")
    if name == "bfloat16":
        import ml_dtypes  # NumPy has no such type of its own

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def _native(a: np.ndarray) -> np.ndarray:
    """Return a copy in this machine's byte order; refuse what is no number."""
    return np.array(a, _dtype(a.dtype.name), order="C")


def _words(metadata) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(s, str) for kv in metadata.items() for s in kv):
        raise ValueError("metadata must map text to text")
    return metadata


def _size(name: str, shape, limit: int) -> int:
    """Return how many elements a shape has, none of its lengths beyond what memory could hold."""
    lengths = isinstance(shape, list | tuple) and len(shape) <= 32 and all(type(n) is int for n in shape)
    if not lengths or min(shape, default=0) < 0 or math.prod(max(n, 1) for n in shape) > limit:
        raise ValueError(f"tensor {name} has shape {str(shape)[:50]}, expected lengths of 0 to {limit} in all")
    return math.prod(shape)


# ---- .npz: a zip of .npy members, bfloat16 as uint16 ----


def _parse_npz(data: bytes, limit: int):
    if data.count(b"PK\1\2") > MEMBERS:  # one a member in the zip's directory, which is read whole when it is opened
        raise ValueError(f"more than {MEMBERS} members")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > limit:
            raise ValueError(f"its members are larger than {limit} bytes")
        found = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in found or name == member.filename:
                raise ValueError(f"member {member.filename[:50]!r} comes twice or does not end in .npy")
            found[name] = _parse_npy(name, _member(archive, member), limit)
    words, dtypes = (_text_of(found.pop(name, None)) for name in (METADATA, DTYPES))
    for name, dtype in dtypes.items():
        if dtype != "bfloat16" or name not in found or found[name].dtype != np.uint16:
            raise ValueError(f"{DTYPES} says {dtype[:50]} of {name[:50]}, expected bfloat16 of a member of uint16")
        found[name] = found[name].view(_dtype("bfloat16"))
    return {_name(name): a for name, a in found.items()}, words


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # as numpy.savez and savez_compressed
        raise ValueError(f"member {member.filename[:50]!r} is compressed by method {member.compress_type}")
    with archive.open(member) as stream:  # archive.read would inflate it whole, whatever size it declares
        data = stream.read(member.file_size)
    if len(data) < member.file_size:
        raise ValueError(f"member {member.filename[:50]!r} has {len(data)} bytes, expected {member.file_size}")
    return data


def _parse_npy(name: str, data: bytes, limit: int) -> np.ndarray:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"member {name[:50]} is of .npy version {version}")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, fortran, dtype = header(stream, max_header_size=NPY_HEADER)
    except MemoryError:  # Python's parser says so of too many brackets
        raise ValueError(f"member {name[:50]} has a malformed header") from None
    _dtype(dtype.name)  # no objects: nothing here is ever unpickled
    wanted = _size(name, shape, limit) * dtype.itemsize
    if wanted != len(data) - stream.tell():
        raise ValueError(f"tensor {name} has {len(data) - stream.tell()} bytes, expected {wanted}")
    return _native(np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C"))


def _text_of(a: np.ndarray | None) -> dict[str, str]:
    return {} if a is None else _words(strict_json(a.astype("uint8", casting="equiv").tobytes()))


def _serialize_npz(tensors: dict, metadata: dict) -> bytes:
    dtypes = {name: "bfloat16" for name, a in tensors.items() if a.dtype.name == "bfloat16"}
    members = {name: a.view(np.uint16) if name in dtypes else a for name, a in tensors.items()}
    for name, words in ((METADATA, metadata), (DTYPES, dtypes)):
        if words:
            members[name] = np.frombuffer(json.dumps(words).encode(), np.uint8)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, a in members.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, a, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())  # no date: the same bytes every time
    return stream.getvalue()


# ---- .safetensors: a JSON header and raw bytes ----


def _parse_safetensors(data: bytes, limit: int):
    deserialize = _safetensors("safetensors", "deserialize")
    size = int.from_bytes(data[:8], "little")
    if not 2 <= size <= min(HEADER, len(data) - 8):
        raise ValueError(f"its header takes {size} bytes of {len(data)}, and may take {HEADER}")
    header = strict_json(data[8 : 8 + size])  # the library lets names come twice, and keeps the metadata to itself
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    words = _words(header.pop(METADATA, {}))
    for name, entry in header.items():
        _size(_name(name), entry.get("shape") if isinstance(entry, dict) else None, limit)
    found = {}
    for name, entry in deserialize(data):
        dtype = _dtype(CODES.get(entry["dtype"], entry["dtype"])).newbyteorder("<")
        found[name] = _native(np.frombuffer(entry["data"], dtype).reshape(entry["shape"]))
    return found, words


def _serialize_safetensors(tensors: dict, metadata: dict) -> bytes:
    return _safetensors("safetensors.numpy", "save")(tensors, metadata or None)


def _safetensors(module: str, function: str):
    try:
        return getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise ImportError(f"a .safetensors file needs safetensors: pip install 'refnorm[check]' ({error})") from error


# ---- .json: floats as the hexadecimal text of C's %a ----


def _parse_json(data: bytes, limit: int):
    if len(data) > limit // JSON_SHARE:
        raise ValueError(f"it is larger than {limit // JSON_SHARE} bytes: use .npz or .safetensors for so much")
    top = strict_json(data)
    if not isinstance(top, dict) or top.get("schema") != SCHEMA or not isinstance(top.get("tensors"), dict):
        raise ValueError(f"expected an object with 'schema': {SCHEMA!r}, 'metadata' and 'tensors'")
    found = {_name(name): _parse_tensor(name, entry, limit) for name, entry in top["tensors"].items()}
    return found, _words(top.get("metadata", {}))


def _parse_tensor(name: str, entry, limit: int) -> np.ndarray:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data"}:
        raise ValueError(f"tensor {name}: expected an object with dtype, shape and data")
    dtype, shape, data = _dtype(entry["dtype"]), entry["shape"], entry["data"]
    if not isinstance(data, list) or len(data) != _size(name, shape, limit):
        length = len(data) if isinstance(data, list) else "no list"
        raise ValueError(f"tensor {name} of shape {str(shape)[:50]} has {length} elements in data")
    kind = bool if dtype.kind == "b" else int if dtype.kind in "iu" else str
    wrong = next((v for v in data if type(v) is not kind), None)
    if wrong is not None:
        said = {str: "hexadecimal text as '0x1.8p+0'", int: "whole numbers", bool: "true and false"}[kind]
        raise ValueError(f"tensor {name} of {dtype} holds {str(wrong)[:50]}, expected {said}")
    return (np.array(data, dtype) if kind is not str else _floats(name, data, dtype)).reshape(shape)


def _floats(name: str, data: list[str], dtype: np.dtype) -> np.ndarray:
    wide = np.array([_float(text) for text in data], "float64")
    with np.errstate(all="ignore"):
        values = wide.astype(dtype)
        lost = (values.astype("float64") != wide) & ~np.isnan(wide)
    if lost.any():
        raise ValueError(f"tensor {name} holds {data[int(lost.argmax())][:50]}, which is no {dtype}")
    return values


def _float(text: str) -> float:
    if HEX.fullmatch(text):
        return float.fromhex(text)
    if odd := ODD.fullmatch(text):
        return float(odd[1] + odd[2])
    raise ValueError(f"{text[:50]!r} is no hexadecimal text as '0x1.8p+0', nan, inf or -inf")


def _serialize_json(tensors: dict, metadata: dict) -> bytes:
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(_entry(a))}" for name, a in tensors.items())
    top = f'"schema": {json.dumps(SCHEMA)},\n"metadata": {json.dumps(metadata)},\n"tensors": {{\n{lines}\n}}'
    return f"{{{top}}}\n".encode()


def _entry(a: np.ndarray) -> dict:
    flat = a.reshape(-1)
    data = flat.tolist() if a.dtype.kind in "iub" else [v.hex() for v in flat.astype("float64").tolist()]
    return {"dtype": a.dtype.name, "shape": list(a.shape), "data": data}


SUFFIXES = {
    ".npz": (_parse_npz, _serialize_npz),
    ".safetensors": (_parse_safetensors, _serialize_safetensors),
    ".json": (_parse_json, _serialize_json),
}
