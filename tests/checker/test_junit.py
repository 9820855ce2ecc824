"""JUnit XML: the shape every reader of it knows, the verdict it comes to, and what candidates said made harmless."""

import re
import xml.etree.ElementTree as ET

import judged
import pytest

import refnorm
from refnorm.checker import Finding, Layer, Report
from refnorm.checker.histogram import CaseResult
from refnorm.checker.junit import CALLS, junit

OUTCOMES = ("error", "failure", "skipped")
COUNTS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def troubles(text: str) -> list[str]:
    """Return where a text is not of the shape of JUnit (Jenkins' junit-10.xsd, and the sums that readers rely on)."""
    root = ET.fromstring(text.encode("utf-8"))
    found = [] if root.tag == "testsuites" else [f"the root is {root.tag}"]
    for suite in root:
        order = "".join({"properties": "p", "testcase": "t", "system-out": "o"}.get(child.tag, "?") for child in suite)
        if suite.tag != "testsuite" or not re.fullmatch("p?t*o?", order):
            found.append(f"{suite.tag} holds {order}")
        if not suite.get("name"):
            found.append("a suite has no name")
        for given in suite.findall("properties/property"):
            if set(given.attrib) != {"name", "value"}:
                found.append("a property is not name and value")
        for case in suite.findall("testcase"):
            if not case.get("name") or not case.get("classname"):
                found.append("a case has no name")
            outcomes = [child for child in case if child.tag in OUTCOMES]
            if len(outcomes) > 1 or any(child.tag not in (*OUTCOMES, "system-out") for child in case):
                found.append(f"{case.get('name')} has {[child.tag for child in case]}")
            found += [f"a {o.tag} says nothing" for o in outcomes if not o.get("message")]
            found += [f"a {o.tag} has no type" for o in outcomes if o.tag != "skipped" and not o.get("type")]
        float(suite.get("time"))
    for suite in (root, *root):
        cases = suite.iter("testcase")
        if int(suite.get("tests")) != len(list(cases)):
            found.append("tests is not their number")
        for name, tag in COUNTS.items():
            if int(suite.get(name)) != len(list(suite.iter(tag))):
                found.append(f"{name} is not their number")
    return found


@pytest.mark.parametrize("which", judged.CANDIDATES)
def test_junit_has_its_shape_and_comes_to_the_same_verdict(which):
    report = judged.report(which)
    text = junit(report)
    assert troubles(text) == []
    root = ET.fromstring(text.encode("utf-8"))
    assert (root.get("failures") == root.get("errors") == "0") == report.conforms
    assert len(text) < 1_000_000


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (('<failure message="', '<failure messages="'), "a failure says nothing"),
        ((' failures="', ' failures="1'), "failures is not their number"),
        (("<testcase ", '<testcase time="0" /><testcase '), "duplicate attribute|a case has no name"),
        (("<testsuite ", "<suite "), "mismatched tag"),
        (('type="refnorm.Finding"', ""), "has no type"),
    ],
)
def test_junit_of_another_shape_is_seen(spoil, said):
    text = junit(judged.report("wrong"))
    assert spoil[0] in text
    try:
        found = " ".join(troubles(text.replace(*spoil)))
    except ET.ParseError as error:
        found = str(error)
    assert re.search(said, found)


def suite_of(*which):
    return ET.fromstring(junit([judged.report(w) for w in which]).encode("utf-8")).findall("testsuite")


def properties(suite):
    return {p.get("name"): p.get("value") for p in suite.findall("properties/property")}


def test_a_suite_says_what_was_judged():
    right, wrong = suite_of("right", "wrong")
    assert wrong.get("name") == "judged:wrong as rms_norm"
    told = properties(wrong)
    assert (told["seed"], told["grade"], told["refnorm"]) == ("1", "F", refnorm.__version__)
    assert told["recognised"].startswith("sum in place of mean")
    assert told["again"].startswith("refnorm check rms_norm --impl judged:wrong --seed 1")
    cases = {case.get("name"): case for case in wrong.findall("testcase")}
    assert "wrong values, first at 'rows'" in cases["values"].find("failure").get("message")
    assert re.search("wanted -?0x1", cases["rows in float32"].find("failure").text)
    assert "sum in place of mean" in wrong.find("system-out").text
    assert {case.get("name") for case in right.findall("testcase")} == {
        "enough cases ran", "contract", "values", "special values", "laws", "gradients", "diagnosis",
    }  # fmt: skip
    skipped = next(case for case in right.findall("testcase") if case.get("name") == "diagnosis").find("skipped")
    assert skipped.get("message") == "nothing to explain"


def test_too_few_cases_are_an_error():
    (suite,) = suite_of("out of time")
    assert suite.find("testcase/error").get("type") == "refnorm.TooFewCases"
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")
    nothing = Report("rms_norm", "norm", "m:f", 1, ("float32",), "C", False, ran=1)
    assert ET.fromstring(junit(nothing).encode()).get("errors") == "1", "no layer was asked anything"


def test_at_most_a_hundred_calls_have_a_case():
    case = CaseResult("a", "float32", "plain", "F", 9.0, 9.0, 8.0, 8.0, (2,), {}, (0,), "0x1.0p+0", "nan", "", True)
    layer = Layer("values", 1, [Finding("wrong values", "fails", CALLS + 7)])
    report = Report("rms_norm", "norm", "m:f", 1, ("float32",), "C", False, [layer], ran=1, cases=[case] * (CALLS + 7))
    text = junit(report)
    assert troubles(text) == []
    assert text.count('name="a in float32"') == CALLS
    assert "7 more calls fail" in text


def test_what_xml_cannot_hold_is_written_out():
    text = junit(judged.report("hostile"))
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", text)
    assert "\\x00" in text
    assert "\\ud800" in text
    assert "<script>" not in text
    root = ET.fromstring(text.encode("utf-8"))
    assert "<script>alert(1)</script>" in root.find("testsuite").get("name"), "read back, it is what was said"
    with pytest.raises(ET.ParseError):
        ET.fromstring("<a>\x00</a>")
