"""Every wrong twin refused and named, every null refused, no honest code failed; and a blind checker found out."""

import numpy as np
import pytest
from sampled import a_few_of_each_wing

from refnorm import OPERATORS
from refnorm.checker import find_operator, plan, trial
from refnorm.checker.nulls import nulls
from refnorm.checker.run import local
from refnorm.checker.selftest import Line, SelfTest, selftest

SEED = 20261123


def quick(name, seed=1):
    return selftest([name], seed=seed, mutants=False, brief=True)


@pytest.mark.parametrize("name", a_few_of_each_wing())
def test_the_checker_is_right_about_every_implementation(name):
    """One test an operator: xdist then runs each once, in one worker."""
    result = selftest([name], seed=SEED, mutants=False, brief=True)
    assert not [(line.sort, line.name, line.said) for line in result.lines if not line.ok]
    assert result.passed
    operator = OPERATORS[name].load_card()
    put = len(operator.mistakes) + len(nulls(operator))
    assert result.score == (put, put)
    honest = [line for line in result.lines if line.sort == "honest"]
    assert len(honest) >= 2, "one honest implementation apart from refnorm's own at least"


def test_what_it_says_as_data():
    result = quick("update_running")
    said = result.as_dict()
    assert (said["schema"], said["refused"], said["passed"]) == ("refnorm.selftest/1", result.score[0], True)
    assert said["mutants"]["of"] == 0
    assert {line["sort"] for line in said["lines"]} == {"mistake", "null", "honest"}


# ---- wrong twins of the checker itself ----


def test_no_limit_on_errors_is_found_out(monkeypatch):
    monkeypatch.setattr(trial, "bound", lambda grade, n: np.inf)
    result = quick("rms_norm")
    assert not result.passed
    assert result.score[0] < result.score[1] / 2


def test_nan_as_a_wildcard_is_found_out(monkeypatch):
    right = trial.errors

    def blind(wanted, got, dtype):
        error, flushed = right(wanted, got, dtype)
        return np.where(np.isnan(wanted) | np.isnan(got), 0.0, error), flushed

    monkeypatch.setattr(trial, "errors", blind)
    survivors = {line.name for line in quick("rms_norm").lines if not line.ok}
    assert "NaN taken for zero" in survivors


def test_an_absolute_tolerance_is_found_out(monkeypatch):
    right = trial.errors

    def loose(wanted, got, dtype):
        error, flushed = right(wanted, got, dtype)
        return np.where(error <= 1e-2, 0.0, error), flushed

    monkeypatch.setattr(trial, "errors", loose)
    assert not quick("rms_norm").passed


def test_a_limit_too_tight_is_found_out(monkeypatch):
    monkeypatch.setattr(trial, "bound", lambda grade, n: 0.5)
    result = quick("weight_standardization")
    assert [line for line in result.lines if line.sort == "honest" and not line.ok]


# ---- what counts as passed ----


def line(sort, ok, end=""):
    return Line("rms_norm", sort, "some name", ok, "said", end=end)


def test_an_empty_suite_has_not_passed():
    assert not SelfTest(1).passed


def test_a_survivor_counts_against_the_score_explained_or_not():
    killed = [line("mutant", True, "killed")] * 97
    alive = [line("mutant", True, "survives")] * 3
    equal = [line("mutant", True, "equivalent")] * 500
    result = SelfTest(1, [*killed, *alive, *equal])
    assert result.mutants == {
        "killed": 97, "of": 100, "equivalent": 500, "equivalent_but_for_rounding": 0, "explained": 3,
    }  # fmt: skip
    assert not result.passed
    assert SelfTest(1, [*killed * 2, *alive, *equal]).passed


@pytest.mark.parametrize("sort", ["mistake", "null", "honest", "mutant", "explanation"])
def test_one_line_that_is_not_right_is_enough(sort):
    assert SelfTest(1, [line("mistake", True)]).passed
    assert not SelfTest(1, [line("mistake", True), line(sort, False)]).passed


def test_the_wanted_answer_comes_after_the_candidates():
    drawn = plan(find_operator("rms_norm"), 1, ("float32",))
    for call in drawn.plain:
        trial.ask(local(lambda x, *_, **__: x), call)
        assert "wanted" not in vars(call)
