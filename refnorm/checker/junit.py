"""JUnit XML, as continuous integration reads it: one suite a check, one case a layer and a failing call."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import refnorm

from .harmless import harmless
from .histogram import CaseResult
from .report import Finding, Layer, Report
from .show import again, brief, text

__all__ = ["CALLS", "junit"]

CALLS = 100  # failing calls that get a case of their own
LONG = 20_000  # characters of a suite's whole report


def junit(reports: Report | Sequence[Report]) -> str:
    """Return one report or several as JUnit XML.

    A layer that fails is a failure, a layer that was not asked is skipped, too few cases are an error: a reader that
    knows JUnit alone comes to the verdict of the report. Remarks and warnings stand in a layer's output.
    """
    reports = [reports] if isinstance(reports, Report) else list(reports)
    root = ET.Element("testsuites", name="refnorm")
    for report in reports:
        root.append(_suite(report))
    _count(root, root.findall("testsuite/testcase"))
    ET.indent(root)
    # as bytes: as text the declaration would name the encoding of this machine's terminal
    return ET.tostring(root, encoding="utf-8", xml_declaration=True).decode("utf-8") + "\n"


def _suite(report: Report) -> ET.Element:
    suite = ET.Element("testsuite", name=harmless(f"{report.candidate} as {report.operator}"))
    properties = ET.SubElement(suite, "properties")
    told = {
        "seed": report.seed, "grade": report.grade, "wanted grade": report.wanted_grade, "verdict": report.verdict,
        "refnorm": report.versions.get("refnorm", refnorm.__version__),
        "dtypes": ", ".join(report.dtypes), "convention": report.convention,
        "recognised": "; ".join(report.named), "again": again(report),
    }  # fmt: skip
    told |= {f"version of {name}": version for name, version in report.versions.items() if name != "refnorm"}
    for name, value in told.items():
        if value != "":
            ET.SubElement(properties, "property", name=harmless(name), value=harmless(value))
    failing = [case for case in report.cases if case.fails]
    suite.extend([_enough(report), *(_layer(report, layer) for layer in report.layers)])
    suite.extend(_call(report, case) for case in failing[:CALLS])
    said = text(report) if report.conforms else f"{brief(report)}\n\n{text(report)}"
    if len(failing) > CALLS:
        said = f"{len(failing) - CALLS} more calls fail\n\n{said}"
    ET.SubElement(suite, "system-out").text = harmless(said, LONG)
    _count(suite, suite.findall("testcase"))
    suite.set("time", f"{report.seconds:.3f}")
    return suite


def _count(suite: ET.Element, cases: list[ET.Element]) -> None:
    suite.set("tests", str(len(cases)))
    for name, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(outcome) is not None for case in cases)))


def _case(report: Report, name: str) -> ET.Element:
    # a dot would be read as a package by those who make trees of class names
    candidate = report.candidate.replace(".", "/")
    return ET.Element("testcase", classname=harmless(f"{report.operator}.{candidate}"), name=harmless(name), time="0")


def _enough(report: Report) -> ET.Element:
    case = _case(report, "enough cases ran")
    if report.verdict == "too few cases ran":
        message = f"{report.ran} of {report.floor} cases ran"
        ET.SubElement(case, "error", message=message, type="refnorm.TooFewCases").text = harmless(brief(report))
    return case


def _layer(report: Report, layer: Layer) -> ET.Element:
    case = _case(report, layer.name)
    lines = [_line(f) for f in layer.findings]
    failing = [f for f in layer.findings if f.verdict == "fails"]
    if failing:
        message = harmless(failing[0].what) + (f", and {len(failing) - 1} more" if len(failing) > 1 else "")
        ET.SubElement(case, "failure", message=message, type="refnorm.Finding").text = "\n".join(lines)
    elif layer.verdict == "skipped":
        ET.SubElement(case, "skipped", message=harmless(layer.skipped))
    elif lines:
        ET.SubElement(case, "system-out").text = "\n".join(lines)
    return case


def _line(finding: Finding) -> str:
    calls = f" ({finding.calls} calls)" if finding.calls > 1 else ""
    return f"{'remark' if finding.verdict == 'conforms' else finding.verdict}: {harmless(finding.what)}{calls}"


def _call(report: Report, said: CaseResult) -> ET.Element:
    case = _case(report, f"{said.label} in {said.dtype}")
    far = f"grade {said.grade}: {said.ulp:.3g} ulp, {said.yardsticks:.3g} yardsticks"
    options = "".join(f", {name}={value!r}" for name, value in said.options.items())
    lines = [f"{said.dtype} {tuple(said.shape)}{options}"]
    if said.got_hex is not None:
        lines += [f"at {list(said.index)}", f"got    {said.got_hex}", f"wanted {said.wanted_hex}"]
    failure = ET.SubElement(case, "failure", message=harmless(said.why or far), type="refnorm.Call")
    failure.text = harmless("\n".join([*lines, far]))
    return case
