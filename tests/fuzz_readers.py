"""Feed the readers of tensors files with broken ones: ``python tests/fuzz_readers.py [n] [seed]``, n of each format.

Every read must come back with arrays or with one ValueError of one line that names the file: no other exception, no
hang, no memory beyond what was allowed.
"""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from refnorm.checker import formats, vectors

LIMIT = 2**22  # bytes that a file and its arrays may have here
MEMORY = "/dev/shm"  # files that never reach a disk
SECONDS = 5.0  # that one read may take
EXTREME = (
    0, 1, -1, 2**7, 2**15, 2**16, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**61, 2**62, 2**63 - 1, 2**63, -(2**63),
    2**64 - 1, 10**30, 10**500, 10**5000,
)  # fmt: skip
WORDS = (
    "x0", "0007/x0", "", "__metadata__", "__dtypes__", "dtype", "shape", "data", "float16", "bfloat16", "float32",
    "float64", "bool", "int8", "uint64", "complex64", "object", "F32", "BF16", "F8_E5M2", "0x1p-1", "0x1.8p+99999",
    "-0x1.fffffep+127", "nan", "-inf", "1.5", "0x", "0xp1", "\ud800", "\0", "a" * 300, "0x" + "f" * 400, "plain",
    "refnorm.tensors/1", "refnorm.vectors/1", "rms_norm", "schema", "metadata", "tensors", "data_offsets",
)  # fmt: skip


def main(n: int = 1000, seed: int = 0) -> None:
    """Run and print the counts."""
    for target in TARGETS:
        started = time.monotonic()
        counts, slowest = run(target, n, seed, bounded=True)
        said = ", ".join(f"{counts[key]:,} {key}" for key in ("read", "refused"))
        took = f"{time.monotonic() - started:.0f} s, the slowest read {slowest * 1e3:.0f} ms"
        print(f"{target:12} {n:,} inputs: {said}; {took}; peak {peak():.0f} MiB", flush=True)


def run(target: str, n: int, seed: int, bounded: bool = False) -> tuple[Counter, float]:
    """Read `n` mutants of valid files; AssertionError at the first that is not taken or refused as it should be."""
    rng = random.Random(f"{target} {seed}")
    suffix, samples, mutate, reader = TARGETS[target]
    counts, slowest = Counter(), 0.0
    with tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as folder:
        path = Path(folder, f"mutant{suffix}")
        valid = samples(folder)
        if bounded:
            bound_memory(2**30)
        for i in range(n):
            path.write_bytes(data := mutate(rng, valid))
            started = time.monotonic()
            outcome = attempt(reader, path)
            took = time.monotonic() - started
            if outcome not in ("read", "refused") or took > SECONDS:
                kept = Path(tempfile.gettempdir(), f"refnorm-mutant{suffix}")
                kept.write_bytes(data)
                raise AssertionError(
                    f"{target} mutant {i} of seed {seed}: {outcome} after {took:.1f} s, kept as {kept}"
                )
            counts[outcome] += 1
            slowest = max(slowest, took)
    return counts, slowest


def attempt(reader, path: Path) -> str:
    """Return what became of a read: read, refused, or what is wrong with it."""
    try:
        tensors = reader(path)
    except ValueError as error:
        said = str(error)
        fine = str(path) in said and "\n" not in said and len(said) < 1000
        return "refused" if fine else f"an error that says {said[:200]!r}"
    except BaseException as error:  # a panic of the Rust below is no Exception
        return f"{type(error).__name__}: {error}"
    if any(a.dtype.name not in formats.NAMES for a in tensors.values()):
        return "an array of no known dtype"
    return "read" if sum(a.nbytes for a in tensors.values()) <= LIMIT else "more than was allowed"


def tensors_of(path) -> dict:
    return formats.read(path, LIMIT)[0]


def vectors_of(path) -> dict:
    with np.errstate(all="ignore"):
        vectors.load_vectors(path)
    return {}


# ---- mutations of bytes ----


def flip(rng, data: bytearray, others) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(rng, data: bytearray, others) -> None:
    del data[rng.randrange(len(data)) :]


def splice(rng, data: bytearray, others) -> None:
    other = rng.choice(others)
    a, b = rng.randrange(len(data)), rng.randrange(len(other))
    data[a : a + rng.choice((0, 4, 64, len(data)))] = other[b : b + rng.choice((1, 16, 256, len(other)))]


def repeat(rng, data: bytearray, others) -> None:
    a, n = rng.randrange(len(data)), rng.choice((1, 8, 100))
    data[a:a] = data[a : a + n] * rng.choice((1, 2, 50))


def number(rng, data: bytearray, others) -> None:
    """Put an extreme number in the place of digits."""
    places = [i for i, c in enumerate(data) if 48 <= c <= 57]
    if places:
        start = end = rng.choice(places)
        while end < len(data) and 48 <= data[end] <= 57:
            end += 1
        data[start:end] = text(rng.choice(EXTREME)).encode()


def binary(rng, data: bytearray, others) -> None:
    """Put an extreme number of 2, 4 or 8 bytes anywhere."""
    code = rng.choice(("<H", "<I", "<Q"))
    place, size = rng.randrange(len(data)), struct.calcsize(code)
    data[place : place + size] = struct.pack(code, rng.choice(EXTREME) % 2 ** (8 * size))


def deep(rng, data: bytearray, others) -> None:
    opening = rng.choice((b"[", b'{"a":', b"(", b"-", b"[[],"))
    place = rng.randrange(len(data))
    data[place:place] = opening * rng.choice((10, 500, 5000, 100_000))


BLIND = (flip, truncate, splice, repeat, number, binary, deep)


def blindly(rng, valid) -> bytes:
    data = bytearray(rng.choice(valid))
    for _ in range(rng.choice((1, 1, 2, 4))):
        if data:
            rng.choice(BLIND)(rng, data, valid)
    return bytes(data)


def text(n: int) -> str:
    """Return an integer in decimal; Python refuses to write more than 4300 digits."""
    return str(n) if abs(n) < 10**4000 else "1" + "0" * 5000


# ---- mutations of what the bytes mean ----


def tree(rng, depth: int = 3):
    """Return any JSON value."""
    kind = rng.randrange(9 if depth else 6)
    if kind == 6:
        return [tree(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind >= 7:
        return {rng.choice(WORDS): tree(rng, depth - 1) for _ in range(rng.randrange(4))}
    return (None, rng.random() < 0.5, rng.choice(EXTREME[:-1]), rng.uniform(-9, 9), rng.choice(WORDS), [])[kind]


def edited(rng, value):
    """Return a JSON value with something in it changed, left out, or put in."""
    if isinstance(value, list | dict) and value and rng.random() < 0.9:
        value = dict(value) if isinstance(value, dict) else list(value)
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        action = rng.random()
        if action < 0.1:
            del value[key]
        elif action < 0.2 and isinstance(value, dict):
            value[rng.choice(WORDS)] = value[key]
        elif action < 0.3 and isinstance(value, list):
            value.insert(key, value[key])
        else:
            value[key] = edited(rng, value[key])
        return value
    if isinstance(value, int) and rng.random() < 0.5:
        return rng.choice((value + 1, value - 1, value * 2, -value, *EXTREME[:-1]))
    return tree(rng)


def edited_json(rng, valid) -> bytes:
    if rng.random() < 0.5:
        return blindly(rng, valid)
    value = json.loads(rng.choice(valid))
    for _ in range(rng.choice((1, 1, 3))):
        value = edited(rng, value)
    data = json.dumps(value).encode()
    return bytes(data if rng.random() < 0.9 else data.replace(b'"x1"', b'"x0"'))


def edited_safetensors(rng, valid) -> bytes:
    if rng.random() < 0.4:
        return blindly(rng, valid)
    data = rng.choice(valid)
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + size]
    if rng.random() < 0.7:
        value = json.loads(header)
        for _ in range(rng.choice((1, 1, 3))):
            value = edited(rng, value)
        header = json.dumps(value).encode()
    else:
        header = blindly(rng, [header])
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


def edited_npz(rng, valid) -> bytes:
    """Change members inside the zip, whose checksums would catch a change from outside."""
    if rng.random() < 0.3:
        return blindly(rng, valid)
    with zipfile.ZipFile(io.BytesIO(rng.choice(valid))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    cut = 128 if rng.random() < 0.7 else len(members[name])  # its header, or all of it
    members[name] = blindly(rng, [members[name][:cut]]) + members[name][cut:]
    if rng.random() < 0.1:
        members[rng.choice(("x0", "x0.npy.npy", "../x.npy", "__dtypes__.npy"))] = members[name]
    stream = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method if rng.random() < 0.3 else zipfile.ZIP_STORED)
    return stream.getvalue()


def edited_vectors(rng, valid) -> bytes:
    top = json.loads(rng.choice(valid))
    manifest = json.loads(top["metadata"]["manifest"])
    for _ in range(rng.choice((1, 1, 3))):
        manifest = edited(rng, manifest)
    top["metadata"]["manifest"] = json.dumps(manifest)
    return json.dumps(top if rng.random() < 0.8 else edited(rng, top)).encode()


# ---- valid files ----


def samples(suffix: str):
    def written(folder) -> list[bytes]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2, 3))
        x[0] = np.nan, -np.inf, -0.0
        dtypes = {f"t/{name}": x.astype(formats._dtype(name)) for name in ("float16", "bfloat16", "float32")}
        small = {"x0": x[1:], "x1": np.arange(3, dtype="uint8"), "y0": np.array(7)}
        empty = {"x0": np.zeros((0, 4), "float32"), "b": x > 0}
        path, made = Path(folder, f"valid{suffix}"), []
        for tensors, words in ((dtypes, {"manifest": "{}"}), (small, {}), (empty, {"a": "b", "c": "é"})):
            formats.write(path, tensors, words)
            made.append(path.read_bytes())
        return made

    return written


def sample_vectors(folder) -> list[bytes]:
    path = Path(folder, "vectors.json")
    made = []
    for name in ("rms_norm", "batch_moments"):
        vectors.export(name, path, seed=0, dtypes=["float32"])
        top = json.loads(path.read_text())
        manifest = json.loads(top["metadata"]["manifest"])
        manifest["calls"] = manifest["calls"][:3]
        top["metadata"]["manifest"] = json.dumps(manifest)
        top["tensors"] = {k: v for k, v in top["tensors"].items() if k < "0003"}
        made.append(json.dumps(top).encode())
    return made


TARGETS = {
    "npz": (".npz", samples(".npz"), edited_npz, tensors_of),
    "safetensors": (".safetensors", samples(".safetensors"), edited_safetensors, tensors_of),
    "json": (".json", samples(".json"), edited_json, tensors_of),
    "vectors": (".json", sample_vectors, edited_vectors, vectors_of),
}


# ---- memory ----


def bound_memory(more: int) -> None:
    """Let this process have `more` bytes of address space beyond what it has: a huge allocation then fails aloud."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, most))


def peak() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
