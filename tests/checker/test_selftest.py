"""Every wrong twin refused and named, every null refused, no honest code failed; and a blind checker found out."""

import numpy as np
import pytest

from refnorm import OPERATORS
from refnorm.checker import find_operator, plan, trial
from refnorm.checker.nulls import nulls
from refnorm.checker.selftest import selftest

TWINS = [(n, m.name) for n in OPERATORS for m in OPERATORS[n].load_card().mistakes]
NULLS = [(n, name) for n in OPERATORS for name in nulls(OPERATORS[n])]
# Wrong twins that give another twin's answers on every call, so that either name is right: none so far.
SAME = {}


@pytest.fixture(scope="module")
def result():
    return selftest(seed=20261123)


@pytest.mark.parametrize(("operator", "name"), TWINS)
def test_a_mistake_is_refused_and_named_first(result, operator, name):
    (line,) = [line for line in result.lines if (line.operator, line.sort, line.name) == (operator, "mistake", name)]
    assert line.ok or (operator, name) in SAME, line.said


@pytest.mark.parametrize(("operator", "name"), NULLS)
def test_a_null_is_refused(result, operator, name):
    (line,) = [line for line in result.lines if (line.operator, line.sort, line.name) == (operator, "null", name)]
    assert line.ok, line.said


@pytest.mark.parametrize("operator", list(OPERATORS))
def test_honest_code_conforms(result, operator):
    lines = [line for line in result.lines if (line.operator, line.sort) == (operator, "honest")]
    assert len(lines) >= 2, "one honest implementation apart from refnorm's own at least"
    assert not [(line.name, line.said) for line in lines if not line.ok]


def test_the_score_counts_every_twin_and_null(result):
    assert result.score == (len(TWINS) + len(NULLS), len(TWINS) + len(NULLS))
    assert result.passed
    said = result.as_dict()
    assert (said["schema"], said["refused"], said["passed"]) == ("refnorm.selftest/1", result.score[0], True)


# ---- wrong twins of the checker itself ----


def test_no_limit_on_errors_is_found_out(monkeypatch):
    monkeypatch.setattr(trial, "bound", lambda grade, n: np.inf)
    result = selftest(["rms_norm"], seed=1)
    assert not result.passed
    assert result.score[0] < result.score[1] / 2


def test_nan_as_a_wildcard_is_found_out(monkeypatch):
    right = trial.errors

    def blind(wanted, got, dtype):
        error, flushed = right(wanted, got, dtype)
        return np.where(np.isnan(wanted) | np.isnan(got), 0.0, error), flushed

    monkeypatch.setattr(trial, "errors", blind)
    survivors = {line.name for line in selftest(["rms_norm"], seed=1).lines if not line.ok}
    assert "NaN taken for zero" in survivors


def test_an_absolute_tolerance_is_found_out(monkeypatch):
    right = trial.errors

    def loose(wanted, got, dtype):
        error, flushed = right(wanted, got, dtype)
        return np.where(error <= 1e-2, 0.0, error), flushed

    monkeypatch.setattr(trial, "errors", loose)
    result = selftest(["rms_norm"], seed=1)
    assert not result.passed


def test_a_limit_too_tight_is_found_out(monkeypatch):
    monkeypatch.setattr(trial, "bound", lambda grade, n: 0.5)
    result = selftest(["layer_norm"], seed=1)
    assert [line for line in result.lines if line.sort == "honest" and not line.ok]


def test_an_empty_suite_has_not_passed():
    result = selftest(["rms_norm"], seed=1)
    result.lines.clear()
    assert not result.passed


def test_the_wanted_answer_comes_after_the_candidates():
    drawn = plan(find_operator("rms_norm"), 1, ("float32",))
    for call in drawn.plain:
        trial.ask(lambda x, *_, **__: x, call)
        assert "wanted" not in vars(call)
