"""JUnit XML as Jenkins and GitLab read it: a test case for each check."""

from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from grader.files.printable import quoted
from grader.report.formats.plain import as_text, asked, block, distinct, evidence, line, reason, stopped
from grader.report.verdict import DOES_NOT_RUN, Stop, stops, verdict
from grader.report.words import number
from grader.result.record import CheckResult, FollowUp, ItemResult, Outcome, Result

ELEMENT: Final = {
    Outcome.FAILED: "failure",
    Outcome.BROKEN: "error",
    Outcome.TIMED_OUT: "error",
    Outcome.NOT_JUDGED: "error",
    Outcome.BLOCKED: "skipped",
}


def render(result: Result) -> bytes:
    """One suite with a case for each check, in UTF-8. Points are properties: JUnit knows none."""
    title = f"{line(result.exercise.title)}: {line(quoted(result.candidate.name))}"
    cases = [*map(_stopped, stops(result)), *_cases(result)]
    counts = {"name": title, **_counts(cases), "time": _seconds(result.seconds)}
    suite = Element("testsuite", counts)
    properties = SubElement(suite, "properties")
    for name, value in _properties(result):
        SubElement(properties, "property", name=name, value=value)
    suite.extend(cases)
    # The suite says how many were skipped, the whole does not: its schemas have no such attribute.
    root = Element("testsuites", {name: value for name, value in counts.items() if name != "skipped"})
    root.append(suite)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _cases(result: Result) -> list[Element]:
    checks = asked(result)
    # GitLab shows only the first of several cases with one name.
    names = distinct(f"{line(check.id)}: {line(check.title)}" for _, check in checks)
    return [_case(item, check, name) for (item, check), name in zip(checks, names, strict=True)]


def _stopped(stop: Stop) -> Element:
    """Why it does not run, before all that is skipped for it."""
    case = Element(
        "testcase", classname=DOES_NOT_RUN, name=line(f"{' and '.join(stop.files)} can be run"), time="0.000"
    )
    trouble = SubElement(case, "error", type="does-not-run", message=line(stop.headline))
    trouble.text = as_text(stopped(stop))
    return case


def _case(item: ItemResult | FollowUp, check: CheckResult, name: str) -> Element:
    case = Element("testcase", classname=line(item.title), name=name, time=_seconds(check.seconds))
    if check.outcome is not Outcome.PASSED:
        trouble = SubElement(case, ELEMENT[check.outcome], type=check.outcome, message=reason(check))
        trouble.text = as_text(evidence(check, with_output=False))
    if check.output:
        SubElement(case, "system-out").text = block(check.output)
    return case


def _counts(cases: list[Element]) -> dict[str, str]:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counted = {name: sum(case.find(kind) is not None for case in cases) for name, kind in kinds.items()}
    return {name: str(count) for name, count in ({"tests": len(cases)} | counted).items()}


def _properties(result: Result) -> Iterator[tuple[str, str]]:
    yield "score", number(result.score)
    yield "max_score", number(result.max_score)
    yield "verdict", verdict(result)
    yield "audience", result.audience.value
    yield "feedback", result.feedback.value
    yield "sha256", line(result.candidate.sha256)
    if result.environment.seed is not None:
        yield "seed", str(result.environment.seed)
    for item in result.items:
        yield f"{line(item.id)}.status", item.status.value
        yield f"{line(item.id)}.score", number(item.score)
        yield f"{line(item.id)}.max_score", number(item.max_score)


def _seconds(value: float) -> str:
    return f"{max(value, 0.0):.3f}"
