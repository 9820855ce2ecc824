"""Mutants: every kind is made, the originals stay, equivalent ones are known, and a blind checker lets them live."""

import numpy as np
import pytest
from sampled import a_few_of_each_wing

import refnorm
from refnorm import OPERATORS
from refnorm.checker import find_operator, mutants, plan, trial
from refnorm.checker.mutate import Watch
from refnorm.checker.run import local
from refnorm.checker.selftest import DTYPES, MUTANT_SEED

ROWS = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")


def drawn(name, dtypes=DTYPES):
    return plan(find_operator(name), MUTANT_SEED, dtypes)


def made(name, what, home=None, gradient=False):
    """Return the first mutant of an operator in which this is changed."""
    found = [
        m for m in mutants.mutants(OPERATORS[name])
        if m.what == what and m.gradient == gradient and home in (None, m.home.__name__)
    ]  # fmt: skip
    assert found, f"{name} has no mutant {what!r}"
    return found[0]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("layer_norm", "y + b -> y - b"),
        ("layer_norm", "y * w -> y / w"),
        ("layer_norm", "y + b -> y"),
        ("layer_norm", "y + b -> b"),
        ("log_softmax", "e - 1 -> -1"),
        ("softmax", "-1 -> -2"),
        ("softmax", "-1 -> 0"),
        ("layer_norm", "1 -> 2"),
        ("layer_norm", "0.25 -> 1.25"),
        ("softmax", "True -> False"),
        ("layer_norm", "largest < high -> largest <= high"),
        ("layer_norm", "largest < high -> largest > high"),
        ("softmax", "xp.max(x, axis=-1, keepdims=True) -> xp.min(x, axis=-1, keepdims=True)"),
        ("layer_norm", "y if w is None else y * w -> y * w if w is None else y"),
        ("layer_norm", "roomy -> not roomy"),
        ("layer_norm", "~xp.isfinite(largest) -> xp.isfinite(largest)"),
        ("log_softmax", "xp.where(largest, e - 1, e) -> xp.where(largest, e, e - 1)"),
        ("layer_norm", "c / root_mean_square(xp, c, eps, roomy=spare) narrowed"),
        ("lp_normalize", "root ** p -> root"),
        ("softmax", "two_sum(xp, x, -largest) -> two_sum(xp, -largest, x)"),
    ],
)
def test_every_kind_of_mutant_is_made(name, what):
    made(name, what)


def test_only_what_computes_is_changed():
    for name in OPERATORS:
        for mutant in mutants.mutants(OPERATORS[name]):
            assert not mutant.home.__name__.startswith(("require_", "check_"))
            assert mutant.file.startswith(("refnorm/_core/", f"refnorm/{OPERATORS[name].wing}/"))
            assert "run(" not in mutant.source, "the kernel branch"
            assert "raise " not in mutant.source
            assert "takes(" not in mutant.source


def test_names_are_of_one_mutant_each():
    for name in ("layer_norm", "max_pool"):
        found = [(m.gradient, m.text) for m in mutants.mutants(OPERATORS[name])]
        assert len(set(found)) == len(found)


def test_the_change_is_made_in_a_helper_and_nowhere_else():
    mutant = made("layer_norm", "x * x -> x / x", home="root_mean_square")
    with refnorm.lane("formula"):
        before = refnorm.norm.layer_norm(ROWS)
        twin = mutant.function(Watch())
        assert not np.allclose(twin(ROWS), before)
        assert np.array_equal(refnorm.norm.layer_norm(ROWS), before)
        assert np.array_equal(refnorm.norm.rms_norm(ROWS), refnorm.norm.rms_norm(ROWS.copy()))


def test_a_loop_without_end_is_killed():
    mutant = made("walsh_hadamard_transform", "2 * h -> h", home="butterflies")
    others = [m for m in mutants.mutants(OPERATORS["walsh_hadamard_transform"]) if m.home.__name__ == "butterflies"]
    calls = drawn("walsh_hadamard_transform", ("float64",)).plain
    asked = [trial.ask(local(mutants.candidate(m, Watch())), calls[0]).error or "" for m in (mutant, *others)]
    assert [error for error in asked if "does not end" in error]


# ---- judging ----


@pytest.mark.parametrize(
    ("name", "what", "gradient", "end", "why"),
    [
        ("softmax", "e / s -> e * s", False, "killed", "in float"),
        ("softmax", "g * y -> g / y", True, "killed", "in float"),
        ("softmax", "roomy(rows, wide) -> roomy(wide, rows)", False, "equivalent", "the same answers"),
        ("layer_norm", "s + rest -> s", False, "equivalent", mutants.ROUNDING),
        ("layer_norm", "largest > floor -> largest >= floor", True, "equivalent", "the same answers"),
    ],
)
def test_what_becomes_of_a_mutant(name, what, gradient, end, why):
    judge = (mutants.judge_vjp if gradient else mutants.judge_forward)(drawn(name))
    got = judge(made(name, what, gradient=gradient))
    assert (got[0], why in got[1]) == (end, True), got


def test_a_blind_checker_lets_mutants_live(monkeypatch):
    """And none of them is taken for equivalent: that does not hang on yardsticks."""
    right, wrong = drawn("rms_norm"), [made("rms_norm", w) for w in ("y * w -> y / w", "x * x -> x", "y * w -> y")]
    assert [mutants.judge_forward(right)(m)[0] for m in wrong] == ["killed"] * 3
    monkeypatch.setattr(trial, "bound", lambda grade, n: np.inf)
    by_calls = mutants.Calls([*right.plain, *right.hard], OPERATORS["rms_norm"].function)
    for call in by_calls.asked:
        vars(call).pop("reach", None)
    assert [by_calls(m)[0] for m in wrong] == ["survives"] * 3


def test_an_explanation_is_known_by_its_text_and_stale_ones_are_told(monkeypatch):
    from refnorm.checker.selftest import selftest

    operator = OPERATORS["update_running"].load_card()
    monkeypatch.setattr(trial, "bound", lambda grade, n: np.inf)
    text = next(f.mutant.text for f in mutants.fates(drawn("update_running")) if f.end == "survives")
    monkeypatch.setattr(operator, "survivors", {text: "a reason", "f: y = x: x -> y": "another"})
    lines = selftest(["update_running"], seed=1).lines
    assert next(line.said for line in lines if line.name == text).endswith("a reason")
    assert [line.name for line in lines if line.end == "stale"] == ["f: y = x: x -> y"]


@pytest.mark.parametrize("name", a_few_of_each_wing())
def test_the_operator_itself_passes_where_mutants_are_killed(name):
    """Mutants are judged strictly: what is killed must be killed for what was changed."""
    calls = drawn(name)
    with refnorm.lane("formula"):
        answers = [trial.ask(local(OPERATORS[name].function), c) for c in (*calls.plain, *calls.hard, *calls.special)]
    assert not [t.call.label for t in answers if t.judged.grade == "F"]


@pytest.mark.parametrize("name", a_few_of_each_wing())
def test_no_mutant_of_a_sample_survives_unexplained(name):
    """The seed draws them; `refnorm selftest` judges them all."""
    fates = list(mutants.fates(drawn(name), sample=20))
    assert len(fates) == min(20, len(mutants.mutants(OPERATORS[name])))
    assert not [(f.mutant.place, f.mutant.text, f.why) for f in fates if f.end == "survives" and not f.explained]
    assert sum(f.end == "killed" for f in fates) > len(fates) / 4
