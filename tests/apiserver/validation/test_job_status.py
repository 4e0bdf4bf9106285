"""Changes of a Job's status that contradict the Job or its status before. The texts are Kubernetes' own."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver import defaults, validation
from tests.apiserver.validation.objects import kind, make

START, END = "2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z"
INDEXED = {"spec.completionMode": "Indexed", "spec.completions": 5, "spec.parallelism": 2}
PER_INDEX = {**INDEXED, "spec.backoffLimitPerIndex": 1}


def conditions(*types: str) -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": "True"} for name in types]}


COMPLETE = {"startTime": START, "completionTime": END, "succeeded": 1, **conditions("SuccessCriteriaMet", "Complete")}
FAILED = {"startTime": START, "failed": 1, **conditions("FailureTarget", "Failed")}


def causes(before: dict[str, Any], now: dict[str, Any], changes: dict[str, Any] | None = None) -> list[str]:
    resource, job = kind("batch/v1 Job"), make("batch/v1 Job", changes)
    defaults.apply(resource, job)
    old, new = {**job, "status": before}, {**job, "status": now}
    return [str(cause) for cause in validation.validate_status(resource, new, old)]


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        ({}, {"startTime": START, "active": 2, "ready": 1}, {}),
        ({"startTime": START, "active": 1}, COMPLETE, {}),
        ({"startTime": START, "active": 1}, FAILED, {}),
        (COMPLETE, COMPLETE, {}),
        ({}, {"completedIndexes": "0,2-4", "failedIndexes": "1"}, PER_INDEX),
        ({"succeeded": 4}, {"succeeded": 2}, {**INDEXED, "spec.parallelism": 5}),
        ({"startTime": START}, {}, {"spec.suspend": True}),
        ({"completedIndexes": "0-9"}, {"completedIndexes": "0-9", "active": 1}, INDEXED),
        ({}, {"uncountedTerminatedPods": {"succeeded": ["a"], "failed": ["b"]}}, {}),
    ],
)
def test_a_change_that_a_controller_makes_is_accepted(
    before: dict[str, Any], now: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert causes(before, now, changes) == []


@pytest.mark.parametrize(
    ("before", "now", "changes", "expected"),
    [
        ({}, {"active": -1}, {}, "status.active: Invalid value: -1: must be greater than or equal to 0"),
        (
            {},
            {"uncountedTerminatedPods": {"succeeded": ["a"], "failed": ["a"]}},
            {},
            'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
        ),
        (
            {},
            {"uncountedTerminatedPods": {"failed": [""]}},
            {},
            'status.uncountedTerminatedPods.failed[0]: Invalid value: "": must not be empty',
        ),
        (
            FAILED,
            {**FAILED, "completionTime": END, **conditions("FailureTarget", "Failed", "Complete")},
            {},
            "status.conditions: Invalid value: cannot set Complete=True and FailureTarget=true conditions",
        ),
        (
            {},
            {**FAILED, **conditions("Failed")},
            {},
            (
                "status.conditions: Invalid value: cannot set Failed=True condition without the "
                "FailureTarget=true condition"
            ),
        ),
        (
            {},
            {**COMPLETE, **conditions("Complete")},
            {},
            (
                "status.conditions: Invalid value: cannot set Complete=True condition without the "
                "SuccessCriteriaMet=true condition"
            ),
        ),
        (
            {},
            conditions("SuccessCriteriaMet", "FailureTarget"),
            {},
            "status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
        ),
        (
            {"startTime": START},
            {"startTime": START, "completionTime": END},
            {},
            (
                f'status.completionTime: Invalid value: "{END}": cannot set completionTime when there is no '
                "Complete=True condition"
            ),
        ),
        (
            {"startTime": START},
            {"startTime": START, **conditions("SuccessCriteriaMet", "Complete")},
            {},
            "status.completionTime: Required value: completionTime is required for Complete jobs",
        ),
        (
            {},
            {**COMPLETE, "startTime": END, "completionTime": START},
            {},
            f'status.completionTime: Invalid value: "{START}": must be equal to or after `startTime`',
        ),
        (
            {},
            {**FAILED, "startTime": None},
            {},
            "status.startTime: Required value: startTime is required for finished job",
        ),
        (FAILED, {**FAILED, "active": 1}, {}, "status.active: Invalid value: 1: active>0 is invalid for finished job"),
        (
            {},
            {**FAILED, "terminating": 1},
            {},
            "status.terminating: Invalid value: 1: terminating>0 is invalid for finished job",
        ),
        (
            {},
            {**FAILED, "uncountedTerminatedPods": {"failed": ["a"]}},
            {},
            'status.uncountedTerminatedPods: Invalid value: {"failed":["a"]}: must be empty for finished job',
        ),
        ({}, {"ready": 1}, {}, "status.ready: Invalid value: 1: cannot set more ready pods than active"),
        (
            {},
            {"completedIndexes": "0"},
            {},
            (
                'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed '
                "completion mode"
            ),
        ),
        (
            {},
            {"completedIndexes": "0-5"},
            INDEXED,
            'status.completedIndexes: Invalid value: "0-5": error parsing completedIndexes: too large index: "5"',
        ),
        (
            {},
            {"completedIndexes": "2,1"},
            INDEXED,
            (
                'status.completedIndexes: Invalid value: "2,1": error parsing completedIndexes: non-increasing order, '
                "previous: 2, current: 1"
            ),
        ),
        (
            {},
            {"completedIndexes": "a"},
            INDEXED,
            (
                'status.completedIndexes: Invalid value: "a": error parsing completedIndexes: cannot convert string to '
                'integer for index: "a"'
            ),
        ),
        (
            {},
            {"failedIndexes": "0"},
            INDEXED,
            (
                'status.failedIndexes: Invalid value: "0": cannot set non-null failedIndexes when '
                "backoffLimitPerIndex is null"
            ),
        ),
        (
            {},
            {"completedIndexes": "0-2", "failedIndexes": "2,4"},
            PER_INDEX,
            'status.failedIndexes: Invalid value: "2,4": failedIndexes and completedIndexes overlap at index: 2',
        ),
        (
            COMPLETE,
            {**COMPLETE, "completionTime": None, **conditions("SuccessCriteriaMet")},
            {},
            "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
        ),
        (
            {"failed": 2},
            {"failed": 1},
            {},
            "status.failed: Invalid value: 1: cannot decrease the failed counter",
        ),
        (
            {"succeeded": 2},
            {},
            {},
            "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
        ),
        (
            COMPLETE,
            {**COMPLETE, "completionTime": "2026-01-02T03:06:05Z"},
            {},
            'status.completionTime: Invalid value: "2026-01-02T03:06:05Z": field is immutable',
        ),
        (
            {"startTime": START},
            {"startTime": END},
            {},
            f'status.startTime: Invalid value: "{END}": field is immutable for unsuspended job once set',
        ),
        (
            conditions("SuccessCriteriaMet"),
            {},
            {},
            "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition",
        ),
    ],
)
def test_a_change_that_contradicts_the_job_is_refused(
    before: dict[str, Any], now: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    assert expected in causes(before, now, changes)
