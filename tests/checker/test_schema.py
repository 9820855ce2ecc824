"""The schema of a report in JSON: every sort of report is of it, and what is not is refused."""

import copy
import json
from importlib.resources import files

import judged
import pytest

import refnorm
from refnorm.checker.report import SCHEMA, Worst

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


def schema():
    return json.loads(files("refnorm.checker").joinpath("report.schema.json").read_text("utf-8"))


def refusals(data) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema()).iter_errors(data)]


def written(which) -> dict:
    """Return a report as a file gives it back."""
    return json.loads(json.dumps(judged.report(which).as_dict(), allow_nan=False))


def test_the_schema_is_one_and_of_this_version():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema"]["const"] == SCHEMA
    assert schema()["$id"].endswith(SCHEMA.rpartition("/")[2])


@pytest.mark.parametrize("which", judged.CANDIDATES)
def test_every_sort_of_report_is_of_the_schema(which):
    assert refusals(written(which)) == []


@pytest.mark.parametrize("key", schema()["required"])
def test_a_report_that_lacks_a_key_is_refused(key):
    data = written("wrong")
    del data[key]
    assert f"'{key}' is a required property" in refusals(data)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "refnorm.report/0"),
        (("seed",), "7"),
        (("seed",), -1),
        (("conforms",), "yes"),
        (("verdict",), "fine"),
        (("grade",), "D"),
        (("dtypes",), []),
        (("worst_ulp",), "large"),
        (("named",), "sum in place of mean"),
        (("layers", 0, "verdict"), "ok"),
        (("layers", 1, "findings", 0, "calls"), 0),
        (("worst", "got_hex"), "1.5"),
        (("worst", "index"), [-1]),
        (("errors", "float32", "counts"), [1.5, 0, 0]),
        (("cases", 0, "shape"), "4, 8"),
        (("cases", 0, "fails"), None),
        (("versions", "numpy"), 2),
        (("more",), 1),
        (("cases", 0, "more"), 1),
    ],
)
def test_a_report_with_a_wrong_value_is_refused(path, value):
    data = copy.deepcopy(written("wrong"))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert refusals(data)


def test_options_of_every_operator_can_be_written():
    for name, operator in refnorm.OPERATORS.items():
        for case in operator.cases:
            worst = Worst(case.label, "float32", (2, 3), case.options, "")
            assert json.loads(json.dumps(worst.as_dict(), allow_nan=False))["options"].keys() == case.options.keys(), (
                name
            )


def test_numbers_that_are_not_finite_are_text():
    data = written("vanishing")
    assert data["worst"]["got"] == data["worst"]["got_hex"] == "nan"
    assert any(case["yardsticks"] == "inf" for case in data["cases"])
