"""Candidates made wrong in one way, and the layer that says so."""

import json

import numpy as np
import pytest
from judged import right as rms
from judged import shaped
from sampled import one_of_each_module

import refnorm
from refnorm.checker import find_operator, inputs, plan
from refnorm.checker.measure import nudged, reach, reference


def found(report, layer):
    (layer,) = [one for one in report.layers if one.name == layer]
    return " | ".join(f"{f.verdict}: {f.what}" for f in layer.findings)


def verdicts(report):
    return {layer.name: layer.verdict for layer in report.layers}


def test_honest_code_conforms_in_every_layer():
    report = refnorm.check(rms, "rms_norm", seed=1)
    assert report.conforms
    assert (report.verdict, report.grade, report.exit_code, report.named, report.worst) == (
        "conforms",
        "B",
        0,
        [],
        None,
    )
    assert set(verdicts(report).values()) == {"conforms", "skipped"}
    assert report.ran == report.floor == 2 * len(refnorm.OPERATORS["rms_norm"].cases)


def test_the_operator_itself_may_be_named_by_its_function():
    with refnorm.lane("formula"):
        assert refnorm.check(refnorm.norm.rms_norm, refnorm.norm.rms_norm, seed=1).grade == "A"


@pytest.mark.parametrize("name", one_of_each_module())
def test_half_precision_is_judged_too(name):
    report = refnorm.check(refnorm.OPERATORS[name].function, name, seed=1, dtypes=("float16",), budget=50)
    assert report.conforms, found(report, "values") + found(report, "special values") + found(report, "laws")


# ---- refusals ----


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(ValueError, match="no operator is called 'rms'"):
        refnorm.check(rms, "rms")
    with pytest.raises(ValueError, match="no operator is called"):
        refnorm.check(rms, rms)
    with pytest.raises(TypeError, match="must be callable, got int"):
        refnorm.check(3, "rms_norm")
    with pytest.raises(TypeError, match=r"cannot be called as rms_norm\(x, weight=None, /, \*, axis=-1, eps=1e-06\)"):
        refnorm.check(lambda x, weight=None: x, "rms_norm")
    with pytest.raises(ValueError, match="grade must be"):
        refnorm.check(rms, "rms_norm", grade="F")
    for dtypes in ((), ("int8",), "float32"):
        with pytest.raises(ValueError, match="dtypes must be"):
            refnorm.check(rms, "rms_norm", dtypes=dtypes)


# ---- contract ----


def test_a_crash_is_a_finding():
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        raise RuntimeError("no such device")

    report = refnorm.check(candidate, "rms_norm", seed=1)
    assert report.exit_code == 1
    assert "fails: crashes, first at 'rows' in float32: RuntimeError: no such device" in found(report, "contract")
    assert report.worst.why == "RuntimeError: no such device"
    assert report.worst.got is None


def test_a_candidate_that_leaves_the_program_does_not_take_the_checker_along():
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        raise SystemExit(0)

    assert refnorm.check(candidate, "rms_norm", seed=1).exit_code == 1


def test_a_wrong_dtype_fails():
    report = refnorm.check(lambda x, *w, **k: rms(x.astype("float64"), *w, **k), "rms_norm", seed=1)
    assert verdicts(report)["contract"] == "fails"
    assert "returns float64 for float32" in found(report, "contract")


def test_an_overwritten_input_fails():
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        y = rms(x, weight, axis=axis, eps=eps)
        if x.flags.writeable:
            x[...] = 0
        return y

    report = refnorm.check(candidate, "rms_norm", seed=1)
    assert "fails: overwrites its input" in found(report, "contract")
    assert verdicts(report)["values"] == "conforms"


def test_a_wrong_shape_fails():
    report = refnorm.check(lambda x, *w, **k: rms(x, *w, **k)[..., None], "rms_norm", seed=1)
    assert "shape (4, 8, 1) where (4, 8) was wanted" in found(report, "contract")


def test_strides_taken_for_contiguous_fail():
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        memory = x if x.base is None else x.base
        blind = np.resize(memory.reshape(-1), x.shape)
        return rms(blind, weight, axis=axis, eps=eps)

    report = refnorm.check(candidate, "rms_norm", seed=1)
    for layout in ("negative strides", "transposed memory", "strides with gaps"):
        assert f"answers otherwise given {layout}" in found(report, "contract")


def test_refused_read_only_memory_fails():
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        if not x.flags.writeable:
            raise ValueError("buffer source array is read-only")
        return rms(x, weight, axis=axis, eps=eps)

    assert "refuses read-only arrays: ValueError: buffer" in found(refnorm.check(candidate, "rms_norm"), "contract")


def test_rows_left_out_beyond_a_16_bit_grid_fail():
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        y = rms(x, weight, axis=axis, eps=eps)
        y[65_535:] = 0
        return y

    report = refnorm.check(candidate, "rms_norm", seed=1)
    assert "fails: answers otherwise in 65,539 rows" in found(report, "contract")


def test_rows_wrapped_round_a_16_bit_index_fail():
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        y = rms(x, weight, axis=axis, eps=eps)
        y[65_536:] = y[: len(y[65_536:])]
        return y

    assert "answers otherwise in 65,539 rows" in found(refnorm.check(candidate, "rms_norm", seed=1), "contract")


@pytest.mark.parametrize(("strict", "verdict"), [(False, "conforms"), (True, "fails")])
def test_answers_that_differ_in_bits_fail_under_strict_only(strict, verdict):
    rng = np.random.default_rng(0)

    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        y = rms(x, weight, axis=axis, eps=eps)
        return np.where(rng.random(y.shape) < 0.5, y, np.nextafter(y, y.dtype.type(0)))

    report = refnorm.check(candidate, "rms_norm", seed=1, strict=strict)
    assert f"{verdict}: two runs differ in their bits" in found(report, "contract")
    assert f"{verdict}: a row alone differs in its bits" in found(report, "contract")
    assert report.conforms is not strict


@pytest.mark.parametrize(("partial", "code"), [(False, 3), (True, 0)])
def test_what_a_candidate_declines_is_skipped_only_where_that_is_asked(partial, code):
    def candidate(x, weight=None, *, axis=-1, eps=1e-6):
        if weight is not None:
            raise NotImplementedError("no weights")
        return rms(x, axis=axis, eps=eps)

    report = refnorm.check(candidate, "rms_norm", seed=1, partial=partial)
    weighted = sum(len(c.draws) > 1 for c in find_operator("rms_norm").cases)
    assert (report.declined, report.exit_code) == (2 * weighted, code)


def test_a_candidate_that_declines_everything_has_not_passed():
    def candidate(*_, **__):
        raise NotImplementedError

    assert refnorm.check(candidate, "rms_norm", seed=1, partial=True).exit_code == 3


# ---- values ----


@pytest.mark.parametrize(("strict", "verdict"), [(False, "conforms"), (True, "fails")])
def test_flushed_denormals_and_overflowing_squares_are_told(strict, verdict):
    def candidate(x, **options):
        y = refnorm.pool.max_pool(x, **options)
        return np.where(np.abs(y) < np.finfo(y.dtype).smallest_normal, 0, y).astype(y.dtype)

    report = refnorm.check(candidate, "max_pool", seed=1, strict=strict)
    assert f"{verdict}: denormals flushed to zero" in found(report, "special values")
    assert report.conforms is not strict
    report = refnorm.check(rms, "rms_norm", seed=1, strict=strict)
    assert f"{verdict}: squares overflow" in found(report, "special values")


def test_denormal_inputs_taken_for_zero_are_told():
    def candidate(x, *w, **options):
        return rms(np.where(np.abs(x) < np.finfo(x.dtype).smallest_normal, 0, x).astype(x.dtype), *w, **options)

    report = refnorm.check(candidate, "rms_norm", seed=1)
    assert "conforms: denormal inputs taken for zero" in found(report, "special values")
    assert report.conforms


def test_lost_digits_warn_and_fail_where_grade_b_is_asked():
    def candidate(x, /, *, axis=-1):
        z = x - np.max(x, axis=axis, keepdims=True)
        return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))

    assert refnorm.check(candidate, "log_softmax", seed=1).verdict == "conforms with a warning"
    assert refnorm.check(candidate, "log_softmax", seed=1, grade="B").verdict == "does not conform"


def test_a_broken_law_fails():
    def candidate(x, weight=None, /, *, axis=-1, eps=1e-6):
        y = rms(x, weight, axis=axis, eps=eps)
        return y if eps else y + x.dtype.type(0.5)  # no case has eps 0, and only the law does

    report = refnorm.check(candidate, "rms_norm", seed=1)
    assert verdicts(report)["values"] == "conforms"
    assert "scale_free" not in found(report, "laws")  # both sides are shifted alike
    report = refnorm.check(lambda x, *w, eps=1e-6, **k: rms(x, *w, eps=abs(eps - 0.3), **k), "rms_norm", seed=1)
    assert "eps_is_in_squared_units in float32" in found(report, "laws")


def test_the_measured_condition_is_that_of_the_data():
    op = find_operator("layer_norm")
    calls = {c.label: c for kind in ("plain", "hard") for c in getattr(plan(op, 1, ("float32",)), kind)}
    far, near = calls["rows + mean 1e+04"], calls["rows"]
    assert np.median(far.yardstick) > 500 * np.median(near.yardstick)  # x - mean keeps 3 digits fewer


def test_every_element_moves_by_one_unit():
    x = np.array([1.0, -3.0, 0.0, np.inf, np.nan], "float32")
    (moved,) = nudged([x], np.random.default_rng(0))
    assert np.all(np.abs(moved[:2] - x[:2]) <= np.spacing(np.abs(x[:2])))
    assert np.all(moved[:3] != x[:3])
    np.testing.assert_array_equal(moved[3:], x[3:])


@pytest.mark.parametrize(
    ("name", "label", "n"), [("rms_norm", "long", 1030), ("avg_pool", "plane", 4), ("softmax", "axis", 5)]
)
def test_reach_counts_the_elements_that_make_one_output(name, label, n):
    (call,) = [c for c in plan(find_operator(name), 1, ("float32",)).plain if c.label == label]
    assert reach(call) == n


# ---- diagnosis ----


@pytest.mark.parametrize("eps", [1e-5, 2.0**-23, 7e-4])
def test_another_eps_is_named(eps):
    def candidate(x, weight=None, /, *, axis=-1, eps=eps):
        return rms(x, weight, axis=axis, eps=eps)

    names = {1e-5: "convention onnx, slicegpt (eps=1e-05)", 2.0**-23: f"convention torch (eps={2.0**-23!r})"}
    report = refnorm.check(candidate, "rms_norm", seed=1)
    assert report.named[0] == names.get(eps, "its own defaults (eps=0.0007)")


def test_a_mistake_in_its_own_arithmetic_is_named():
    def candidate(x, weight=None, /, *, axis=-1, eps=1e-6):
        y = x / (np.sqrt(np.mean(x * x, axis=axis, keepdims=True)) + np.float32(eps))
        return (y if weight is None else y * shaped(x, weight, axis)).astype(x.dtype)

    assert refnorm.check(candidate, "rms_norm", seed=1).named == ["eps outside the root"]


def test_a_mistake_of_rounding_is_named_though_no_digits_agree():
    def candidate(x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
        mean = np.mean(x, axis=axis, keepdims=True)
        y = (x - mean) / np.sqrt(np.mean(x**2, axis=axis, keepdims=True) - mean**2 + x.dtype.type(eps))
        y = y if weight is None else y * shaped(x, weight, axis)
        return y if bias is None else y + shaped(x, bias, axis)

    assert refnorm.check(candidate, "layer_norm", seed=1).named[:1] == ["one-pass variance"]


def test_what_is_not_known_is_not_named():
    def candidate(x, *w, **k):
        return rms(x, *w, **k) * x.dtype.type(1.01)

    report = refnorm.check(candidate, "rms_norm", seed=1)
    assert report.named == []
    assert "no known mistake and no convention gives these answers" in found(report, "diagnosis")


# ---- the run ----


def test_too_few_cases_are_no_pass():
    report = refnorm.check(rms, "rms_norm", seed=1, budget=0.0)
    assert (report.exit_code, report.verdict, report.conforms) == (3, "too few cases ran", False)


def test_a_seed_gives_the_same_report_and_another_one_other_inputs():
    def wrong(x, *w, **k):
        return rms(x, *w, **k) * x.dtype.type(1.01)

    one, two, other = (
        refnorm.check(wrong, "rms_norm", seed=s, dtypes=("float32",), budget=1e9).as_dict() for s in (5, 5, 6)
    )
    for said in (one, two, other):
        del said["seconds"]
    assert one == two
    assert one["worst"]["got"] != other["worst"]["got"]
    assert refnorm.check(rms, "rms_norm").seed != refnorm.check(rms, "rms_norm").seed


def test_an_answer_in_a_wider_type_is_told_and_stops_nothing():
    report = refnorm.check(lambda x, *w, **k: rms(x, *w, **k).astype(np.longdouble), "rms_norm", seed=5)
    assert report.exit_code == 1
    said = f"returns {np.dtype(np.longdouble)} for float32"
    assert said in [f.what for layer in report.layers for f in layer.findings]


def test_the_worst_call_can_be_made_again():
    report = refnorm.check(lambda x, *w, **k: rms(x, *w, **k) * x.dtype.type(1.01), "rms_norm", seed=5)
    worst, call = report.worst, report.smallest.call
    wanted = reference(find_operator("rms_norm"), call.arrays, call.options)[worst.index]
    assert np.dtype(worst.dtype).type(wanted) == worst.wanted
    arrays, options = inputs("rms_norm", "loud eps", dtype="float32", seed=5)
    (drawn,) = [c for c in plan(find_operator("rms_norm"), 5, ("float32",)).plain if c.label == "loud eps"]
    np.testing.assert_array_equal(arrays[0], drawn.arrays[0])
    assert options == drawn.options
    with pytest.raises(ValueError, match="has no call"):
        inputs("rms_norm", "nonsense", dtype="float32", seed=5)


def test_the_report_is_json_with_its_keys():
    for candidate in (rms, lambda x, *_, **__: np.full_like(x, np.nan)):
        said = refnorm.check(candidate, "rms_norm", seed=1).as_dict()
        json.dumps(said, allow_nan=False)
        assert said["schema"] == "refnorm.report/1"
        assert set(said) == {
            "schema", "operator", "candidate", "kind", "seed", "dtypes", "wanted_grade", "strict", "convention",
            "conforms", "verdict", "grade", "worst_ulp", "worst_yardsticks", "ran", "floor", "declined", "seconds",
            "named", "layers", "worst", "errors", "cases", "versions",
        }  # fmt: skip
        names = [layer["name"] for layer in said["layers"]]
        assert names == ["contract", "values", "special values", "laws", "gradients", "diagnosis"]
    assert set(said["worst"]) == {
        "label", "dtype", "shape", "options", "why", "place", "index", "got", "wanted", "ulp", "yardsticks", "got_hex",
        "wanted_hex",
    }  # fmt: skip


def test_progress_is_told():
    heard = []
    refnorm.check(rms, "rms_norm", seed=1, progress=heard.append)
    assert heard
    assert all(isinstance(what, str) for what in heard)
