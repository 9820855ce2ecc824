"""Tensors files: every number comes back, other people's readers and writers agree, and broken files are refused."""

import io
import json
import os
import struct
import sys
import time
import tracemalloc
import zipfile

import fuzz_readers
import numpy as np
import pytest

from refnorm.checker import formats, strict
from refnorm.checker.formats import SUFFIXES, read, write

DTYPES = [name for name in formats.NAMES if name != "bfloat16"]
SCHEMA = '"schema": "refnorm.tensors/1"'


def numbers(dtype):
    x = np.array([[0.0, -0.0, 1.5], [np.nan, np.inf, -np.inf]]) if "float" in dtype else np.array([[0, 1, 5]])
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    x = x.astype(dtype)
    if x.dtype.kind == "f":
        x[0, 2] = np.finfo(dtype).smallest_subnormal
    return x


def bits(a):
    return np.asarray(a).astype(a.dtype.newbyteorder("=")).tobytes()


@pytest.fixture
def put(tmp_path):
    """A function that writes bytes to a file of some suffix and returns its path."""

    def put(suffix, data):
        path = tmp_path / f"file{suffix}"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return put


# ---- what goes in comes out ----


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", formats.NAMES)
def test_every_number_comes_back(suffix, dtype, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    x = numbers(dtype)
    tensors = {"0007/x0": x, "turned": x.T, "none": x[:0], "one": x[0, 2], "b": x == x}
    path = tmp_path / f"t{suffix}"
    write(path, tensors, {"manifest": '{"é": "\\n"}'})
    found, words = read(path)
    assert words == {"manifest": '{"é": "\\n"}'}
    assert set(found) == set(tensors)
    for name, a in tensors.items():
        assert (found[name].dtype, found[name].shape) == (a.dtype, a.shape)
        assert bits(found[name]) == bits(np.asarray(a))
        assert found[name].flags.writeable


def test_the_bytes_are_the_same_every_time(tmp_path):
    for suffix in (".npz", ".json"):
        paths = [tmp_path / f"{n}{suffix}" for n in "ab"]
        for path in paths:
            write(path, {"x": np.ones(3), "i": np.arange(2)}, {"a": "b"})
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_numpy_reads_what_is_written_and_is_read(tmp_path):
    x = np.arange(6.0).reshape(2, 3)
    write(tmp_path / "a.npz", {"0007/x0": x}, {"k": "v"})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["0007/x0"], x)
        assert json.loads(bytes(found["__metadata__"])) == {"k": "v"}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "b.npz", y0=np.asfortranarray(x), y1=x.astype(">f4"))
        found, words = read(tmp_path / "b.npz")
        assert bits(found["y0"]) == bits(x)
        assert bits(found["y1"]) == bits(x.astype("f4"))
        assert found["y1"].dtype.isnative
        assert words == {}


def test_safetensors_reads_what_is_written_and_is_read(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    x = np.arange(6.0).reshape(2, 3)
    write(tmp_path / "a.safetensors", {"x0": x, "b": x > 2}, {"k": "v"})
    found = library.load_file(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found["x0"], x)
    library.save_file({"y0": x}, tmp_path / "b.safetensors")
    assert bits(read(tmp_path / "b.safetensors")[0]["y0"]) == bits(x)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1.8p+0", 1.5), ("0X1.8P1", 3.0), ("-0x0p+0", -0.0), ("0x8.8p-3", 1.0625), ("0x.8p0", 0.5), ("0x10", 16.0),
        ("0x0.0000000000001p-1022", 5e-324), ("nan", np.nan), ("-nan", np.nan), ("NaN", np.nan), ("-nan(ind)", np.nan),
        ("inf", np.inf), ("+Inf", np.inf), ("-Infinity", -np.inf), ("INF", np.inf),
    ],
)  # fmt: skip
def test_numbers_as_c_go_and_java_write_them(put, text, value):
    path = put(".json", f'{{{SCHEMA}, "tensors": {{"y0": {{"dtype": "float64", "shape": [], "data": ["{text}"]}}}}}}')
    assert bits(read(path)[0]["y0"]) == bits(np.float64(value)) or np.isnan(value)
    assert np.isnan(read(path)[0]["y0"]) == np.isnan(value)


# ---- what is refused ----


def tensor(**changed):
    entry = {"dtype": "float32", "shape": [2], "data": ["0x1p+0", "nan"]} | changed
    return json.dumps({"schema": "refnorm.tensors/1", "metadata": {}, "tensors": {"x0": entry}})


def test_a_missing_safetensors_names_the_extra(tmp_path, monkeypatch):
    for module in ("safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'refnorm\[check\]'"):
        write(tmp_path / "a.safetensors", {"x0": np.ones(2)})
    assert not list(tmp_path.iterdir())


def safetensors(header, data=b"\0" * 16):
    header = header if isinstance(header, str) else json.dumps(header)
    return struct.pack("<Q", len(header)) + header.encode() + data


def entry(start, end, dtype="F32", shape=(2,)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def npy(shape, descr="<f4", data=b"\0" * 8, order="False"):
    header = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data


def npz(*members, method=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return stream.getvalue()


def one(shape, **more):
    return npz(("x0.npy", npy(shape, **more)))


DEEP = 100_000
BROKEN = {
    "json: another schema": (".json", tensor().replace("tensors/1", "tensors/2"), "expected an object with 'schema'"),
    "json: no object": (".json", "[]", "expected an object with 'schema'"),
    "json: not JSON": (".json", "PK", "Expecting value"),
    "json: not UTF-8": (".json", b"\xff\xfe", "utf-8"),
    "json: nested deep": (".json", "[" * DEEP + "]" * DEEP, "nested too deep"),
    "json: objects nested deep": (".json", '{"a":' * DEEP + "1" + "}" * DEEP, "nested too deep"),
    "json: too many lists": (".json", "[" + "[]," * (strict.CONTAINERS + 1) + "[]]", "lists and objects"),
    "json: a key twice": (".json", tensor().replace('"dtype"', '"shape"'), "key 'shape' comes twice"),
    "json: a name twice": (".json", tensor()[:-2] + ', "x0": 1}}', "key 'x0' comes twice"),
    "json: NaN of no JSON": (".json", tensor(data=["0x1p+0", np.nan]), "NaN is no JSON"),
    "json: a huge whole number": (".json", tensor().replace("[2]", "[" + "9" * 5000 + "]"), "4300"),
    "json: decimals": (".json", tensor(data=[1.0, 0.5]), "holds 1.0, expected hexadecimal text"),
    "json: decimals as text": (".json", tensor(data=["1.5", "10"]), "'1.5' is no hexadecimal text"),
    "json: too long for the type": (".json", tensor(data=["0x1p+0", "0x1.0000001p+0"]), "which is no float32"),
    "json: too large for the type": (".json", tensor(data=["0x1p+0", "0x1p+128"]), "which is no float32"),
    "json: too large for any": (".json", tensor(data=["0x1p+0", "0x1p+99999"]), "too large"),
    "json: an exponent without end": (".json", tensor(data=["0x1p+0", "0x1p+" + "9" * 9999]), "no hexadecimal text"),
    "json: too few": (".json", tensor(data=["nan"]), "has 1 elements in data"),
    "json: no list": (".json", tensor(data="nan"), "has no list elements"),
    "json: a negative length": (".json", tensor(shape=[-2]), r"has shape \[-2\]"),
    "json: two negative lengths": (".json", tensor(shape=[-2, -1]), "has shape"),
    "json: true for a length": (".json", tensor(shape=[2, True]), "has shape"),
    "json: a length beyond memory": (".json", tensor(shape=[0, 2**62], data=[]), "has shape"),
    "json: too many axes": (".json", tensor(shape=[1] * 65 + [2]), "has shape"),
    "json: beyond an integer": (".json", tensor(dtype="int8", data=[1, 128]), "out of bounds"),
    "json: a truth for a number": (".json", tensor(dtype="int8", data=[1, True]), "holds True, expected whole"),
    "json: a number for a truth": (".json", tensor(dtype="bool", data=[1, True]), "holds 1, expected true"),
    "json: an unknown dtype": (".json", tensor(dtype="complex64"), "dtype 'complex64', expected one of"),
    "json: a dtype of no text": (".json", tensor(dtype=[]), "expected one of"),
    "json: a field more": (".json", tensor(more=1), "expected an object with dtype"),
    "json: metadata of numbers": (".json", tensor().replace('"metadata": {}', '"metadata": {"a": 1}'), "map text to"),
    "json: an odd name": (".json", tensor().replace('"x0"', '"x\\n0"'), "a tensor is called"),
    "json: a name kept back": (".json", tensor().replace('"x0"', '"__metadata__"'), "a tensor is called"),
    "safetensors: empty": (".safetensors", b"", "its header takes 0 bytes"),
    "safetensors: a header beyond the file": (".safetensors", b"\xff" * 8 + b"{}", "its header takes"),
    "safetensors: no object": (".safetensors", safetensors("[]"), "no object"),
    "safetensors: nested deep": (".safetensors", safetensors("[" * DEEP), "nested too deep"),
    "safetensors: a name twice": (
        ".safetensors",
        safetensors(f'{{"a": {json.dumps(entry(0, 8))}, "a": {json.dumps(entry(8, 16))}}}'),
        "key 'a' comes twice",
    ),
    "safetensors: overlap": (
        ".safetensors",
        safetensors({"a": entry(0, 8), "b": entry(4, 12)}, b"\0" * 12),
        "invalid offset",
    ),
    "safetensors: a hole": (
        ".safetensors",
        safetensors({"a": entry(0, 4, shape=[1]), "b": entry(8, 16)}),
        "invalid offset",
    ),
    "safetensors: backwards": (".safetensors", safetensors({"a": entry(8, 0)}, b"\0" * 8), "invalid offset"),
    "safetensors: beyond the end": (".safetensors", safetensors({"a": entry(0, 2**20, shape=[2**18])}), "Error"),
    "safetensors: a shape of another size": (".safetensors", safetensors({"a": entry(0, 16)}), "invalid shape"),
    "safetensors: a negative length": (".safetensors", safetensors({"a": entry(0, 16, shape=[-4])}), "has shape"),
    "safetensors: a length that overflows": (
        ".safetensors",
        safetensors({"a": entry(0, 16, shape=[2**62 + 1, 4])}),
        "has shape",
    ),
    "safetensors: an unknown dtype": (
        ".safetensors",
        safetensors({"a": entry(0, 16, "F8_E5M2", [16])}),
        "dtype 'F8_E5M2'",
    ),
    "safetensors: metadata of numbers": (".safetensors", safetensors({"__metadata__": {"a": 1}}, b""), "map text to"),
    "npz: no zip": (".npz", b"\x93NUMPY" + b"\0" * 100, "not a zip"),
    "npz: a member twice": (".npz", None, "comes twice"),
    "npz: no .npy": (".npz", npz(("x0", npy((2,)))), "does not end in .npy"),
    "npz: no magic": (".npz", npz(("x0.npy", b"\0" * 99)), "magic"),
    "npz: an empty member": (".npz", npz(("x0.npy", b"")), "expected 8 bytes got 0"),
    "npz: bzip2": (".npz", npz(("x0.npy", npy((2,))), method=zipfile.ZIP_BZIP2), "compressed by method 12"),
    "npz: LZMA": (".npz", npz(("x0.npy", npy((2,))), method=zipfile.ZIP_LZMA), "compressed by method 14"),
    "npz: shorter than its shape": (".npz", one((3,)), "has 8 bytes, expected 12"),
    "npz: longer than its shape": (".npz", one((1,)), "has 8 bytes, expected 4"),
    "npz: a shape beyond memory": (".npz", one((2**40, 2**20)), "has shape"),
    "npz: a negative length": (".npz", one((-2,)), "has shape"),
    "npz: two negative lengths": (".npz", one((-2, -1)), "has shape"),
    "npz: objects": (".npz", one((1,), descr="|O"), "dtype 'object'"),
    "npz: text": (".npz", one((1,), descr="<U2"), "dtype 'str64'"),
    "npz: complex": (".npz", one((1,), descr="<c8"), "dtype 'complex64'"),
    "npz: records": (".npz", one((1,), descr=[("a", "<f4"), ("b", "<f4")]), "dtype 'void64'"),
    "npz: a header of code": (".npz", one("__import__('os').abort()"), "malformed node"),
    "npz: a header of brackets": (".npz", one("(" * 400 + ")" * 400), "Cannot parse header"),
    "npz: a long header": (".npz", one("(2,)" + " " * 2000), "not be safe"),
    "npz: version 3": (".npz", npz(("x0.npy", npy((2,)).replace(b"NUMPY\1", b"NUMPY\3"))), "version"),
    "npz: metadata of floats": (".npz", npz(("__metadata__.npy", npy((2,)))), "safe|equiv"),
    "npz: metadata that is no JSON": (".npz", npz(("__metadata__.npy", npy((8,), "|u1"))), "Expecting value"),
    "npz: bfloat16 of floats": (
        ".npz",
        npz(("x0.npy", npy((2,))), ("__dtypes__.npy", npy((18,), "|u1", b'{"x0": "bfloat16"}'))),
        "expected bfloat16 of a member of uint16",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_one_line_that_names_it(put, what):
    suffix, data, said = BROKEN[what]
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = put(suffix, npz(("x0.npy", npy((2,))), ("x0.npy", npy((2,)))) if data is None else data)
    started = time.monotonic()
    with pytest.raises(ValueError, match=said) as caught:
        read(path)
    assert type(caught.value) is ValueError
    assert str(caught.value).startswith(f"{path} is no {suffix} file of tensors: ")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 5


def test_what_the_broken_files_are_made_of_is_read_where_nothing_is_broken(put):
    """The makers above, with nothing wrong: else they would be refused for another reason than they say."""
    assert read(put(".npz", one((2,))))[0]["x0"].shape == (2,)
    assert read(put(".json", tensor()))[0]["x0"].shape == (2,)
    pytest.importorskip("safetensors")
    assert set(read(put(".safetensors", safetensors({"a": entry(0, 8), "b": entry(8, 16)})))[0]) == {"a", "b"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_beginning_of_a_file_is_refused(put, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = put(suffix, b"")
    write(path, {"x0": np.arange(3.0), "b": np.array(True)}, {"a": "b"})
    whole = path.read_bytes().rstrip(b"\n")
    read(put(suffix, whole))
    for n in range(len(whole)):
        with pytest.raises(ValueError):
            read(put(suffix, whole[:n]))


def test_nothing_is_unpickled(tmp_path):
    """A pickle runs what it likes; NumPy's own reader shows that this one would."""
    path, mark = tmp_path / "p.npz", tmp_path / "ran"

    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(mark),)

    np.savez(path, x0=np.array([Runs()], dtype=object))
    with pytest.raises(ValueError, match="dtype 'object'"):
        read(path)
    assert not mark.exists()
    with np.load(path, allow_pickle=True) as archive:
        archive["x0"]
    assert mark.exists()


def cost(f, *arguments):
    """Return the most memory that a call took at a time, in MiB."""
    tracemalloc.start()
    try:
        with pytest.raises((ValueError, zipfile.BadZipFile)):
            f(*arguments)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_not_inflated(put):
    """64 MiB of zeros in 64 kB: one that says so, beyond the limit, and one that says it has 100 bytes."""
    data = npz(("x0.npy", bytes(2**26)), method=zipfile.ZIP_DEFLATED)
    honest = put(".npz", data)
    assert cost(read, honest, 2**20) < 4
    with pytest.raises(ValueError, match="larger than 1048576 bytes"):
        read(honest, 2**20)
    lying = put(".npz", data.replace(struct.pack("<I", 2**26), struct.pack("<I", 100)))
    assert cost(read, lying) < 4
    with zipfile.ZipFile(lying) as archive:  # what a reader that trusts the library takes
        assert cost(archive.read, "x0.npy") > 60


def test_a_long_text_costs_no_more_than_its_length(put):
    started = time.monotonic()
    for text in ("0x" + "a" * 2**21 + "g", "0x" + "a." * 2**20, "nan(" + "a" * 2**21):
        with pytest.raises(ValueError, match="no hexadecimal text"):
            read(put(".json", tensor(data=["nan", text])))
    assert time.monotonic() - started < 5


def test_many_keys_cost_no_more_than_their_number(put):
    started = time.monotonic()
    keys = ", ".join(f'"x{i}": 1' for i in range(200_000))
    with pytest.raises(ValueError, match="key 'x199999' comes twice"):
        read(put(".json", f'{{{keys}, "x199999": 1}}'))
    assert time.monotonic() - started < 5


def test_limits_hold(tmp_path):
    for suffix in (".npz", ".json"):
        path = tmp_path / f"a{suffix}"
        write(path, {"x": np.zeros(1000)})
        read(path)
        with pytest.raises(ValueError, match="larger than"):
            read(path, limit=5000)
    write(path, {"x": np.zeros(10_000)})
    with pytest.raises(ValueError, match=r"use .npz or .safetensors"):
        read(path, limit=200_000)


def test_too_many_members_are_refused(put, monkeypatch):
    monkeypatch.setattr(formats, "MEMBERS", 3)
    read(put(".npz", npz(*((f"x{i}.npy", npy((2,))) for i in range(3)))))
    with pytest.raises(ValueError, match="more than 3 members"):
        read(put(".npz", npz(*((f"x{i}.npy", npy((2,))) for i in range(4)))))


def test_a_changed_byte_in_a_zip_is_seen(put):
    data = bytearray(one((2,)))
    data[data.index(b"NUMPY") + 124] ^= 1
    with pytest.raises(ValueError, match="CRC"):
        read(put(".npz", bytes(data)))


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.npz", "folder.json"):
        with pytest.raises(ValueError, match="is no regular file"):
            read(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.npz")
    for name in ("a.txt", "a"):
        with pytest.raises(ValueError, match=r"ends in .npz, .safetensors, .json"):
            read(tmp_path / name)


def test_what_cannot_be_read_back_is_not_written(tmp_path):
    path = tmp_path / "a.npz"
    for tensors, words in (
        ({"x": np.array(["a"])}, {}), ({"x": np.array([None])}, {}), ({"x": np.array([1j])}, {}),
        ({"": np.ones(1)}, {}), ({"__metadata__": np.ones(1)}, {}), ({"a\n": np.ones(1)}, {}), ({}, {"a": 1}),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            write(path, tensors, words)
    assert not path.exists()


# ---- whatever else may come ----


@pytest.mark.parametrize("target", fuzz_readers.TARGETS)
def test_mutants_are_taken_or_refused(target):
    if target == "safetensors":
        pytest.importorskip("safetensors")
    counts, _ = fuzz_readers.run(target, 400, seed=0)
    assert min(counts["read"], counts["refused"]) > 0
    assert counts.total() == 400


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (lambda path: dict(np.load(path)), "BadZipFile|KeyError|OSError|EOFError|zlib|no known|an error that says"),
        (lambda path: {"x": np.array([None])}, "no known dtype"),
        (lambda path: {"x": np.zeros(2**23, "uint8")}, "more than was allowed"),
        (lambda path: time.sleep(0.05) or {}, "read after"),
    ],
)
def test_a_reader_that_fails_is_found_out(monkeypatch, reader, said):
    monkeypatch.setattr(fuzz_readers, "SECONDS", 0.04)
    monkeypatch.setitem(fuzz_readers.TARGETS, "npz", (*fuzz_readers.TARGETS["npz"][:3], reader))
    with pytest.raises(AssertionError, match=said):
        fuzz_readers.run("npz", 100, seed=0)
