from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from podwire.controllers.workloads import replicaset_plan
from podwire.kube import names
from podwire.kube.apps import ReplicaSetStatus
from podwire.kube.core import Pod
from podwire.kube.kinds import REPLICA_SETS
from podwire.kube.meta import Condition
from tests.controllers.build import pod, replica_set

NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pods", "create", "delete"),
    [
        pytest.param([], 2, [], id="none"),
        pytest.param([pod("a"), pod("b")], 0, [], id="enough"),
        pytest.param([pod("a"), pod("b", ready=False)], 0, [], id="not ready still counts"),
        pytest.param([pod("a"), pod("b", ending=True)], 1, [], id="an ending pod is replaced"),
        pytest.param([pod("a"), pod("b", phase="Failed")], 1, [], id="a failed pod is replaced"),
        pytest.param([pod("a"), pod("b"), pod("c", ready=False)], 0, ["c"], id="not ready goes first"),
        pytest.param(
            [pod("a"), pod("b"), pod("c", created="2026-01-01T00:00:30Z")], 0, ["c"], id="the youngest goes first"
        ),
        pytest.param([pod("a"), pod("b", node=""), pod("c", ready=False)], 0, ["b"], id="not placed goes before all"),
        pytest.param([pod("a", node="node-2"), pod("b"), pod("c")], 0, ["b"], id="of the node that has most of them"),
    ],
)
def test_pods_of_a_set_of_two(pods: list[Pod], create: int, delete: list[str]) -> None:
    plan = replicaset_plan.plan(replica_set(2), pods, NOW)
    assert (plan.create, [p.metadata.name for p in plan.delete]) == (create, delete)
    backwards = replicaset_plan.plan(replica_set(2), pods[::-1], NOW)
    assert backwards == plan


def test_a_deletion_cost_of_the_user_decides_among_equals() -> None:
    cheap = pod("z", metadata={"annotations": {replicaset_plan.DELETION_COST: "-1"}})
    odd = pod("y", metadata={"annotations": {replicaset_plan.DELETION_COST: "no number"}})
    plan = replicaset_plan.plan(replica_set(2), [pod("a"), cheap, odd], NOW)
    assert [p.metadata.name for p in plan.delete] == ["z"]


def test_a_set_that_is_being_deleted_makes_no_pods() -> None:
    ending = replica_set(2, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert replicaset_plan.plan(ending, [], NOW) == replicaset_plan.Plan()


def test_a_ready_pod_is_available_after_min_ready_seconds() -> None:
    patient = replica_set(1, spec={"minReadySeconds": 90})
    assert replicaset_plan.plan(patient, [pod()], NOW).again_after == 30
    assert replicaset_plan.status(patient, [pod()], NOW, None).available_replicas == 0
    later = NOW + timedelta(seconds=30)
    assert replicaset_plan.plan(patient, [pod()], later).again_after is None
    assert replicaset_plan.status(patient, [pod()], later, None).available_replicas == 1


def test_status_counts() -> None:
    pods = [pod("a"), pod("b", ready=False), pod("c", ending=True), pod("d", phase="Succeeded")]
    status = replicaset_plan.status(replica_set(2), pods, NOW, None)
    counts = (status.replicas, status.ready_replicas, status.available_replicas, status.fully_labeled_replicas)
    assert counts == (2, 1, 1, 2)
    assert status.terminating_replicas == 1


def test_a_failure_keeps_its_start_and_conditions_of_others_stay() -> None:
    failure = Condition(type="ReplicaFailure", status="True", reason="FailedCreate", message="quota")
    custom = Condition(type="Custom", status="True")
    subject = msgspec.structs.replace(replica_set(2), status=ReplicaSetStatus(conditions=(custom,)))
    first = replicaset_plan.status(subject, [], NOW, failure)
    assert first.conditions == (custom, failure)
    subject = msgspec.structs.replace(subject, status=first)
    later = msgspec.structs.replace(failure, last_transition_time="2026-01-01T00:02:00Z")
    assert replicaset_plan.status(subject, [], NOW, later).conditions == (custom, failure)
    assert replicaset_plan.status(subject, [], NOW, None).conditions == (custom,)


def test_a_new_pod_keeps_unknown_fields_of_the_template_and_names_its_owner() -> None:
    template: dict[str, Any] = {"metadata": {"labels": {"app": "web"}}, "spec": {"priority": 3, "containers": []}}
    body = replicaset_plan.pod_body(REPLICA_SETS, replica_set(1, template=template), "web-1-abcde")
    assert body["spec"]["priority"] == 3
    assert body["metadata"]["ownerReferences"][0]["uid"] == "uid-web-1"


def test_names_of_pods_fit_into_a_label() -> None:
    name = replicaset_plan.name_prefix(replica_set(1, name="x" * 200)) + names.safe_text(b"seed", 5)
    assert len(name) == 63
    assert set(name[-5:]) <= set(names.SAFE_LETTERS)
