"""What has not settled is reported in words, and what has is not."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.testing.readiness import not_ready


def deployment(status: dict[str, int], *, generation: int = 1, replicas: int = 2) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": "web", "generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, **status},
    }


ALL = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (deployment(ALL, generation=2), "its controller has not seen it yet"),
        (deployment(ALL | {"availableReplicas": 1}), "1 of 2 pods are available, 2 of them up to date, 2 in all"),
        (deployment(ALL | {"updatedReplicas": 0}), "2 of 2 pods are available, 0 of them up to date, 2 in all"),
        (deployment(ALL | {"replicas": 3}), "3 in all"),
        (deployment({}), "0 of 2 pods are available"),
    ],
)
def test_a_rollout_that_is_not_done(item: dict[str, Any], words: str) -> None:
    (line,) = not_ready([item])
    assert line.startswith("deployment shop/web: ")
    assert words in line


def test_a_rollout_that_is_done() -> None:
    gone = deployment({})
    gone["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    assert not_ready([deployment(ALL), deployment({}, replicas=0), gone]) == []


def test_a_daemonset_counts_nodes() -> None:
    status = {"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}
    item = {"kind": "DaemonSet", "metadata": {"namespace": "a", "name": "b", "generation": 1}, "spec": {}}
    assert not_ready([item | {"status": status}]) == [
        "daemonset a/b: 2 of 3 pods are available, 3 of them up to date, 3 in all"
    ]
    assert not_ready([item | {"status": status | {"numberAvailable": 3}}]) == []


def pod(status: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"namespace": "a", "name": "b"}, "status": status}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, "pod a/b: no status"),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "message": "no node fits"}],
            },
            "pod a/b: Pending no node fits",
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    {"name": "up", "ready": True, "state": {"running": {}}},
                    {
                        "name": "web",
                        "ready": False,
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "x"}},
                        "lastState": {"terminated": {"exitCode": 128, "reason": "StartError", "message": "y"}},
                    },
                ],
            },
            "pod a/b: Running container web: waiting CrashLoopBackOff x last: terminated with 128 StartError y",
        ),
        (
            {
                "phase": "Failed",
                "reason": "Evicted",
                "containerStatuses": [{"name": "c", "ready": False, "state": {"terminated": {"exitCode": 3}}}],
            },
            "pod a/b: Failed Evicted container c: terminated with 3",
        ),
    ],
)
def test_a_pod_that_is_not_ready_says_why(status: dict[str, Any], words: str) -> None:
    assert not_ready([pod(status)]) == [words]


def test_a_pod_that_is_ready_or_done() -> None:
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    assert not_ready([pod(ready), pod({"phase": "Succeeded"})]) == []
