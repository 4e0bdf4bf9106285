"""A report as JUnit's XML, which CI systems show, and as TAP. Pure.

Sources: the schema of Jenkins' xunit plugin (junit-10.xsd), which refuses a whole report for an attribute that it does
not have, such as the line of a test case; testanything.org, version 14.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from podwire.insight.verify.judgement import Line, Verdict
from podwire.insight.verify.report import NO_DENY, Report

_UNABLE = "able to fail"


def junit(report: Report) -> str:
    """Return one test case for each expectation, and one that the file can fail."""
    failures = sum(one.verdict is not Verdict.UNDECIDED for one in report.wrong) + (not report.is_able_to_fail)
    errors = sum(one.verdict is Verdict.UNDECIDED for one in report.wrong)
    counts = {
        "tests": str(len(report.lines) + 1),
        "failures": str(failures),
        "errors": str(errors),
        "time": f"{report.seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "podwire verify", **counts})
    name = _clean(report.file)
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, "file": name, **counts, "skipped": "0"})
    for one in report.lines:
        _case(suite, one)
    last = _named(suite, report.file, _UNABLE)
    if not report.is_able_to_fail:
        ElementTree.SubElement(last, "failure", {"message": NO_DENY, "type": "unable-to-fail"})
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def tap(report: Report) -> str:
    """Return the report in the Test Anything Protocol."""
    return "".join(f"{one}\n" for one in _tap(report))


def _case(suite: ElementTree.Element, line: Line) -> None:
    one = line.expectation
    case = _named(suite, one.place.rpartition(":")[0], f"{one.expect} {one.label}")
    if line.is_right:
        return
    tag = "error" if line.verdict is Verdict.UNDECIDED else "failure"
    message = line.fault or line.disagreement
    failure = ElementTree.SubElement(case, tag, {"message": _clean(message), "type": line.verdict.value})
    failure.text = _clean("\n".join(filter(None, (one.place, line.fault, line.disagreement, line.explanation))))


def _named(suite: ElementTree.Element, file: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", {"classname": _clean(file), "name": _clean(name), "time": "0"})


def _clean(text: str) -> str:
    """Leave out the characters that XML 1.0 does not have."""
    return "".join(one if one in "\t\n" or " " <= one < "\ud800" or one > "\udfff" else "?" for one in text)


def _tap(report: Report) -> Iterator[str]:
    yield "TAP version 14"
    yield f"1..{len(report.lines) + 1}"
    for number, line in enumerate(report.lines, 1):
        one = line.expectation
        yield f"{'ok' if line.is_right else 'not ok'} {number} - {_title(f'{one.expect} {one.label}')}"
        details = (one.place, line.fault, line.disagreement, *line.explanation.splitlines())
        yield from (f"# {text}" for text in details if text and not line.is_right)
    state = "ok" if report.is_able_to_fail else "not ok"
    yield f"{state} {len(report.lines) + 1} - {_UNABLE}"
    if not report.is_able_to_fail:
        yield f"# {NO_DENY}"


def _title(text: str) -> str:
    """A description: a hash would begin a directive."""
    return text.replace("\\", "\\\\").replace("#", "\\#")
