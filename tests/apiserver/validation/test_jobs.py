"""Jobs: modes, policies, and what stays as it is."""

from typing import Any

import pytest

from tests.apiserver.validation.objects import make, problems

INDEXED = {"spec.completionMode": "Indexed", "spec.completions": 5, "spec.parallelism": 5}
OWN = {
    "spec.manualSelector": True,
    "spec.selector": {"matchLabels": {"a": "b"}},
    "spec.template.metadata": {"labels": {"a": "b"}},
}
RULE = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}


@pytest.mark.proves("schema-messages")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"spec.completionMode": "Some"},
            'spec.completionMode: Unsupported value: "Some": supported values: "NonIndexed", "Indexed"',
        ),
        (
            {"spec.completionMode": "Indexed", "spec.parallelism": 1},
            "spec.completions: Required value: when completion mode is Indexed",
        ),
        ({"spec.backoffLimitPerIndex": 1}, "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion"),
        (
            {**INDEXED, "spec.maxFailedIndexes": 1},
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
        ),
        (
            {**INDEXED, "spec.maxFailedIndexes": 6, "spec.backoffLimitPerIndex": 1},
            "spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions",
        ),
        ({"spec.managedBy": "me"}, 'spec.managedBy: Invalid value: "me": must be a domain-prefixed path'),
        (
            {"spec.podFailurePolicy": {"rules": [{**RULE, "onExitCodes": {"operator": "In", "values": [2, 0]}}]}},
            "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
        ),
        (
            {"spec.podFailurePolicy": {"rules": [{"action": "FailJob"}]}},
            "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is",
        ),
        (
            {"spec.podFailurePolicy": {"rules": [{**RULE, "action": "FailIndex"}]}},
            'rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
        ),
        (
            {**INDEXED, "spec.successPolicy": {"rules": [{"succeededIndexes": "0,9"}]}},
            'succeededIndexes: Invalid value: "0,9": error parsing succeededIndexes: too large index: "9"',
        ),
        (
            {**INDEXED, "spec.successPolicy": {"rules": [{"succeededIndexes": "2,1"}]}},
            "error parsing succeededIndexes: non-increasing order, previous: 2, current: 1",
        ),
        (
            {**INDEXED, "spec.successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 3}]}},
            "succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes",
        ),
        (
            {"spec.podReplacementPolicy": "Never"},
            'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"',
        ),
    ],
)
def test_a_wrong_job_is_refused(changes: dict[str, Any], expected: str) -> None:
    found = problems("batch/v1 Job", changes)
    assert any(expected in text for text in found), found


@pytest.mark.parametrize(
    "changes",
    [
        INDEXED,
        {**INDEXED, "spec.maxFailedIndexes": 5, "spec.backoffLimitPerIndex": 1},
        {**INDEXED, "spec.successPolicy": {"rules": [{"succeededIndexes": "0,2-4", "succeededCount": 4}]}},
        {"spec.podFailurePolicy": {"rules": [RULE]}, "spec.managedBy": "example.com/mine"},
    ],
)
def test_a_right_job_is_accepted(changes: dict[str, Any]) -> None:
    assert problems("batch/v1 Job", changes) == []


@pytest.mark.proves("immutable-fields")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"spec.completions": 3}, "spec.completions"),
        ({"spec.template.spec.nodeSelector": {"a": "b"}}, "spec.template"),
        ({"spec.podFailurePolicy": {"rules": [RULE]}}, "spec.podFailurePolicy"),
        ({"spec.managedBy": "example.com/mine"}, "spec.managedBy"),
    ],
)
def test_what_may_not_change_of_a_job_is_refused(changes: dict[str, Any], field: str) -> None:
    found = problems("batch/v1 Job", {**OWN, **changes}, make("batch/v1 Job", OWN))
    assert [text.partition(":")[0] for text in found] == [field]
    assert found[0].endswith("field is immutable")


def test_indexed_jobs_scale_in_tandem_and_suspended_ones_may_move() -> None:
    indexed = {**OWN, **INDEXED}
    grown = {**indexed, "spec.completions": 6, "spec.parallelism": 6}
    assert problems("batch/v1 Job", grown, make("batch/v1 Job", indexed)) == []
    [refused] = problems("batch/v1 Job", {**indexed, "spec.completions": 6}, make("batch/v1 Job", indexed))
    assert refused == "spec.completions: Invalid value: 6: can only be modified in tandem with spec.parallelism"
    waiting = {**OWN, "spec.suspend": True}
    moved = {**waiting, "spec.template.spec.nodeSelector": {"a": "b"}}
    assert problems("batch/v1 Job", moved, make("batch/v1 Job", waiting)) == []
    started = make("batch/v1 Job", {**waiting, "status.startTime": "2026-01-01T00:00:00Z"})
    assert len(problems("batch/v1 Job", moved, started)) == 1
