from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from podwire.controllers.nodes import health
from podwire.controllers.nodes.health import NodeState
from podwire.kube.core import Node, NodeStatus, Pod
from podwire.kube.meta import Condition, timestamp
from tests.controllers.build import node, pod

NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
GRACE = 10.0
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}
OTHER = {"key": "gpu", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("status", "seconds", "silent", "state"),
    [
        ("True", 60, False, NodeState.READY),
        ("False", 60, False, NodeState.NOT_READY),
        ("False", 9, False, NodeState.READY),
        ("Unknown", 60, False, NodeState.NOT_READY),
        ("True", 60, True, NodeState.UNREACHABLE),
    ],
)
def test_the_state_of_a_node(status: str, seconds: int, silent: bool, state: NodeState) -> None:
    since = timestamp(NOW - timedelta(seconds=seconds))
    condition = Condition(type="Ready", status=status, last_transition_time=since)
    item = msgspec.structs.replace(node("n"), status=NodeStatus(conditions=(condition,)))
    assert health.state_of(item, NOW, silent=silent, grace_seconds=GRACE) is state


def test_a_node_that_has_reported_nothing_yet_is_ready() -> None:
    assert health.state_of(Node(), NOW, silent=False, grace_seconds=GRACE) is NodeState.READY


@pytest.mark.parametrize(
    ("item", "state", "evict", "expected"),
    [
        (node("n", OTHER, UNREACHABLE), NodeState.READY, True, ["gpu:NoSchedule"]),
        (node("n", cordoned=True), NodeState.READY, True, ["node.kubernetes.io/unschedulable:NoSchedule"]),
        (
            node("n"),
            NodeState.NOT_READY,
            True,
            ["node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"],
        ),
        (node("n"), NodeState.UNREACHABLE, False, ["node.kubernetes.io/unreachable:NoSchedule"]),
    ],
)
def test_taints(item: Any, state: NodeState, evict: bool, expected: list[str]) -> None:
    taints = health.taints(item, state, NOW, evict=evict)
    assert [f"{taint['key']}:{taint['effect']}" for taint in taints] == expected


def test_an_existing_taint_keeps_its_time() -> None:
    taints = health.taints(node("n", UNREACHABLE), NodeState.UNREACHABLE, NOW, evict=True)
    assert [taint["timeAdded"] for taint in taints] == ["2026-01-01T00:01:00Z", "2026-01-01T00:00:00Z"]


def tolerant(seconds: int | None) -> Pod:
    line = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    return pod(spec={"tolerations": [line if seconds is None else {**line, "tolerationSeconds": seconds}]})


@pytest.mark.parametrize(
    ("item", "deleted", "again"),
    [
        (pod(), True, None),
        (tolerant(None), False, None),
        (tolerant(60), True, None),
        (tolerant(90), False, 30),
    ],
)
def test_which_pods_are_evicted_and_when(item: Pod, deleted: bool, again: float | None) -> None:
    plan = health.evictions(node("n", UNREACHABLE), NodeState.UNREACHABLE, [item], NOW)
    assert (bool(plan.delete), plan.again_after) == (deleted, again)


def test_an_ending_pod_is_forced_only_on_a_dead_node() -> None:
    grace = {"deletionTimestamp": "2026-01-01T00:01:30Z", "deletionGracePeriodSeconds": 30}
    ending = pod(metadata=grace)
    late = NOW + timedelta(seconds=3)
    assert health.evictions(node("n"), NodeState.UNREACHABLE, [ending], NOW, 3.0).again_after == 3.0
    assert health.evictions(node("n"), NodeState.UNREACHABLE, [ending], late, 3.0).force == (ending,)
    assert health.evictions(node("n"), NodeState.UNREACHABLE, [ending], late, None).force == ()
    assert health.evictions(node("n"), NodeState.READY, [ending], late, 3.0).force == ()


def test_a_disrupted_pod_keeps_its_conditions_and_may_be_ended() -> None:
    item = pod("p")
    patch = health.disrupted(item, "DeletionByPodGC", "PodGC: node no longer exists", NOW, failed=True)
    assert [c["type"] for c in patch["status"]["conditions"]] == ["Ready", "DisruptionTarget"]
    assert patch["status"]["phase"] == "Failed"
    assert "phase" not in health.disrupted(item, "DeletionByTaintManager", "", NOW, failed=False)["status"]
