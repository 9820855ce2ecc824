"""A shared library that exports ``refnorm_<operator>``, as ``refnorm.h`` says: C, C++, Rust, Zig, Fortran.

Inputs are handed over in the layout that they have, as copies between red zones; outputs are poisoned memory
between red zones. What a kernel writes where it should not, and what it does not write, comes back beside its
values.
"""

from __future__ import annotations

import ctypes
import inspect
import math
import re
from pathlib import Path

import numpy as np

from ..._registry import Operator
from .. import measure
from ..answer import Answer
from ..zones import Zone, guarded
from . import Adapted

__all__ = ["adapt", "include_path"]

ABI = 1
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}  # DLPack's, by NumPy's kind
BFLOAT = 4
MAX_NDIM = 32
DONE, DECLINED = 0, 1
NONE, BOOL, INT, DOUBLE, TEXT = range(5)
NO_INT = -(2**63)
MESSAGE = 512
SCANNED = 1 << 26  # bytes of a library that are looked through for its symbols


def include_path() -> str:
    """Return the folder of ``refnorm.h``, for ``cc -I``."""
    return str(Path(__file__).parents[2] / "include")


# ---- the structs of refnorm.h ----


class _Array(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)), ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
    ]  # fmt: skip


class _Option(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("ints", ctypes.POINTER(ctypes.c_int64)),
        ("doubles", ctypes.POINTER(ctypes.c_double)), ("text", ctypes.c_char_p), ("kind", ctypes.c_int32),
        ("count", ctypes.c_int32),
    ]  # fmt: skip


class _Options(ctypes.Structure):
    _fields_ = [
        ("items", ctypes.POINTER(_Option)), ("message", ctypes.c_char_p), ("message_size", ctypes.c_int32),
        ("count", ctypes.c_int32), ("misread", ctypes.POINTER(ctypes.c_int32)),
    ]  # fmt: skip


def _described(array: np.ndarray | None) -> _Array:
    """Return an array as a struct that points into it; None as one that was not given."""
    if array is None:
        return _Array(ndim=-1, lanes=1)
    code = BFLOAT if array.dtype.name == "bfloat16" else CODES.get(array.dtype.kind)
    if code is None or array.ndim > MAX_NDIM:
        raise NotImplementedError(f"an array of {array.dtype} with {array.ndim} axes cannot be handed to C")
    numbers = ctypes.c_int64 * array.ndim
    shape, strides = numbers(*array.shape), numbers(*array.strides)
    return _Array(array.ctypes.data, shape, strides, array.ndim, code, 8 * array.itemsize, 1)


def _option(name: str, value) -> _Option:
    """Return an option as a struct; lists of lists are laid end to end."""
    option = _Option(name=name.encode(), kind=NONE)
    if value is None:
        return option
    if isinstance(value, str):
        option.kind, option.text, option.count = TEXT, value.encode(), 1
        return option
    values = list(_flat(value))
    given = [v for v in values if v is not None]
    if not all(isinstance(v, bool | int | float | np.bool_ | np.integer | np.floating) for v in given):
        raise NotImplementedError(f"option {name}={value!r} cannot be handed to C")
    option.count = len(values)
    if any(isinstance(v, float | np.floating) for v in given):
        option.kind = DOUBLE
    else:
        option.kind = BOOL if given and all(isinstance(v, bool | np.bool_) for v in given) else INT
        option.ints = (ctypes.c_int64 * len(values))(*(NO_INT if v is None else int(v) for v in values))
    option.doubles = (ctypes.c_double * len(values))(*(math.nan if v is None else float(v) for v in values))
    return option


def _flat(value):
    if isinstance(value, tuple | list | np.ndarray):
        for part in value:
            yield from _flat(part)
    else:
        yield value


# ---- one call ----


def _invoke(function, symbol: str, inputs: list, zones: list, options: dict, fence: bool) -> list[str]:
    """Call a symbol; return the faults seen in memory. Inputs and zones may be None: not given."""
    held = [x if x is None else guarded(x, name=f"input {i}", fence=fence) for i, x in enumerate(inputs)]
    into = (_Array * len(held))(*(_described(h if h is None else h.array) for h in held))
    out = (_Array * len(zones))(*(_described(z if z is None else z.array) for z in zones))
    items = (_Option * len(options))(*(_option(name, value) for name, value in options.items()))
    message, misread = ctypes.create_string_buffer(MESSAGE), ctypes.c_int32(0)
    given = _Options(
        items, ctypes.cast(message, ctypes.c_char_p), MESSAGE, len(items), ctypes.pointer(misread)
    )  # fmt: skip
    code = function(into, len(into), out, len(out), ctypes.byref(given))
    said = message.value.decode(errors="replace").strip()
    if code == DECLINED or misread.value:
        raise NotImplementedError(said or (f"it does not read {options}" if misread.value else f"{symbol} declines"))
    if code != DONE:
        raise RuntimeError(f"{symbol} returned {code}" + (f": {said}" if said else ""))
    return [fault for one in (*held, *zones) if one is not None for fault in one.faults()]


def _names(count: int) -> list[str]:
    return ["the output"] if count == 1 else [f"output {i}" for i in range(count)]


class _Shapes:
    """The outputs an operator has for inputs of given shapes: asked of the reference, on ones, and kept."""

    def __init__(self, operator: Operator):
        self.operator = operator
        self.known: dict = {}

    def of(self, arrays: list, options: dict):
        """Return the reference's answer to ones in place of data, and zeros in place of indices."""
        key = str(([None if a is None else (a.shape, a.dtype.kind) for a in arrays], options))
        if key not in self.known:
            harmless = [a if a is None else np.full(a.shape, a.dtype.kind not in "iu", _plain(a)) for a in arrays]
            answer = measure.answer(self.operator, harmless, options)
            # the numbers are of no use, and may be many
            self.known[key] = measure.changed(lambda y: np.broadcast_to(y.dtype.type(0), y.shape), answer)
        return self.known[key]


def _plain(array: np.ndarray) -> np.dtype:
    """Return the dtype to ask the reference in: its floats are float64."""
    return array.dtype if array.dtype.kind in "iub" else np.dtype("float64")


def _call(function, symbol: str, operator: Operator, fence: bool):
    shapes, arity = _Shapes(operator), _arity(operator.function)

    def call(*arrays, **options):
        inputs = _inputs(arrays, arity)
        wanted = shapes.of(inputs, options)
        parts = wanted if isinstance(wanted, tuple) else (wanted,)
        zones = [
            Zone(np.shape(part), _dtype(part, inputs[0]), name=name, fence=fence)
            for part, name in zip(parts, _names(len(parts)), strict=True)
        ]
        faults = _invoke(function, symbol, inputs, zones, options, fence)
        got = [
            int(zone.array) if isinstance(part, int) else zone.array.copy()
            for part, zone in zip(parts, zones, strict=True)
        ]
        return Answer(tuple(got) if isinstance(wanted, tuple) else got[0], faults)

    return call


def _dtype(part, x: np.ndarray) -> np.dtype:
    """Return the dtype of an output: integers as the reference has them, data in the dtype of the first input."""
    part = np.asarray(part)
    return part.dtype if part.dtype.kind in "iub" else x.dtype


def _vjp(function, symbol: str, operator: Operator, fence: bool):
    arity = _arity(operator.function)

    def vjp(cotangent, *arrays, **options):
        inputs = _inputs(arrays, arity)
        cotangents = list(cotangent) if isinstance(cotangent, tuple) else [cotangent]
        names = _names(len(inputs))
        # what holds indices has no gradient
        zones = [
            None if x is None or x.dtype.kind in "iub" else Zone(x.shape, x.dtype, name=name, fence=fence)
            for x, name in zip(inputs, names, strict=True)
        ]
        faults = _invoke(function, symbol, [*cotangents, *inputs], zones, options, fence)
        if faults:
            raise RuntimeError(f"{symbol}: {'; '.join(faults)}")
        return tuple(zone if zone is None else zone.array.copy() for zone in zones)

    return vjp


def _arity(function) -> int:
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    return kinds.count(inspect.Parameter.POSITIONAL_ONLY)


def _inputs(arrays, arity: int) -> list:
    """Return the arrays of a call as NumPy's, with None for those left out at the end."""
    if any(isinstance(a, list | tuple) for a in arrays):
        raise NotImplementedError("a list of arrays in one place cannot be handed to C")
    return [a if a is None else np.asarray(a) for a in arrays] + [None] * (arity - len(arrays))


# ---- the library ----


def adapt(where: str, operator: Operator, *, fence: bool = False) -> Adapted:
    """Load ``libmine.so`` or ``libmine.so:symbol`` as an implementation of an operator.

    With `fence` the page behind every array is not to be touched: a read past the end ends the process.
    """
    path, symbol = _parted(where, f"refnorm_{operator.name}")
    library = _load(path)
    if (version := _version(library)) != ABI:
        raise ValueError(f"{path} was built for version {version} of refnorm.h, this is version {ABI}")
    function = _function(library, symbol)
    if function is None:
        others = _symbols(path, library)
        have = f"it exports {', '.join(others)}" if others else "it exports no refnorm_ symbol"
        raise ValueError(f"{path} has no symbol {symbol}: {have}")
    gradient = _function(library, f"{symbol}_vjp")
    vjp = gradient and _vjp(gradient, f"{symbol}_vjp", operator, fence)
    return Adapted(_call(function, symbol, operator, fence), vjp)


def _parted(where: str, usual: str) -> tuple[Path, str]:
    """Return path and symbol. A file that is there may have a colon in its name."""
    head, colon, symbol = where.rpartition(":")
    if Path(where).is_file() or not colon or not re.fullmatch(r"[A-Za-z_]\w*", symbol):
        return Path(where), usual
    return Path(head), symbol


def _load(path: Path) -> ctypes.CDLL:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return ctypes.CDLL(str(path.resolve()))  # a bare name would be looked for in the system's folders
    except OSError as error:
        why = str(error).strip().splitlines()[0]
        raise OSError(f"{path} cannot be loaded as a shared library: {why}") from None


def _version(library: ctypes.CDLL) -> int:
    try:
        return ctypes.c_int32.in_dll(library, "refnorm_abi").value
    except ValueError:  # it need not say
        return ABI


def _function(library: ctypes.CDLL, symbol: str):
    function = getattr(library, symbol, None)
    if function is not None:
        arrays, options = ctypes.POINTER(_Array), ctypes.POINTER(_Options)
        function.argtypes = [arrays, ctypes.c_int, arrays, ctypes.c_int, options]
        function.restype = ctypes.c_int
    return function


def _symbols(path: Path, library: ctypes.CDLL) -> list[str]:
    """Return the kernels that a library exports: names that stand in the file and that the loader knows."""
    with path.open("rb") as file:
        text = file.read(SCANNED)
    names = {name.decode() for name in re.findall(rb"(?<=\0)_?(refnorm_\w{1,100})(?=\0)", text)}
    return sorted(name for name in names - {"refnorm_abi"} if getattr(library, name, None) is not None)
