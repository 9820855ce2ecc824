"""Golden vectors: what is written is what a check asks, and answers from a file are judged as answers are."""

import json
import math

import numpy as np
import pytest
from sampled import a_few_of_each_wing

import refnorm
from refnorm.checker import calls, find_operator, manifest, plan, vectors
from refnorm.checker.diagnose import twin_answer
from refnorm.checker.formats import SUFFIXES, read, write
from refnorm.checker.vectors import export, load_vectors, verify

LAYERS = ["contract", "values", "special values", "laws", "gradients", "diagnosis"]


def need(suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")


def answers_of(path, function=None, twin=None):
    """Answer every call of a file, as a program elsewhere would: name -> array."""
    held, found = load_vectors(path), {}
    function = function or held.operator.function
    for v in (v for v in held.vectors if v.kind != "gradients"):
        with np.errstate(all="ignore"):
            answer = twin_answer(twin, v.call) if twin else function(*v.call.handed(), **v.call.options)
        parts = answer if isinstance(answer, tuple) else (answer,)
        found |= dict(zip(v.outputs, map(np.asarray, parts), strict=True))
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "vectors.npz"
    export("rms_norm", path, seed=1, dtypes=["float32"])
    return path, answers_of(path)


@pytest.fixture
def exported(made):
    """rms_norm's vectors, and the right answers to them."""
    return made[0], dict(made[1])


@pytest.fixture
def judged(exported, tmp_path):
    def judged(answers, vectors=exported[0], **more):
        write(tmp_path / "answers.npz", answers)
        return verify(vectors, tmp_path / "answers.npz", **more)

    return judged


def layer(report, name):
    return next(one for one in report.layers if one.name == name)


def said(report, name="contract"):
    return [f"{f.verdict}: {f.what}" for f in layer(report, name).findings]


def twin(operator, name):
    return next(m.function for m in find_operator(operator).load_card().mistakes if m.name == name)


def ids(path, kind, label, dtype="float32"):
    found = [v for v in load_vectors(path).vectors if (v.kind, v.call.label, v.call.dtype) == (kind, label, dtype)]
    return found[0].outputs


def changed(path, to, change=None, tensors=None):
    """Write a file of vectors once more with its manifest or its tensors changed."""
    held, words = read(path)
    manifest = json.loads(words["manifest"])
    if change:
        change(manifest)
    if tensors:
        tensors(held)
    write(to, held, {"manifest": json.dumps(manifest)})
    return to


def gradients_of(path, change=lambda d: d):
    """Answer every gradient's call of a file; `change` is what is wrong with them."""
    held, found = load_vectors(path), {}
    for v in (v for v in held.vectors if v.kind == "gradients"):
        cotangents, *inputs = v.call.handed()
        cotangents = tuple(cotangents) if isinstance(cotangents, list) else cotangents
        got = held.operator.gradient(cotangents, *inputs, **v.call.options)
        parts = got if isinstance(got, tuple) else (got,)
        found |= {name: change(part) for name, part in zip(v.outputs, parts, strict=False) if name}
    return found


# ---- what is written ----


@pytest.mark.parametrize("name", a_few_of_each_wing())
def test_a_file_holds_the_calls_of_a_check(name, tmp_path):
    path, op = tmp_path / "v.npz", find_operator(name)
    count = export(name, path, seed=7, dtypes=["float32"])
    drawn, held = plan(op, 7, ("float32",)), load_vectors(path)
    asked = [(kind, call) for kind in ("plain", "hard", "special") for call in getattr(drawn, kind)]
    assert len(asked) == count == len(held.vectors)
    assert (held.operator, held.seed, held.dtypes) == (op, 7, ("float32",))
    for (kind, call), v in zip(asked, held.vectors, strict=True):
        same = ("label", "dtype", "strict_only", "options")
        assert kind == v.kind
        assert [repr(getattr(call, field)) for field in same] == [repr(getattr(v.call, field)) for field in same]
        for mine, theirs in zip(call.arrays, v.call.arrays, strict=True):
            assert (mine is None) == (theirs is None)
            assert mine is None or (mine.dtype, mine.tobytes()) == (theirs.dtype, theirs.tobytes())
        assert vectors._as_told(v)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [*(("rms_norm", suffix) for suffix in SUFFIXES), ("batch_norm_train", ".npz"), ("fastfood_project", ".npz")],
)
def test_gradients_are_written_and_judged(name, suffix, tmp_path):
    need(suffix)
    path, answers = tmp_path / f"v{suffix}", tmp_path / "answers.npz"
    export(name, path, seed=3, dtypes=["float32"], gradients=True)
    right = answers_of(path)
    for change, verdict, exit_code in [
        (lambda d: d, "conforms", 0),
        (lambda d: -d, "fails", 1),
        (lambda d: 1.001 * d, "fails", 1),
    ]:
        write(answers, right | gradients_of(path, lambda d, c=change: np.asarray(c(d), d.dtype)))
        report = verify(path, answers)
        assert (layer(report, "gradients").verdict, report.exit_code) == (verdict, exit_code)
        assert report.enough
    assert any("the gradient of x is wrong" in words for words in said(report, "gradients"))
    write(answers, right)
    report = verify(path, answers)
    assert (report.exit_code, layer(report, "gradients").skipped) == (0, "the candidate offers none")
    some = dict(list(gradients_of(path).items())[1:])
    write(answers, right | some)
    assert verify(path, answers).exit_code == 3


def test_an_operator_without_a_gradient_has_no_gradients_to_write(tmp_path, monkeypatch):
    monkeypatch.setattr(find_operator("rms_norm"), "gradient", None)
    with pytest.raises(ValueError, match="rms_norm has no gradient here"):
        export("rms_norm", tmp_path / "v.npz", gradients=True)
    assert not list(tmp_path.iterdir())


def test_wanted_answers_are_there_rounded_and_not(tmp_path):
    export("batch_moments", tmp_path / "v.npz", seed=0, dtypes=["float32"])
    tensors, words = read(tmp_path / "v.npz")
    manifest = json.loads(words["manifest"])
    first = manifest["calls"][0]
    assert (manifest["schema"], manifest["refnorm"]) == ("refnorm.vectors/1", refnorm.__version__)
    assert (first["inputs"], first["outputs"]) == (["0000/x0"], ["0000/y0", "0000/y1", "0000/y2"])
    assert [tensors[name].dtype.name for name in first["outputs"]] == ["float32", "float32", "int64"]
    assert [tensors[name].dtype.name for name in first["wanted"]] == ["float64", "float64", "int64"]
    wanted, count = tensors["0000/wanted0"], tensors["0000/wanted2"]
    np.testing.assert_array_equal(wanted.astype("float32"), tensors["0000/y0"])
    assert np.any(wanted != tensors["0000/y0"])
    assert count.shape == ()


@pytest.mark.parametrize(
    "options",
    [{}, {"axis": (1, 2)}, {"padding": ((0, 1), (2, 3))}, {"p": math.inf, "q": -math.inf, "s": "inf", "n": None}],
)
def test_options_come_back_as_they_were(options):
    text = manifest.options_text(options)
    assert "Infinity" not in text
    assert {k: manifest.back(v) for k, v in json.loads(text).items()} == options
    assert manifest.back(json.loads(manifest.options_text({"a": math.nan}))["a"]) != 0
    with pytest.raises(TypeError, match="an option is a ndarray"):
        manifest.options_text({"w": np.ones(2)})


def test_absent_and_listed_arrays_keep_their_places():
    tensors, names = manifest.lay_out("0001/x", [np.ones(1), None, [np.zeros(1), np.ones(2)]])
    assert names == ["0001/x0", None, ["0001/x2.0", "0001/x2.1"]]
    back = vectors._named("0001", names, tensors)
    assert (back[1], back[2][1].shape) == (None, (2,))


def test_a_seed_gives_the_same_file_and_another_one_other_inputs(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        export("softmax", tmp_path / f"{name}.json", seed=seed, dtypes=["float32"])
    a, b, c = ((tmp_path / f"{name}.json").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_what_cannot_be_exported_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no operator is called 'rms'"):
        export("rms", tmp_path / "v.npz", seed=0)
    with pytest.raises(ValueError, match="dtypes must be some of"):
        export("rms_norm", tmp_path / "v.npz", seed=0, dtypes=["int8"])
    with pytest.raises(ValueError, match=r"ends in .npz"):
        export("rms_norm", tmp_path / "v.txt", seed=0)


# ---- answers that are right ----


@pytest.mark.parametrize(
    ("name", "suffix"),
    [*(("batch_moments", s) for s in SUFFIXES), ("rms_norm", ".npz"), ("lp_normalize", ".npz"), ("max_pool", ".npz")],
)
def test_right_answers_conform(name, suffix, tmp_path):
    need(suffix)
    export(name, tmp_path / f"v{suffix}", seed=3)
    write(tmp_path / f"a{suffix}", answers_of(tmp_path / f"v{suffix}"))
    report = verify(tmp_path / f"v{suffix}", tmp_path / f"a{suffix}")
    assert (report.verdict, report.exit_code, report.named, report.worst) == ("conforms", 0, [], None)
    assert report.ran == report.floor == 2 * len(find_operator(name).cases)
    assert [one.name for one in report.layers] == LAYERS
    assert layer(report, "laws").skipped == "answers came from a file"
    assert layer(report, "contract").skipped.endswith("repeatability: answers came from a file")
    assert report.candidate == str(tmp_path / f"a{suffix}")
    json.dumps(report.as_dict(), allow_nan=False)


@pytest.mark.parametrize("dtype", calls.FLOATS)
def test_every_dtype_that_is_checked(dtype, tmp_path):
    export("layer_norm", tmp_path / "v.json", seed=3, dtypes=[dtype])
    write(tmp_path / "a.npz", answers_of(tmp_path / "v.json"))
    report = verify(tmp_path / "v.json", tmp_path / "a.npz")
    assert report.conforms, said(report) + said(report, "values")


def test_the_snippet_of_a_check_is_not_needed_to_print(judged, exported, capsys):
    judged(exported[1]).print()
    assert "conforms" in capsys.readouterr().out


# ---- answers that are not ----


@pytest.mark.parametrize("name", ["eps outside the root", "sum in place of mean", "NaN taken for zero"])
def test_a_known_mistake_is_named(judged, exported, name):
    report = judged(answers_of(exported[0], twin=twin("rms_norm", name)))
    assert (report.exit_code, report.named[:1]) == (1, [name])
    assert report.worst.index or report.worst.why


def test_a_convention_is_named(judged, exported):
    def torch(*arrays, eps=2.0**-23, **options):
        return refnorm.norm.rms_norm(*arrays, eps=eps, **options)

    assert judged(answers_of(exported[0], torch)).named[0].startswith("convention torch")


def test_answers_swapped_between_two_calls_are_refused(judged, exported):
    path, answers = exported
    (one,), (two,) = ids(path, "plain", "rows"), ids(path, "plain", "loud eps")
    answers[one], answers[two] = answers[two], answers[one]
    report = judged(answers)
    assert report.exit_code == 1
    assert said(report, "values")[0].startswith("fails: wrong values, first at 'rows' in float32")
    assert layer(report, "values").findings[0].calls == 2


@pytest.mark.parametrize(("kind", "label"), [("plain", "rows"), ("special", "rows + a NaN")])
def test_a_call_without_an_answer_is_no_pass(judged, exported, kind, label):
    path, answers = exported
    (name,) = ids(path, kind, label)
    del answers[name]
    report = judged(answers)
    assert (report.exit_code, report.conforms, report.ran) == (3, False, report.floor - (kind == "plain"))
    assert said(report) == [f"warning: no answer for call {name[:4]} ('{label}' in float32)"]
    assert layer(report, "contract").skipped.endswith("calls: no answers")
    # what is known to be wrong stays so, however much is missing
    report = judged({n: a * a.dtype.type(1.01) for n, a in answers.items()})
    assert report.exit_code == 1


def test_no_answers_are_no_pass(judged):
    report = judged({})
    assert (report.exit_code, report.verdict) == (3, "too few cases ran")


def test_half_of_several_outputs_is_no_answer(tmp_path):
    export("batch_moments", tmp_path / "v.npz", seed=0, dtypes=["float32"])
    answers = answers_of(tmp_path / "v.npz")
    del answers["0000/y1"]
    write(tmp_path / "a.npz", answers)
    assert said(verify(tmp_path / "v.npz", tmp_path / "a.npz"))[0].startswith("warning: no answer for call 0000")


def test_shape_and_dtype_are_contract(judged, exported):
    path, answers = exported
    (name,) = ids(path, "plain", "rows")
    report = judged(answers | {name: answers[name].T})
    assert said(report) == ["fails: shape (8, 4) where (4, 8) was wanted ('rows')"]
    report = judged(answers | {name: answers[name].astype("float64")})
    assert said(report) == ["fails: returns float64 for float32"]
    assert report.exit_code == 1


def test_grade_and_strict_are_heard(exported, judged):
    answers = answers_of(exported[0])
    off = {n: np.nextafter(np.nextafter(a, a.dtype.type(9)), a.dtype.type(9)) for n, a in answers.items()}
    assert judged(off).conforms
    assert not judged(off, grade="A").conforms
    small = np.finfo("float32").smallest_normal
    with np.errstate(invalid="ignore"):
        flushed = {n: np.where(np.abs(a) < small, 0, a).astype(a.dtype) for n, a in answers.items()}
    assert judged(flushed).conforms
    assert judged(flushed, strict=True).exit_code == 1
    with pytest.raises(ValueError, match="grade must be"):
        judged(answers, grade="D")


def test_answers_to_no_call_are_told(judged, exported):
    report = judged(exported[1] | {"9999/y0": np.ones(2)})
    assert said(report) == ["warning: answers that no call asks for, first 9999/y0"]
    assert report.conforms


# ---- files that are not what they should be ----


def test_vectors_are_no_answers(exported):
    with pytest.raises(ValueError, match="is a file of vectors itself"):
        verify(exported[0], exported[0])


def test_a_file_with_fewer_calls_is_no_pass(exported, judged, tmp_path):
    def few(manifest):
        manifest["calls"] = manifest["calls"][:3]

    report = judged(exported[1], changed(exported[0], tmp_path / "few.npz", few))
    assert (report.exit_code, report.ran) == (3, 3)


@pytest.mark.parametrize("which", ["x0", "wanted0", "y0"])
def test_vectors_that_want_otherwise_than_the_operator_are_told(exported, judged, tmp_path, which):
    def bent(tensors):
        tensors[f"0000/{which}"][0, 0] += 1

    path = changed(exported[0], tmp_path / "bent.npz", tensors=bent)
    report = judged(exported[1], path)
    told = "warning: the vectors want otherwise than the operator for call 0000 ('rows' in float32)"
    assert said(report) == [told]
    assert layer(report, "contract").findings[0].calls == 1
    # the operator is asked afresh: what the file wants decides nothing
    assert report.conforms is (which != "x0")


WRONG = {
    "another schema": (lambda m: m.update(schema="refnorm.vectors/2"), "its manifest is not of schema"),
    "an unknown operator": (lambda m: m.update(operator="rms"), "no operator is called 'rms'"),
    "an unknown dtype": (lambda m: m.update(dtypes=["int8"]), "dtypes must be"),
    "no dtypes": (lambda m: m.update(dtypes=[]), "dtypes must be"),
    "no seed": (lambda m: m.pop("seed"), "expected seed to be a int, got None"),
    "no calls": (lambda m: m.pop("calls"), "expected calls to be a list"),
    "a call of no object": (lambda m: m["calls"].append(3), "expected id to be a str"),
    "a call twice": (lambda m: m["calls"].append(m["calls"][0]), "two of its calls have the same id"),
    "an unknown kind": (lambda m: m["calls"][0].update(kind="soft"), "is of kind 'soft'"),
    "an absent tensor": (lambda m: m["calls"][0].update(inputs=["z"]), "names 'z', which the file has not"),
    "no input": (lambda m: m["calls"][0].update(inputs=[None]), "no array first"),
    "a name that is none": (lambda m: m["calls"][0].update(inputs=[{}]), "which the file has not"),
    "names nested deep": (lambda m: m["calls"][0].update(inputs=["0000/x0", nested(900)]), ""),
    "too many outputs": (lambda m: m["calls"][0].update(outputs=["0000/y0"] * 2), "rms_norm returns 1"),
    "an output that is none": (lambda m: m["calls"][0].update(outputs=[None]), "rms_norm returns 1"),
    "an unknown option": (lambda m: m["calls"][0].update(options={"epsilon": 1}), "rms_norm refuses its inputs"),
    "an odd option": (lambda m: m["calls"][0].update(options={"eps": {"float": "1"}}), "an option is"),
    "a missing axis": (lambda m: m["calls"][0].update(options={"axis": 9}), "rms_norm refuses its inputs"),
}


def nested(depth):
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize("what", WRONG)
def test_a_manifest_that_is_wrong_is_one_line(exported, tmp_path, what):
    change, text = WRONG[what]
    path = changed(exported[0], tmp_path / "wrong.npz", change)
    with pytest.raises(ValueError, match=text or None) as caught:
        verify(path, path)
    assert str(caught.value).startswith(f"{path} is no file of vectors: ")
    assert "\n" not in str(caught.value)


def test_a_file_of_tensors_is_no_file_of_vectors(tmp_path):
    write(tmp_path / "t.npz", {"x0": np.ones(2)})
    with pytest.raises(ValueError, match="is no file of vectors: expected manifest to be a dict, got None"):
        load_vectors(tmp_path / "t.npz")
