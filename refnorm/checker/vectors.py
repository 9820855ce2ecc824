"""Golden vectors: the calls of a check as a file, and the judgement of answers that come back in another.

For whoever works where Python does not run: `export` writes inputs, options and wanted answers, `verify` judges a
tensors file with answers, under the names that the manifest gives them (``0007/y0``).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from .. import __version__
from .._registry import Operator
from . import _require_choices, calls, find_operator, measure
from .contract import alike, shape_and_dtype
from .diagnose import diagnosis_layer
from .formats import read, write
from .gradients import gradients_layer
from .histogram import histogram, results
from .manifest import back, lay_out, plain
from .report import Layer, Report
from .run import plan, smallest_failing, worst_of
from .strict import strict_json
from .trial import Trial, answered
from .values import special_layer, values_layer
from .versions import versions
from .wire import dtype_of

__all__ = ["SCHEMA", "export", "load_vectors", "verify"]

SCHEMA = "refnorm.vectors/1"
KINDS = ("plain", "hard", "special")
GRADIENTS = "gradients"
AWAY = "answers came from a file"


@dataclass
class Vector:
    """One call of a file of vectors, the names of its answers, and what the file says they should be."""

    id: str
    kind: str
    call: calls.Call
    outputs: list[str]
    told: np.ndarray | tuple
    rounded: np.ndarray | tuple


@dataclass
class Vectors:
    """A file of vectors as it was read."""

    operator: Operator
    seed: int
    dtypes: tuple[str, ...]
    vectors: list[Vector]


# ---- writing ----


def export(
    operator,
    path,
    *,
    seed: int | None = None,
    dtypes: Sequence[str] = ("float32", "float64"),
    gradients: bool = False,
) -> int:
    """Write the calls of a check to a .npz, .safetensors or .json file; returns how many there are.

    Inputs are drawn from `seed`, a fresh one when left out; the file has it. `gradients` adds the calls of the
    operator's gradient.
    """
    op = find_operator(operator)
    if gradients and op.gradient is None:
        raise ValueError(f"{op.name} has no gradient here: expected an operator that has, or vectors without gradients")
    seed = secrets.randbelow(2**31) if seed is None else seed
    _require_choices("C", dtypes)
    drawn = plan(op, seed, tuple(dtypes))
    tensors, told = {}, []
    for kind in (*KINDS, GRADIENTS) if gradients else KINDS:
        for call in getattr(drawn, kind):
            entry, held = _entry(f"{len(told):04d}", kind, call)
            told.append(entry)
            tensors |= held
    manifest = {
        "schema": SCHEMA, "operator": op.name, "seed": seed, "dtypes": list(dtypes), "refnorm": __version__,
        "calls": told,
    }  # fmt: skip
    write(path, tensors, {"manifest": json.dumps(manifest, allow_nan=False)})
    return len(told)


def _entry(name: str, kind: str, call: calls.Call) -> tuple[dict, dict]:
    """Return what the manifest says of a call, and its arrays."""
    cotangents, inputs = _apart(call)
    pulled, cotangents = lay_out(f"{name}/g", cotangents)
    tensors, inputs = lay_out(f"{name}/x", inputs)
    wide, wanted = lay_out(f"{name}/wanted", _parts(call.answer))
    with measure.quiet():
        rounded, outputs = lay_out(f"{name}/y", [_rounded(part, call) for part in _parts(call.answer)])
    entry = {
        "id": name, "kind": kind, "label": call.label, "dtype": call.dtype, "options": plain(call.options),
        "inputs": inputs, "outputs": outputs, "wanted": wanted, "strict_only": call.strict_only,
    }  # fmt: skip
    return entry | ({"cotangents": cotangents} if call.vjp else {}), tensors | pulled | rounded | wide


def _apart(call: calls.Call) -> tuple[list, list]:
    """Return the cotangents of a call, none where it is no gradient's, and its inputs."""
    if not call.vjp:
        return [], call.arrays
    first = call.arrays[0]
    return first if isinstance(first, list) else [first], call.arrays[1:]


def _parts(answer) -> tuple:
    return answer if isinstance(answer, tuple) else (answer,)


def _rounded(part: np.ndarray, call: calls.Call) -> np.ndarray:
    """Return an output in the tested type; counts and indices as they are."""
    return part.astype(dtype_of(call.dtype)) if isinstance(part, np.ndarray) and measure.is_float(part) else part


# ---- reading ----


def load_vectors(path) -> Vectors:
    """Read a file that `export` wrote; ValueError for any other."""
    tensors, words = read(path)
    try:
        manifest = strict_json(words.get("manifest", "null"))
        if _field({"": manifest}, "", dict).get("schema") != SCHEMA:
            raise ValueError(f"its manifest is not of schema {SCHEMA!r}")
        op = find_operator(_field(manifest, "operator", str))
        dtypes = tuple(_field(manifest, "dtypes", list))
        _require_choices("C", dtypes)
        vectors = [_vector(op, entry, tensors) for entry in _field(manifest, "calls", list)]
        if len({v.id for v in vectors}) < len(vectors):
            raise ValueError("two of its calls have the same id")
        return Vectors(op, _field(manifest, "seed", int), dtypes, vectors)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no file of vectors: {str(error).splitlines()[0][:300]}") from error


def _field(entry, name: str, kind: type):
    value = entry.get(name) if isinstance(entry, dict) else None
    if type(value) is not kind:
        raise ValueError(f"expected {name or 'manifest'} to be a {kind.__name__}, got {str(value)[:50]}")
    return value


def _vector(op: Operator, entry, tensors: dict) -> Vector:
    name, kind, dtype = (_field(entry, key, str) for key in ("id", "kind", "dtype"))
    if kind not in (*KINDS, GRADIENTS) or dtype not in calls.FLOATS:
        raise ValueError(f"call {name} is of kind {kind[:50]!r} in {dtype[:50]!r}")
    arrays = _named(name, _field(entry, "inputs", list), tensors)
    if not arrays or not isinstance(arrays[0], np.ndarray):
        raise ValueError(f"call {name} has no array first among its inputs")
    vjp = kind == GRADIENTS
    if vjp:
        pulled = _named(name, _field(entry, "cotangents", list), tensors)
        arrays = [pulled if len(pulled) > 1 else pulled[0], *arrays] if pulled else arrays
    options = {key: back(value) for key, value in _field(entry, "options", dict).items()}
    label, strict_only = _field(entry, "label", str), _field(entry, "strict_only", bool)
    call = calls.Call(op, label, dtype, arrays, options, strict_only=strict_only, vjp=vjp)
    outputs = _field(entry, "outputs", list)
    try:
        parts = _parts(call.answer)
    except Exception as error:  # whatever an operator says of inputs that are none of its own
        raise ValueError(f"call {name}: {op.name} refuses its inputs: {error}") from error
    wanted = _field(entry, "wanted", list)
    there = [part is not None for part in parts]
    if [isinstance(n, str) for n in outputs] != there or [isinstance(n, str) for n in wanted] != there:
        raise ValueError(f"call {name} has outputs {str(outputs)[:50]}, {op.name} returns {len(parts)}")
    told, rounded = (_like(call, _named(name, names, tensors)) for names in (wanted, outputs))
    return Vector(name, kind, call, outputs, told, rounded)


def _like(call: calls.Call, parts: list):
    """Return the parts of an answer as the operator returns them: one, or a tuple."""
    return tuple(parts) if isinstance(call.answer, tuple) else parts[0]


def _named(call: str, names: list, tensors: dict) -> list:
    """Return the arrays that names stand for: None stays None, lists stay lists."""
    for n in names:
        if not (n is None or isinstance(n, list) or (isinstance(n, str) and n in tensors)):
            raise ValueError(f"call {call} names {str(n)[:50]!r}, which the file has not")
    return [n if n is None else _named(call, n, tensors) if isinstance(n, list) else tensors[n] for n in names]


# ---- judging ----


def verify(vectors, answers, *, grade: str = "C", strict: bool = False) -> Report:
    """Judge a file of answers against a file of vectors, which says of what operator they are.

    The wanted answers are worked out afresh from the inputs in the file; its own are only compared with them.
    """
    started = time.monotonic()
    held = load_vectors(vectors)
    _require_choices(grade, held.dtypes)
    given, words = read(answers)
    if "manifest" in words:
        raise ValueError(f"{answers} is a file of vectors itself: expected one of answers alone")
    report = Report(held.operator.name, held.operator.wing, str(Path(answers)), held.seed, held.dtypes, grade, strict)
    report.floor = max(1, len(held.operator.cases) * len(held.dtypes))
    trials = {kind: list(_trials(held, kind, given)) for kind in (*KINDS, GRADIENTS)}
    report.ran = len(trials["plain"])
    pulled = {name for v in held.vectors if v.kind == GRADIENTS for name in v.outputs}
    offers = not pulled.isdisjoint(given)  # who answers none of a gradient's calls is not asked for one
    asked = [v for v in held.vectors if v.kind != GRADIENTS or offers]
    report.layers.append(_contract(asked, given, [t for kind in KINDS for t in trials[kind]]))
    values, special = trials["plain"] + trials["hard"], trials["special"]
    report.layers.append(values_layer(values, grade, strict))
    report.layers.append(special_layer(special, grade, strict))
    # a file has no defaults that could be somebody's mistake
    nobody = SimpleNamespace(defaults={}, has_vjp=offers)
    report.layers.append(Layer("laws", skipped=AWAY))
    report.layers.append(gradients_layer(nobody, held.operator, trials[GRADIENTS], grade))
    counted = values + [t for t in special if not t.call.strict_only]
    layer, report.named = diagnosis_layer(nobody, held.operator, counted, grade)
    report.layers.append(layer)
    found = (smallest_failing(some, grade) for some in (values, counted, trials[GRADIENTS]))
    report.smallest = next((t for t in found if t is not None), None)
    report.worst = report.smallest and worst_of(report.smallest)
    report.errors, report.cases, report.versions = (
        histogram(values + special),
        results(trials, grade, strict),
        versions(None),
    )
    report.seconds = time.monotonic() - started
    return report


def _trials(held: Vectors, kind: str, given: dict) -> Iterator[Trial]:
    for v in held.vectors:
        if v.kind == kind and all(name in given for name in v.outputs if name):
            answer = _like(v.call, [given[name] if name else None for name in v.outputs])
            yield answered(v.call, answer)


def _contract(asked: list[Vector], given: dict, trials: list[Trial]) -> Layer:
    """Tell of answers that are missing, of another shape or dtype; and of vectors that are not what they were."""
    layer = shape_and_dtype(trials)
    layer.skip(f"layouts, memory, rows, repeatability: {AWAY}")
    missing = [v for v in asked if any(name not in given for name in v.outputs if name)]
    if missing:
        layer.find(f"no answer for {_place(missing[0])}", "warning", len(missing))
        layer.cut(f"{len(missing)} of {len(asked)} calls: no answers")
    known = {name for v in asked for name in v.outputs}
    strange = [name for name in given if name not in known]
    if strange:
        layer.find(f"answers that no call asks for, first {strange[0]}", "warning", len(strange))
    stale = [v for v in asked if not _as_told(v)]
    if stale:
        layer.find(f"the vectors want otherwise than the operator for {_place(stale[0])}", "warning", len(stale))
    return layer


def _as_told(v: Vector) -> bool:
    """Return whether a file wants what the reference says, and holds that rounded."""
    call, told, rounded = v.call, measure.packed(v.told), measure.packed(v.rounded)
    if measure.shapes(v.told) != call.shapes or measure.shapes(v.rounded) != call.shapes:
        return False
    with measure.quiet():
        kept = np.array_equal(told.astype(rounded.dtype).astype("float64"), rounded.astype("float64"), equal_nan=True)
    wanted = answered(call, v.told).got
    return kept and (np.array_equal(wanted, call.wanted, equal_nan=True) or alike(call, wanted, call.wanted))


def _place(v: Vector) -> str:
    return f"call {v.id} ('{v.call.label}' in {v.call.dtype})"
