"""Elements counted by their error, and one record a call, off trials made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from refnorm import OPERATORS
from refnorm.checker.calls import of_case
from refnorm.checker.histogram import EDGES, histogram, results
from refnorm.checker.measure import bound
from refnorm.checker.trial import Trial


@pytest.fixture
def call():
    operator = OPERATORS["rms_norm"]
    (rows,) = (c for c in operator.cases if c.label == "rows")
    return of_case(operator, rows, seed=3, dtype="float32")


def moved(call, **ulps):
    """Return a trial whose element number n is off by so many ulp; the others are rounded as well as can be."""
    got = call.wanted.astype("float32")
    for n, off in ulps.items():
        place = int(n[1:])
        got.flat[place] = np.float32(got.flat[place]) + np.float32(off) * np.spacing(np.abs(got.flat[place]))
    return Trial(call, got, got.shape)


def counted(trial):
    return histogram([trial])["float32"]


def test_every_element_is_in_one_bin(call):
    found = counted(moved(call))
    assert found["edges"] == [0.0, 0.5, 1.0]
    assert sum(found["counts"]) == call.wanted.size
    assert found["counts"][2] == 0, "rounded once, no element is off by more than half an ulp"
    assert (found["nonfinite"], found["unanswered"]) == (0, 0)


def test_an_element_is_counted_where_its_error_is(call):
    before = counted(moved(call))["counts"]
    found = counted(moved(call, _3=3, _5=100))
    assert found["edges"][-1] == 128
    assert found["counts"][4] == 1, "3 ulp and what rounding adds: above 2, up to 4"
    assert found["counts"][-1] == 1
    assert sum(found["counts"][:2]) == sum(before) - 2


def test_what_is_no_number_is_counted_apart(call):
    for value in (np.nan, np.inf, -np.inf):
        trial = moved(call)
        trial.got.flat[7] = value
        assert counted(trial)["nonfinite"] == 1
        assert sum(counted(trial)["counts"]) == call.wanted.size - 1
    marked = replace(call, arrays=[np.full_like(call.arrays[0], np.nan)])
    assert counted(moved(marked))["nonfinite"] == 0, "NaN is right where the reference has it"


def test_an_error_beyond_all_bins_is_in_the_last(call):
    trial = moved(call)
    trial.got.flat[0] = 3e38
    zero = replace(call, arrays=[np.zeros_like(call.arrays[0])])
    trial.call = zero  # an ulp of 0 is the smallest number there is
    assert counted(trial)["edges"] == EDGES.tolist()
    assert counted(trial)["counts"][-1] >= 1


def test_what_cannot_be_compared_is_a_call_unanswered(call):
    bent = moved(call).got[:, :-1]
    trials = [Trial(call, error="RuntimeError: no"), Trial(call, bent, bent.shape), Trial(call, None)]
    assert histogram(trials)["float32"] == {
        "edges": [0.0, 0.5, 1.0], "counts": [0, 0, 0], "nonfinite": 0, "unanswered": 3,
    }  # fmt: skip
    call.strict_only = True
    assert histogram(trials) == {}


def test_a_record_has_the_worst_element_in_hex(call):
    trial = moved(call, _9=1000)
    (found,) = results({"hard": [trial]}, "C")
    assert (found.kind, found.grade, found.fails) == ("hard", "F", True)
    assert found.index == (1, 1)
    assert found.ulp == pytest.approx(1000, abs=1)
    assert float.fromhex(found.got_hex) == float(trial.got[1, 1])
    assert float.fromhex(found.wanted_hex) == float(np.float32(call.wanted[1, 1]))
    assert (found.bound_b, found.bound_c) == (bound("B", call.reach), bound("C", call.reach))


def test_the_reference_is_not_asked_again(call):
    trials = [moved(call), moved(replace(call), _9=1000), Trial(replace(call), error="RuntimeError: no")]
    assert [t.judged.grade for t in trials] == ["A", "F", "F"]
    for t in trials:
        _ = t.call.wanted
        t.call.operator = None  # whatever asked it now would raise
    found = results({"plain": trials}, "C")
    assert [r.bound_b is None for r in found] == [True, False, True]
    assert histogram(trials)["float32"]["unanswered"] == 1


def test_what_only_strict_counts_does_not_fail(call):
    call.strict_only = True
    trial = moved(call, _9=1000)
    assert [r.fails for strict in (False, True) for r in results({"special": [trial]}, "C", strict)] == [False, True]
    crashed = Trial(call, error="RuntimeError: no")
    assert results({"special": [crashed]}, "C")[0].fails


def test_records_sort_by_what_counts(call):
    told = moved(replace(call, strict_only=True), _9=10**6)
    found = results({"plain": [moved(call), told, moved(replace(call), _9=1000)]}, "C")
    assert [r.grade + str(r.fails) for r in sorted(found, key=lambda r: r.rank)] == ["FFalse", "AFalse", "FTrue"]
