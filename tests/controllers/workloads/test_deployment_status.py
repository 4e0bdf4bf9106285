from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from podwire.controllers.machinery.status_patch import whole
from podwire.controllers.workloads import deployment_status
from podwire.kube.apps import Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus
from podwire.kube.meta import Condition
from tests.controllers.build import deployment, replica_set

START = datetime(2026, 1, 1, tzinfo=UTC)


def judge(
    before: Deployment, current: ReplicaSet | None, *old: ReplicaSet, after: float = 0
) -> tuple[DeploymentStatus, dict[str, tuple[str, str]]]:
    status = deployment_status.status(before, current, old, START + timedelta(seconds=after))
    return status, {c.type: (c.status, c.reason) for c in status.conditions}


def with_status(status: DeploymentStatus, replicas: int = 3, **spec: Any) -> Deployment:
    return deployment(replicas, status=whole(status), **spec)


def test_a_rollout_from_nothing_to_complete() -> None:
    status, conditions = judge(deployment(3), replica_set(3, pods=3, available=0))
    assert conditions == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "ReplicaSetUpdated"),
    }
    assert (status.replicas, status.updated_replicas, status.unavailable_replicas) == (3, 3, 3)
    status, conditions = judge(with_status(status), replica_set(3, available=3), after=1)
    assert conditions == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert status.unavailable_replicas == 0


def test_old_pods_keep_a_rollout_from_being_complete() -> None:
    _, conditions = judge(deployment(3), replica_set(3, "new", available=3), replica_set(1, "old", available=1))
    assert conditions["Progressing"][1] == "ReplicaSetUpdated"


def test_a_rollout_without_progress_times_out_once() -> None:
    stuck = replica_set(3, pods=3, available=1)
    status, _ = judge(deployment(3), stuck)
    still = with_status(status)
    assert deployment_status.deadline_left(still, START) == 600
    assert judge(still, stuck, after=599)[1]["Progressing"] == ("True", "ReplicaSetUpdated")
    status, conditions = judge(still, stuck, after=601)
    assert conditions["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert deployment_status.deadline_left(with_status(status), START) is None
    assert judge(with_status(status), stuck, after=700)[0].conditions == status.conditions


def test_each_pod_that_becomes_available_restarts_the_deadline() -> None:
    status, _ = judge(deployment(3), replica_set(3, pods=3, available=1))
    status, conditions = judge(with_status(status), replica_set(3, pods=3, available=2), after=500)
    assert conditions["Progressing"] == ("True", "ReplicaSetUpdated")
    assert deployment_status.deadline_left(with_status(status), START + timedelta(seconds=500)) == 600


def test_a_complete_rollout_stays_complete_when_a_pod_is_lost_until_the_template_changes() -> None:
    status, _ = judge(deployment(3), replica_set(3, available=3))
    lost, conditions = judge(with_status(status), replica_set(3, pods=3, available=1), after=9)
    assert conditions["Progressing"] == ("True", "NewReplicaSetAvailable")
    assert conditions["Available"][0] == "False"
    _, conditions = judge(with_status(lost), replica_set(1, "next", pods=1), replica_set(3, available=3), after=9)
    assert conditions["Progressing"] == ("True", "ReplicaSetUpdated")


def test_pausing_and_resuming_are_conditions() -> None:
    status, conditions = judge(deployment(3, paused=True), replica_set(3, available=3))
    assert conditions["Progressing"] == ("Unknown", "DeploymentPaused")
    _, conditions = judge(with_status(status), replica_set(3, available=3))
    assert conditions["Progressing"] == ("Unknown", "DeploymentResumed")


def test_why_pods_could_not_be_made_is_passed_on() -> None:
    condition = Condition(type="ReplicaFailure", status="True", reason="FailedCreate", message="no")
    failing = msgspec.structs.replace(replica_set(3), status=ReplicaSetStatus(conditions=(condition,)))
    assert judge(deployment(3), failing)[1]["ReplicaFailure"] == ("True", "FailedCreate")


def test_conditions_of_others_stay() -> None:
    custom = {"type": "Custom", "status": "True", "lastUpdateTime": "2026-01-01T00:00:00Z"}
    _, conditions = judge(deployment(3, status={"conditions": [custom]}), replica_set(3, available=3))
    assert conditions["Custom"] == ("True", "")


def test_terminating_pods_are_counted_once_all_sets_have_reported_theirs() -> None:
    def reporting(name: str, terminating: int | None) -> ReplicaSet:
        status = ReplicaSetStatus(observed_generation=1, terminating_replicas=terminating)
        return msgspec.structs.replace(replica_set(1, name), status=status)

    assert judge(deployment(3), reporting("new", 2), reporting("old", 1))[0].terminating_replicas == 3
    assert judge(deployment(3), reporting("new", None), reporting("old", 1))[0].terminating_replicas is None


def test_without_a_deadline_no_progress_is_reported() -> None:
    _, conditions = judge(deployment(3, progressDeadlineSeconds=2**31 - 1), replica_set(3))
    assert set(conditions) == {"Available"}
