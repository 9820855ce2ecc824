"""The smallest failing call: small enough to be worked out by hand, failing in the same way, and kept as a file."""

import json

import numpy as np
import pytest
from judged import right as rms

import refnorm
from refnorm.checker import check, find_operator, local, plan
from refnorm.checker.replay import ask_again, load, save
from refnorm.checker.show import snippet
from refnorm.checker.shrink import shrink
from refnorm.checker.trial import ask


def tail(x, weight=None, /, *, axis=-1, eps=1e-6):
    """Wrong from the sixth element of a row on."""
    y = rms(x, weight, axis=axis, eps=eps)
    y[..., 5:] *= x.dtype.type(1.5)
    return y


def loud(x, weight=None, /, *, axis=-1, eps=1e-6):
    """Wrong where eps is large."""
    return rms(x, weight, axis=axis, eps=min(eps, 0.1))


def test_a_fault_of_the_tail_is_shrunk_to_one_row_that_has_a_tail():
    call = check(tail, "rms_norm", seed=3).smallest.call
    assert call.data.shape == (1, 6)
    assert call.options == {}
    np.testing.assert_array_equal(call.data * 2, np.round(call.data * 2))  # numbers for a pencil


def test_options_that_matter_are_kept():
    call = check(loud, "rms_norm", seed=3).smallest.call
    assert call.options["eps"] > 0.1
    assert set(call.options) == {"eps"}
    assert call.size == 1


def test_the_way_of_failing_stays():
    def candidate(x, weight=None, /, *, axis=-1, eps=1e-6):
        if x.shape[-1] > 4:
            raise RuntimeError("too long")
        return rms(x, weight, axis=axis, eps=eps) * x.dtype.type(1 if x.shape[-1] > 1 else 3)

    op = find_operator("rms_norm")
    crashing = next(t for t in (ask(local(candidate), c) for c in plan(op, 1, ("float32",)).plain) if t.error)
    smallest = shrink(local(candidate), crashing, "C", 1, 5.0)
    assert smallest.error == "RuntimeError: too long"
    assert smallest.call.data.shape[-1] == 5


def test_without_time_the_call_stays_as_it_is():
    op = find_operator("rms_norm")
    trial = ask(local(tail), plan(op, 1, ("float32",)).plain[0])
    assert shrink(local(tail), trial, "C", 1, 0.0) is trial
    assert shrink(local(tail), trial, "C", 1, 1e-9) is trial


@pytest.mark.parametrize("name", list(refnorm.OPERATORS))
def test_every_operator_shrinks(name):
    """Whatever its sizes must be to one another, what the operator refuses is not tried."""
    op = find_operator(name)

    def wrong(x, *arrays, **options):
        answer = op.function(x, *arrays, **options)
        parts = answer if isinstance(answer, tuple) else (answer,)
        twice = tuple(p * p.dtype.type(2) if np.issubdtype(np.asarray(p).dtype, np.floating) else p for p in parts)
        return twice if isinstance(answer, tuple) else twice[0]

    drawn = plan(op, 1, ("float32",))
    trial = max((ask(local(wrong), c) for c in drawn.plain), key=lambda t: t.call.size)
    smallest = shrink(local(wrong), trial, "C", 1, 3.0)
    assert smallest.judged.grade > "C"
    assert smallest.call.size <= trial.call.size / 4 or smallest.call.size <= 4


# ---- kept as a file ----


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_a_call_comes_back_from_its_file(tmp_path, dtype):
    report = check(loud, "rms_norm", seed=3, dtypes=(dtype,))
    save(tmp_path / "case.json", report)
    call, told = load(tmp_path / "case.json")
    kept = report.smallest.call
    assert (call.operator.name, call.label, call.dtype, call.options) == ("rms_norm", kept.label, dtype, kept.options)
    assert [a.tobytes() for a in call.arrays if a is not None] == [a.tobytes() for a in kept.arrays if a is not None]
    assert told["grade"] == "C"
    assert ask_again(local(loud), call, "loud", "C", False).exit_code == 1
    assert ask_again(local(rms), call, "rms", "C", False).exit_code == 0


def test_a_gradient_comes_back_from_its_file(tmp_path):
    op = find_operator("batch_norm_train")

    def candidate(*arrays, **options):
        return op.function(*arrays, **options)

    def half(cotangents, *arrays, **options):
        dx, *others = op.gradient(cotangents, *arrays, **options)
        return (dx / dx.dtype.type(2), *others)

    report = check(candidate, op.name, vjp=half, seed=3, dtypes=("float32",))
    assert report.worst.label.startswith("gradient of")
    save(tmp_path / "case.json", report)
    call, _ = load(tmp_path / "case.json")
    assert call.vjp
    assert ask_again(local(candidate, half), call, "half", "C", False).exit_code == 1
    assert ask_again(local(candidate, op.gradient), call, "right", "C", False).exit_code == 0


def test_nothing_is_kept_of_what_conforms(tmp_path):
    with pytest.raises(ValueError, match="nothing failed"):
        save(tmp_path / "case.json", check(rms, "rms_norm", seed=3))
    assert not list(tmp_path.iterdir())


def test_a_malformed_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "case.json"
    save(path, check(loud, "rms_norm", seed=3))
    good = json.loads(path.read_text())
    manifest = json.loads(good["metadata"]["manifest"])
    for change in (
        {"operator": "no_such"}, {"operator": 3}, {"dtype": "int8"}, {"layout": "sideways"},
        {"options": {"tuple": [1]}},
        {"options": {"dict": {"nonsense": 1}}}, {"inputs": []}, {"inputs": [None]}, {"inputs": ["y9"]}, {"inputs": [3]},
        {"schema": "refnorm.replay/0"}, {"vjp": True}, {"vjp": 1},
    ):  # fmt: skip
        path.write_text(json.dumps(good | {"metadata": {"manifest": json.dumps(manifest | change)}}))
        with pytest.raises(ValueError, match="is no file to replay: ") as raised:
            load(path)
        assert "\n" not in str(raised.value), change
    for text in ("", "{", "[]", "null", "{}", json.dumps(good)[:-40]):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"case\.json"):
            load(path)
    with pytest.raises(ValueError, match=r"ends in \.json"):
        load(tmp_path / "case.pickle")


def test_the_snippet_runs_as_it_stands(capsys):
    report = check(loud, "rms_norm", seed=3)
    code = snippet(report).replace("candidate = ...  # your function", "candidate = loud")
    exec(compile(code, "snippet", "exec"), {"loud": loud})
    got, wanted = capsys.readouterr().out.split()[1::2]
    assert float(got) == pytest.approx(report.worst.got)
    assert float(wanted) == pytest.approx(report.worst.wanted)
