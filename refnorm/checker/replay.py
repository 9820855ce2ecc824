"""One call as a file, to be asked again: a tensors file in JSON, whose floats are hexadecimal and exact.

The file says what the candidate was, but never chooses it: whoever replays it names the implementation.
"""

from __future__ import annotations

import json
from pathlib import Path

from .. import __version__
from . import wire
from .calls import FLOATS, Call
from .contract import shape_and_dtype
from .diagnose import diagnosis_layer
from .formats import read, write
from .layouts import LAYOUTS
from .manifest import lay_out
from .report import Report
from .run import worst_of
from .strict import strict_json
from .trial import ask
from .values import failing, judged_layer

__all__ = ["SCHEMA", "ask_again", "load", "save"]

SCHEMA = "refnorm.replay/1"
LARGEST = 2**26  # bytes of a file


def save(path, report: Report) -> None:
    """Write the smallest failing call of a report; ValueError where nothing failed."""
    if report.smallest is None:
        raise ValueError("nothing failed that could be replayed")
    call = report.smallest.call
    tensors, names = lay_out("x", call.arrays)
    told = {
        "schema": SCHEMA, "operator": call.operator.name, "candidate": report.candidate, "kind": report.kind,
        "label": call.label, "dtype": call.dtype, "options": wire.encode(call.options, []), "inputs": names,
        "layout": call.layout, "vjp": call.vjp, "grade": report.wanted_grade, "refnorm": __version__,
    }  # fmt: skip
    write(_json(path), tensors, {"manifest": json.dumps(told, allow_nan=False)})


def ask_again(candidate, call: Call, name: str, grade: str, strict: bool) -> Report:
    """Put the call to a candidate and judge the answer."""
    trial = ask(candidate, call)
    op = call.operator
    report = Report(op.name, op.wing, name, 0, (call.dtype,), grade, strict)
    report.ran, report.declined = int(not trial.declined), int(trial.declined)
    trials = [] if trial.declined else [trial]
    report.layers = [shape_and_dtype(trials), judged_layer("values", trials, grade)]
    if not call.vjp:
        layer, report.named = diagnosis_layer(candidate, op, trials, grade)
        report.layers.append(layer)
    report.smallest = next((t for t in trials if failing(t, grade)), None)
    report.worst = report.smallest and worst_of(report.smallest)
    report.versions = candidate.versions
    return report


def load(path) -> tuple[Call, dict]:
    """Return the call of a file, and what else it says; ValueError where it is no such file."""
    from . import find_operator

    tensors, words = read(_json(path), LARGEST)
    try:
        told = strict_json(words.get("manifest", "null"))
        if not isinstance(told, dict) or told.get("schema") != SCHEMA:
            raise ValueError(f"its manifest is not of schema {SCHEMA!r}")
        for name, kinds in FIELDS.items():
            if not isinstance(told.get(name), kinds):
                raise ValueError(f"expected {name} to be {kinds.__name__}, got {str(told.get(name))[:50]}")
        operator, options = find_operator(told["operator"]), wire.decode(told["options"], [])
        if told["dtype"] not in FLOATS or told["layout"] not in LAYOUTS or not isinstance(options, dict):
            raise ValueError(f"a call in {told['dtype'][:50]!r}, {told['layout'][:50]!r}")
        if told["vjp"] and operator.gradient is None:
            raise ValueError(f"{operator.name} has no gradient")
        arrays = _arrays(told["inputs"], tensors)
        if len(arrays) <= told["vjp"] or arrays[told["vjp"]] is None:
            raise ValueError("the data is missing")
        call = Call(operator, told["label"], told["dtype"], arrays, options, told["layout"], vjp=told["vjp"])
        try:
            call.wanted  # noqa: B018 whether the operator takes it
        except Exception as error:  # whatever it says of inputs that are none of its own
            raise ValueError(f"{operator.name} refuses its inputs: {error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no file to replay: {str(error).splitlines()[0][:300]}") from error
    return call, told


FIELDS = {
    "operator": str, "candidate": str, "label": str, "dtype": str, "options": dict, "inputs": list, "layout": str,
    "vjp": bool, "grade": str,
}  # fmt: skip


def _arrays(names: list, tensors: dict) -> list:
    for name in names:
        if not (name is None or isinstance(name, list) or (isinstance(name, str) and name in tensors)):
            raise ValueError(f"it names {str(name)[:50]!r}, which the file has not")
    return [n if n is None else _arrays(n, tensors) if isinstance(n, list) else tensors[n] for n in names]


def _json(path) -> Path:
    if Path(path).suffix != ".json":
        raise ValueError(f"{path}: expected a file name that ends in .json")
    return Path(path)
