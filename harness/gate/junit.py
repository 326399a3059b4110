"""A gate's report as JUnit XML: a test case per metric, as CI services show them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from harness.gate.numbers import headline, sentence
from harness.gate.records import Changed, GateReport, GateVerdict, MetricVerdict
from harness.text import one_line

__all__ = ["to_junit"]

_KINDS = ("failure", "error", "skipped")


def to_junit(report: GateReport) -> str:
    """The report as JUnit XML.

    What fails the gate is a `failure`, what couldn't be judged an `error`, what is undecided and
    passes is `skipped`; fields that the policy wants the same are cases of the class `fingerprint`.
    """
    cases = [_case(found) for found in report.metrics]
    cases += [_change(one) for one in report.changed if one.fails]
    suite = ET.Element("testsuite", _counts(report, cases))
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = one_line(headline(report))
    root = ET.Element("testsuites", {**suite.attrib, "name": "cheers-bench"})
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(report: GateReport, cases: list[ET.Element]) -> dict[str, str]:
    found = {kind: sum(case.find(kind) is not None for case in cases) for kind in _KINDS}
    return {
        "name": one_line(f"gate {report.candidate.label}"),
        "tests": str(len(cases)),
        "failures": str(found["failure"]),
        "errors": str(found["error"]),
        "skipped": str(found["skipped"]),
        "time": "0",
    }


def _kind(found: MetricVerdict) -> str:
    if found.fails:
        return "failure"
    return {GateVerdict.UNJUDGED: "error", GateVerdict.UNDECIDED: "skipped"}.get(found.verdict, "")


def _case(found: MetricVerdict) -> ET.Element:
    names = {"classname": one_line(found.task), "name": one_line(found.metric.name), "time": "0"}
    case, kind, text = ET.Element("testcase", names), _kind(found), one_line(sentence(found))
    if kind:
        told = ET.SubElement(case, kind, {"message": text})
        if kind != "skipped":
            told.set("type", found.verdict.name.lower())
            told.text = text
    else:
        ET.SubElement(case, "system-out").text = text
    return case


def _change(changed: Changed) -> ET.Element:
    names = {"classname": "fingerprint", "name": changed.field, "time": "0"}
    case, text = ET.Element("testcase", names), one_line("; ".join(changed.details))
    ET.SubElement(case, "failure", {"message": text, "type": "changed"}).text = text
    return case
