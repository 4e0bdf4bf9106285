"""Statuses as controllers write them."""

from __future__ import annotations

from podwire.controllers.machinery.status_patch import COLLISIONS, whole, with_conditions
from podwire.kube.apps import DaemonSetStatus, DeploymentCondition, DeploymentStatus, StatefulSetStatus
from tests.controllers.build import deployment


def test_zeros_replace_former_values_and_collisions_are_written_from_the_first_one_on() -> None:
    reported = whole(DaemonSetStatus(number_ready=1), unless_zero=COLLISIONS)
    assert (reported["numberReady"], reported["numberAvailable"], COLLISIONS in reported) == (1, 0, False)
    assert whole(DaemonSetStatus(collision_count=1), unless_zero=COLLISIONS)[COLLISIONS] == 1
    assert whole(StatefulSetStatus())[COLLISIONS] == 0, "upstream's controller of StatefulSets always sends it"


def test_conditions_are_written_only_where_they_change_and_only_over_the_state_they_are_based_on() -> None:
    item = deployment(1, metadata={"resourceVersion": "7"})
    condition = DeploymentCondition(type="Available", status="True")
    status = whole(DeploymentStatus(replicas=1, conditions=(condition,)))
    assert "conditions" not in with_conditions(item, status, [condition])["status"]
    changed = with_conditions(item, status, [])
    assert changed["metadata"] == {"resourceVersion": "7"}
    assert [entry["type"] for entry in changed["status"]["conditions"]] == ["Available"]
