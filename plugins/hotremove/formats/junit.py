# SPDX-License-Identifier: Apache-2.0
"""JUnit: properties for pytest's own `--junitxml`, and a whole file from a record.

The shape is Jenkins' (xunit plugin, junit-10.xsd) with `properties` in each test case, as pytest
and Jenkins' junit plugin have them.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from hotremove.analysis.coverage import coverage_of
from hotremove.results.naming import version_names
from hotremove.results.record import Record, Result
from hotremove.results.text import one_line, printable
from hotremove.verdict.verdict import Verdict

_ELEMENTS = {
    Verdict.FAIL: "failure",
    Verdict.ERROR: "error",
    Verdict.LOST: "error",
    Verdict.BLOCKED: "error",
    Verdict.NOT_RUN: "error",
    Verdict.ABSENT: "skipped",
    Verdict.NOT_APPLICABLE: "skipped",
    Verdict.WAIVED: "skipped",
    Verdict.SKIP: "skipped",
    Verdict.KNOWN_BUG: "skipped",
}


def properties(result: Result) -> list[tuple[str, str]]:
    """Name and value of each property of a test case; those without a value are left out."""
    told = {
        "kernel": result.kernel,
        "kernel_version": result.kernel_version,
        "scenario": result.scenario,
        "pin": result.pin,
        "memory": result.memory,
        "outcome": result.outcome,
        "verdict": result.verdict,
        "fault": result.fault,
        "attempts": ", ".join(result.attempts),
        "evidence": result.evidence,
    }
    return [(name, value) for name, value in told.items() if value]


def render(record: Record) -> bytes:
    """The record as JUnit XML: a suite for each kernel."""
    root = etree.Element("testsuites", name="hotremove")
    looked = {one.kernel: str(one) for one in coverage_of(record)}
    for spec, name in version_names(record.results).items():
        of_kernel = [result for result in record.results if result.kernel == spec]
        root.append(_suite(name, of_kernel, record.started, looked[spec]))
    document: bytes = etree.tostring(
        root, encoding="utf-8", xml_declaration=True, pretty_print=True
    )
    return document


def _suite(kernel: str, results: list[Result], started: str, looked: str) -> etree._Element:
    suite = etree.Element("testsuite", name=printable(kernel or "no kernel"))
    for name, value in _totals(results).items():
        suite.set(name, value)
    if started:
        suite.set("timestamp", printable(started))
    about = etree.SubElement(suite, "properties")
    etree.SubElement(about, "property", name="coverage", value=printable(looked))
    suite.extend(map(_case, results))
    return suite


def _totals(results: list[Result]) -> dict[str, str]:
    elements = [_ELEMENTS.get(Verdict(result.verdict)) for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
        "time": _seconds(sum(result.duration_s for result in results)),
    }


def _case(result: Result) -> etree._Element:
    path, _, name = result.test.partition("::")
    case = etree.Element(
        "testcase",
        classname=printable(path.removesuffix(".py").replace("/", ".")),
        name=printable(name or result.test),
        time=_seconds(result.duration_s),
    )
    told = etree.SubElement(case, "properties")
    for name, value in properties(result):
        etree.SubElement(told, "property", name=name, value=printable(value))
    case.extend(_endings(result))
    return case


def _endings(result: Result) -> Iterator[etree._Element]:
    element = _ELEMENTS.get(Verdict(result.verdict))
    if element:
        message = one_line(result.message.partition("\n")[0])
        ending = etree.Element(element, type=result.verdict, message=message)
        ending.text = printable(result.message)
        yield ending


def _seconds(number: float) -> str:
    return f"{number:.3f}"
