import json

import pytest

from podwire.lab.demo import report
from podwire.lab.demo.plan import Expected, Probe, Via, Workload
from podwire.lab.demo.report import Attempt, Result, Step

FRIEND, STRANGER, DOOR = Workload("shop", "friend"), Workload("street", "stranger"), Workload("shop", "door", 2)
OPEN = Probe(FRIEND, DOOR, 80, Expected.ALLOW, "a friend")
CLOSED = Probe(STRANGER, DOOR, 80, Expected.DENY, "a stranger")
SPREAD = Probe(FRIEND, DOOR, 80, Expected.ALLOW, "both answer", times=3, answers=2)
STEPS = [Step("start", 1.234)]


def result(probe: Probe, *outcomes: str, by: tuple[str, ...] = ()) -> Result:
    names = by or ("",) * len(outcomes)
    return Result(probe, tuple(Attempt(outcome, name) for outcome, name in zip(outcomes, names, strict=True)))


GOOD = [result(OPEN, "answered"), result(CLOSED, "timeout")]


def test_a_good_run() -> None:
    lines = report.judge(GOOD)
    assert report.exit_status(lines) == 0
    text = report.text(lines, STEPS)
    assert "shop/friend      door:80       allow     answered   ok" in text
    assert "street/stranger  door.shop:80  deny      no answer  ok" in text
    assert "1 of 1 allow lines proven, 1 of 1 deny lines proven" in text
    assert "start  1.23 s" in text
    assert "WRONG" not in text


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        ([result(OPEN, "timeout"), GOOD[1]], "expected an answer, saw: no answer"),
        ([GOOD[0], result(CLOSED, "answered")], "expected no answer, saw: answered"),
        ([GOOD[0], result(CLOSED, "refused")], "expected no answer, saw: refused"),
        ([GOOD[0], result(CLOSED, "no-name")], "expected no answer, saw: name not found"),
        ([GOOD[0], result(CLOSED)], "expected no answer, saw: not sent"),
        ([GOOD[0], result(CLOSED, "timeout", "answered")], "saw: 1 answered, 1 no answer"),
        ([*GOOD, result(SPREAD, "answered", "answered", "answered", by=("a",) * 3)], "by 2 pods, saw 1"),
        ([*GOOD, result(SPREAD, "answered", "error", "answered", by=("a", "", "b"))], "saw: 2 answered, 1 error"),
    ],
)
def test_each_wrong_line_is_named_and_fails_the_run(results: list[Result], fault: str) -> None:
    lines = report.judge(results)
    assert report.exit_status(lines) == 1
    wrong = [line for line in report.text(lines, []).splitlines() if line.startswith("WRONG: ")]
    assert len([line for line in wrong if fault in line]) == 1
    assert json.loads(report.as_json(lines, []))["ok"] is False


def test_silence_proves_nothing_where_no_client_gets_an_answer() -> None:
    lines = report.judge([result(OPEN, "timeout"), result(CLOSED, "timeout")])
    assert [line.ok for line in lines] == [False, False]
    assert "proves nothing" in lines[1].fault


def test_a_run_without_denies_is_no_proof() -> None:
    assert report.exit_status(report.judge(GOOD[:1])) == 1


def test_a_spread_over_all_pods_is_reported() -> None:
    (line,) = report.judge([result(SPREAD, "answered", "answered", "answered", by=("a", "b", "a"))])
    assert (line.ok, line.result.seen) == (True, "answered by 2 pods")


def test_the_json_form_holds_the_same() -> None:
    found = json.loads(report.as_json(report.judge(GOOD), STEPS))
    assert (found["ok"], found["allowsSeen"], found["deniesSeen"]) == (True, 1, 1)
    assert found["steps"] == [{"name": "start", "seconds": 1.234}]
    assert found["probes"][1]["from"] == "street/stranger"
    assert (found["probes"][1]["expected"], found["probes"][1]["seen"]) == ("deny", "no answer")


def test_labels_tell_how_the_target_is_found() -> None:
    elsewhere = Probe(STRANGER, DOOR, 80, Expected.DENY, "", Via.POD_ELSEWHERE)
    name = Probe(STRANGER, DOOR, 53, Expected.ALLOW, "", Via.NAME_ONLY, "UDP")
    assert elsewhere.label == "pod of door.shop:80 on another node"
    assert name.label == "DNS: door.shop"
    assert SPREAD.label == "door:80 x 3"
