from datetime import UTC, datetime
from typing import Any

import pytest

from podwire.controllers.workloads import statefulset_plan
from podwire.controllers.workloads.statefulset_plan import Revisions
from podwire.kube.apps import PodTemplate
from podwire.kube.core import Pod
from tests.controllers.build import pod, stateful_set

NOW = datetime(2026, 1, 2, tzinfo=UTC)
REVISIONS = Revisions("db-old", "db-new")


def member(number: int, revision: str = "db-new", **changes: Any) -> Pod:
    labels = {"app": "web", "controller-revision-hash": revision}
    return pod(f"db-{number}", labels=labels, **changes)


def step(pods: list[Pod], replicas: int = 3, **spec: Any) -> tuple[list[int], list[str]]:
    plan = statefulset_plan.plan(stateful_set(replicas, **spec), pods, REVISIONS, NOW)
    return list(plan.create), [item.metadata.name for item in plan.delete]


PARALLEL: dict[str, Any] = {"podManagementPolicy": "Parallel"}


@pytest.mark.parametrize(
    ("pods", "spec", "expected"),
    [
        ([], {}, ([0], [])),
        ([], PARALLEL, ([0, 1, 2], [])),
        ([], {"ordinals": {"start": 5}}, ([5], [])),
        ([member(0)], {}, ([1], [])),
        ([member(0, ready=False)], {}, ([], [])),
        ([member(0, ready=False)], PARALLEL, ([1, 2], [])),
        ([member(0, phase="Failed")], {}, ([], ["db-0"])),
        ([member(0, ending=True)], {}, ([], [])),
        ([member(0)], {"minReadySeconds": 2_000_000}, ([], [])),
    ],
)
def test_pods_are_made_upwards(pods: list[Pod], spec: dict[str, Any], expected: Any) -> None:
    assert step(pods, **spec) == expected


@pytest.mark.parametrize(
    ("pods", "spec", "deleted"),
    [
        ([member(0), member(1), member(2)], {}, ["db-2"]),
        ([member(0), member(1), member(2, ending=True)], {}, []),
        ([member(0), member(1), member(2, ready=False)], {}, ["db-2"]),
        ([member(0), member(1, ready=False), member(2, ready=False)], {}, []),
        ([member(0, ready=False), member(1), member(2)], {}, []),
        ([member(0), member(1), member(2)], PARALLEL, ["db-2", "db-1"]),
    ],
)
def test_pods_are_deleted_downwards(pods: list[Pod], spec: dict[str, Any], deleted: list[str]) -> None:
    assert step(pods, 1, **spec) == ([], deleted)


def rolling(**fields: Any) -> dict[str, Any]:
    return {"updateStrategy": {"rollingUpdate": fields}}


@pytest.mark.parametrize(
    ("revisions", "spec", "deleted"),
    [
        (("db-old", "db-old", "db-old"), {}, ["db-2"]),
        (("db-old", "db-old", "db-new"), {}, ["db-1"]),
        (("db-new", "db-new", "db-new"), {}, []),
        (("db-old", "db-old", "db-old"), {"updateStrategy": {"type": "OnDelete"}}, []),
        (("db-old", "db-old", "db-new"), rolling(partition=2), []),
        (("db-old", "db-old", "db-old"), rolling(partition=1), ["db-2"]),
        (("db-old", "db-old", "db-old"), rolling(maxUnavailable=2), ["db-2", "db-1"]),
    ],
)
def test_an_update_proceeds_downwards_to_the_partition(
    revisions: tuple[str, ...], spec: dict[str, Any], deleted: list[str]
) -> None:
    pods = [member(number, revision) for number, revision in enumerate(revisions)]
    assert step(pods, **spec) == ([], deleted)


def test_an_update_waits_for_a_pod_that_is_not_ready_yet() -> None:
    pods = [member(0, "db-old"), member(1, "db-old"), member(2, ready=False)]
    assert step(pods, **PARALLEL) == ([], [])


def test_pods_that_only_look_like_members_are_left_alone() -> None:
    pods = [member(0), member(1), member(2), pod("db-x"), pod("db-03"), pod("other-7")]
    assert step(pods) == ([], [])


def test_below_the_partition_a_lost_pod_comes_back_with_its_revision() -> None:
    wanted = stateful_set(3, **rolling(partition=2))
    assert [statefulset_plan.revision_for(wanted, number, REVISIONS) for number in range(3)] == [
        "db-old",
        "db-old",
        "db-new",
    ]


def test_the_update_becomes_current_when_all_pods_have_it_and_are_ready() -> None:
    pods = [member(number) for number in range(3)]
    assert statefulset_plan.status(stateful_set(3), pods, REVISIONS, NOW).current_revision == "db-new"
    pods[1] = member(1, ready=False)
    status = statefulset_plan.status(stateful_set(3), pods, REVISIONS, NOW)
    assert (status.current_revision, status.updated_replicas, status.ready_replicas) == ("db-old", 3, 2)


def test_a_pod_has_its_name_as_hostname_and_an_empty_folder_for_each_claim() -> None:
    wanted = stateful_set(serviceName="dbs", volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    template = PodTemplate(spec={"volumes": [{"name": "data"}, {"name": "etc", "configMap": {}}]})
    body = statefulset_plan.pod_body(wanted, 2, template, "db-new")
    assert body["metadata"]["labels"] == {
        "statefulset.kubernetes.io/pod-name": "db-2",
        "apps.kubernetes.io/pod-index": "2",
        "controller-revision-hash": "db-new",
    }
    assert (body["spec"]["hostname"], body["spec"]["subdomain"]) == ("db-2", "dbs")
    assert body["spec"]["volumes"] == [{"name": "etc", "configMap": {}}, {"name": "data", "emptyDir": {}}]
