"""What packets prove of an expectation, and each form of the report."""

import json
from xml.etree import ElementTree

import pytest

from podwire.insight.verify.expectations import Expectation, Verdict
from podwire.insight.verify.judgement import Line, judge
from podwire.insight.verify.junit import junit, tap
from podwire.insight.verify.outcome import Outcome, Seen
from podwire.insight.verify.plan import Plan, plans
from podwire.insight.verify.report import Report, as_json
from podwire.insight.verify.text import github, text
from tests.insight.verify.shop import shop

ALIVE = {"10.244.1.2": True, "10.244.2.2": True, "10.244.1.3": True, "10.244.2.3": True}


def planned(source: str, expect: Verdict) -> Plan:
    expectation = Expectation(source, "shop/web", 80, "TCP", expect, "shop/reach.yaml:7", "the <b> & reason")
    return plans([expectation], *shop())[0]


def line(source: str, expect: Verdict, *outcomes: Outcome) -> Line:
    return judge(planned(source, expect), [Seen(one) for one in outcomes], ALIVE)


RIGHT = line("shop/client", "allow", Outcome.OPEN, Outcome.CLOSED)
DENIED = line("shop/other", "deny", Outcome.SILENT, Outcome.SILENT)
WRONG = line("shop/other", "allow", Outcome.SILENT, Outcome.SILENT)


@pytest.mark.parametrize("passed", [Outcome.OPEN, Outcome.CLOSED, Outcome.ARRIVED])
def test_what_arrives_is_allowed_whether_something_listens_or_not(passed: Outcome) -> None:
    assert line("shop/client", "allow", passed, passed).is_right
    found = line("shop/client", "deny", passed, passed)
    assert found.verdict.value == "wrong"
    assert "expected no answer" in found.fault


def test_silence_of_one_pod_of_several_is_wrong_and_named() -> None:
    found = line("shop/client", "allow", Outcome.OPEN, Outcome.SILENT)
    assert found.fault == (
        "expected an answer, saw: no answer, 1 of 2 connections: shop/client -> shop/web-1 (10.244.2.2:80/TCP)"
    )


def test_silence_of_a_pod_that_does_not_answer_its_node_proves_nothing() -> None:
    assert DENIED.is_right
    found = judge(planned("shop/other", "deny"), [Seen(Outcome.SILENT)] * 2, ALIVE | {"10.244.2.2": False})
    assert found.verdict.value == "undecided"
    assert "shop/web-1 was seen in no connection that works" in found.fault


@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.ERROR, Outcome.REJECTED])
def test_what_could_not_be_sent_is_undecided(outcome: Outcome) -> None:
    assert line("shop/other", "deny", outcome, outcome).verdict.value == "undecided"
    assert not line("shop/other", "deny", outcome, outcome).disagreement


def test_a_model_that_differs_from_packets_is_reported_even_where_the_expectation_holds() -> None:
    found = line("shop/other", "allow", Outcome.OPEN, Outcome.OPEN)
    assert found.verdict.value == "proven"
    assert not found.is_right
    assert found.disagreement.startswith(
        "the model predicts denied, packets show answered: shop/other -> 10.244.1.2:80/TCP"
    )


def report(*lines: Line) -> Report:
    return Report("shop/reach.yaml", "an ephemeral world", lines, 3.21)


def test_the_text_has_a_row_for_each_and_the_reason_of_what_is_wrong() -> None:
    good = text(report(RIGHT, DENIED))
    assert good.splitlines()[1:3] == [
        "allow     shop/client -> shop/web:80  ok  1 answered, 1 arrived, nothing listens there",
        "deny      shop/other -> shop/web:80   ok  no answer",
    ]
    assert good.endswith("2 of 2 expectations proven (1 allow, 1 deny) with 4 real connections in 3.2 s\n")
    bad = text(report(RIGHT, DENIED, WRONG))
    assert "WRONG: shop/reach.yaml:7: allow shop/other -> shop/web:80\n  expected an answer, saw: no answer" in bad
    assert "2 of 3 expectations proven (1 of 2 allow, 1 deny)" in bad


def test_a_file_without_a_deny_is_unable_to_fail() -> None:
    found = report(RIGHT)
    assert not found.is_right
    assert "UNABLE TO FAIL: shop/reach.yaml" in text(found)
    assert json.loads(as_json(found))["ableToFail"] is False
    assert report(RIGHT, DENIED).is_right


def test_github_shows_a_wrong_line_at_its_place() -> None:
    found = github(report(RIGHT, DENIED, WRONG)).splitlines()
    assert found[-1].startswith("::error file=shop/reach.yaml,line=7,title=podwire verify%3A WRONG::WRONG: shop/reach")
    assert "%0A  expected an answer" in found[-1]
    assert not any(one.startswith("::") for one in found[:-1])
    assert "::error file=shop/reach.yaml,line=1,title=podwire verify%3A unable" in github(report(RIGHT))
    assert "::" not in github(report(RIGHT, DENIED))


def test_json_has_every_line() -> None:
    found = json.loads(as_json(report(RIGHT, DENIED, WRONG)))
    assert [one["verdict"] for one in found["expectations"]] == ["proven", "proven", "wrong"]
    assert found["ok"] is False
    assert found["expectations"][2]["place"] == "shop/reach.yaml:7"


def test_junit_is_xml_with_a_case_for_each() -> None:
    undecided = line("shop/other", "deny", Outcome.ERROR, Outcome.ERROR)
    root = ElementTree.fromstring(junit(report(RIGHT, DENIED, WRONG, undecided)).encode())
    suite = root[0]
    assert suite.attrib["tests"] == "5"
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("1", "1")
    cases = list(suite)
    assert [len(one) for one in cases] == [0, 0, 1, 1, 0]
    assert cases[2].attrib["name"] == "allow shop/other -> shop/web:80"
    assert (cases[2][0].text or "").splitlines()[0] == "shop/reach.yaml:7"
    unable = ElementTree.fromstring(junit(report(RIGHT)).encode())
    assert unable[0].attrib["failures"] == "1"


OF_COUNTS = {"name", "tests", "failures", "errors", "time"}
ATTRIBUTES = {
    "testsuites": OF_COUNTS,
    "testsuite": OF_COUNTS | {"skipped", "file"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
}
"""Those of junit-10.xsd that are written: a reader that checks its schema refuses the report for any other."""


def test_junit_has_no_attribute_that_its_schema_lacks() -> None:
    undecided = line("shop/other", "deny", Outcome.ERROR, Outcome.ERROR)
    root = ElementTree.fromstring(junit(report(RIGHT, WRONG, undecided)).encode())
    assert {one.tag for one in root.iter()} == set(ATTRIBUTES)
    for one in root.iter():
        assert set(one.keys()) <= ATTRIBUTES[one.tag]


def test_junit_survives_what_xml_cannot_hold() -> None:
    expectation = Expectation("a\x00<b>", "shop/web", 80, "TCP", "allow", "x.yaml:1")
    ElementTree.fromstring(junit(report(Line(expectation, WRONG.verdict, "s", fault="\x1b[0m & \ud800"))).encode())


def test_tap_counts_every_line() -> None:
    found = tap(report(RIGHT, DENIED, WRONG)).splitlines()
    assert found[:2] == ["TAP version 14", "1..4"]
    assert [one for one in found if one.startswith(("ok", "not ok"))] == [
        "ok 1 - allow shop/client -> shop/web:80",
        "ok 2 - deny shop/other -> shop/web:80",
        "not ok 3 - allow shop/other -> shop/web:80",
        "ok 4 - able to fail",
    ]
