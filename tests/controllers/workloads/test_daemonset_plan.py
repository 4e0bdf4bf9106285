from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from podwire.controllers.workloads import daemonset_plan
from podwire.kube.core import Pod
from tests.controllers.build import daemon_set, node, pod

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NODES = [node("node-1"), node("node-2"), node("node-3")]


def daemon(where: str, revision: str = "new", name: str = "", **changes: Any) -> Pod:
    labels = {"app": "web", "controller-revision-hash": revision}
    return pod(name or f"log-{where}", node=where, labels=labels, **changes)


def step(pods: list[Pod], nodes: Any = NODES, **spec: Any) -> tuple[list[str], list[str]]:
    plan = daemonset_plan.plan(daemon_set(**spec), pods, nodes, "new", NOW)
    return list(plan.create), [item.metadata.name for item in plan.delete]


def test_each_node_gets_one_pod_also_a_cordoned_one_and_one_that_is_not_ready() -> None:
    nodes = [node("a", cordoned=True), node("b", ready=False), node("c")]
    assert step([daemon("c")], nodes) == (["a", "b"], [])


@pytest.mark.parametrize(
    ("taint", "expected"),
    [
        ({"key": "gpu", "effect": "NoSchedule"}, ([], [])),
        ({"key": "gpu", "effect": "NoExecute"}, ([], ["log-b"])),
        ({"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}, (["a"], [])),
        ({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}, (["a"], [])),
    ],
)
def test_taints(taint: dict[str, str], expected: Any) -> None:
    assert step([daemon("b")], [node("a", taint), node("b", taint)]) == expected


def test_pods_of_nodes_that_are_gone_or_not_meant_and_second_pods_are_deleted() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"nodeSelector": {"disk": "ssd"}}}
    pods = [daemon("node-1"), daemon("gone"), daemon("node-2"), daemon("node-2", name="again", ready=False)]
    nodes = [node("node-1"), node("node-2", disk="ssd")]
    assert step(pods, nodes, template=template) == ([], ["log-node-1", "log-gone", "again"])


def test_a_failed_pod_is_replaced_and_a_node_whose_pod_is_ending_waits() -> None:
    pods = [daemon("node-1", phase="Failed"), daemon("node-2", ending=True), daemon("node-3")]
    assert step(pods) == (["node-1"], ["log-node-1"])


def rolling(**fields: Any) -> dict[str, Any]:
    return {"updateStrategy": {"rollingUpdate": fields}}


@pytest.mark.parametrize(
    ("pods", "spec", "expected"),
    [
        ([daemon("node-1", "old"), daemon("node-2", "old"), daemon("node-3", "old")], {}, ([], ["log-node-1"])),
        ([daemon("node-1"), daemon("node-2", "old"), daemon("node-3", "old")], {}, ([], ["log-node-2"])),
        ([daemon("node-1", ready=False), daemon("node-2", "old"), daemon("node-3", "old")], {}, ([], [])),
        (
            [daemon("node-1", ready=False), daemon("node-2", "old", ready=False), daemon("node-3", "old")],
            {},
            ([], ["log-node-2"]),
        ),
        (
            [daemon("node-1", "old"), daemon("node-2", "old"), daemon("node-3", "old")],
            rolling(maxUnavailable="60%"),
            ([], ["log-node-1", "log-node-2"]),
        ),
        (
            [daemon("node-1", "old"), daemon("node-2", "old"), daemon("node-3", "old")],
            {"updateStrategy": {"type": "OnDelete"}},
            ([], []),
        ),
        (
            [daemon("node-1", "old"), daemon("node-2", "old"), daemon("node-3")],
            rolling(maxSurge=1, maxUnavailable=0),
            (["node-1"], []),
        ),
        (
            [daemon("node-1", "old"), daemon("node-1", name="next"), daemon("node-2", "old"), daemon("node-3")],
            rolling(maxSurge=1, maxUnavailable=0),
            ([], ["log-node-1"]),
        ),
    ],
)
def test_an_update_takes_away_no_more_pods_than_it_may(pods: list[Pod], spec: dict[str, Any], expected: Any) -> None:
    assert step(pods, **spec) == expected


def test_a_plan_reads_each_pod_a_fixed_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    node_of = daemonset_plan.node_of

    def counted(item: Pod) -> str:
        nonlocal calls
        calls += 1
        return node_of(item)

    monkeypatch.setattr(daemonset_plan, "node_of", counted)
    nodes = [node(f"n{number}") for number in range(100)]
    pods = [pod(f"p{number}", node=f"n{number}", ending=True) for number in range(100)]
    assert not daemonset_plan.plan(daemon_set(), pods, nodes, "r", NOW).create
    assert calls <= 300


def test_the_status_counts_nodes() -> None:
    pods = [daemon("node-1"), daemon("node-2", "old", ready=False), daemon("gone")]
    status = daemonset_plan.status(daemon_set(), pods, NODES, "new", NOW)
    assert (status.desired_number_scheduled, status.current_number_scheduled, status.number_misscheduled) == (3, 2, 1)
    assert (status.number_ready, status.updated_number_scheduled, status.number_unavailable) == (1, 1, 2)


def test_a_pod_is_created_for_its_node_and_tolerates_node_conditions() -> None:
    body = daemonset_plan.pod_body(daemon_set(), "node-2", "log-x", "new")
    made = msgspec.convert(body, Pod)
    assert daemonset_plan.node_of(made) == "node-2"
    assert any(line.key == "node.kubernetes.io/unschedulable" for line in made.spec.tolerations)
    assert made.metadata.labels == {"app": "web", "controller-revision-hash": "new"}
