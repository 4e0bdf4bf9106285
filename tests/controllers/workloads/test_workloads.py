"""Deployment, ReplicaSet and scheduler at work together, against a server that lags and loses answers."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podwire.controllers.nodes.scheduler import Scheduler
from podwire.controllers.workloads.deployment import Deployments
from podwire.controllers.workloads.replicaset import ReplicaSets
from podwire.kube.client import ApiError
from podwire.kube.kinds import DEPLOYMENTS, EVENTS, NODES, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import node_fields
from tests.controllers.fake_node import FakeRuntime
from tests.kube.fake_api import FakeApi, running

SELECTOR = {"matchLabels": {"app": "web"}}


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, *more: Any) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    loops = (part(api, informers, recorder) for part in (Deployments, ReplicaSets, Scheduler))
    async with running(informers, *loops, recorder, *more):
        yield


def nodes(api: FakeApi) -> None:
    for name in ("node-1", "node-2"):
        api.put(NODES, name, **node_fields(name))


def deploy(api: FakeApi, replicas: int, image: str = "a", **spec: Any) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    whole = {"replicas": replicas, "selector": SELECTOR, "template": template, **spec}
    api.put(DEPLOYMENTS, "web", "shop", spec=whole)


def live(api: FakeApi) -> list[dict[str, Any]]:
    return [pod for pod in api.all(PODS) if "deletionTimestamp" not in pod["metadata"]]


def images(api: FakeApi) -> Counter[str]:
    return Counter(pod["spec"]["containers"][0]["image"] for pod in live(api))


def progressed(api: FakeApi, replicas: int) -> bool:
    (item,) = api.all(DEPLOYMENTS)
    status = item.get("status", {})
    reasons = {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions", [])}
    return (
        status.get("availableReplicas") == status.get("updatedReplicas") == status.get("replicas") == replicas
        and reasons["Progressing"] == ("True", "NewReplicaSetAvailable")
        and reasons["Available"][0] == "True"
    )


async def test_a_deployment_becomes_pods_that_are_spread_over_the_nodes(api: FakeApi) -> None:
    nodes(api)
    deploy(api, 4)
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: progressed(api, 4))
    assert Counter(pod["spec"]["nodeName"] for pod in live(api)) == {"node-1": 2, "node-2": 2}
    (replica_set,) = api.all(REPLICA_SETS)
    assert all(pod["metadata"]["name"].startswith(replica_set["metadata"]["name"]) for pod in live(api))


async def test_a_new_template_replaces_all_pods_and_keeps_enough_at_any_time(api: FakeApi) -> None:
    nodes(api)
    deploy(api, 4)
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: progressed(api, 4))
        deploy(api, 4, image="b")

        def done() -> bool:
            assert 3 <= sum(images(api).values()) <= 5
            return images(api) == {"b": 4} and progressed(api, 4)

        await api.until(done)
        old, new = sorted(api.all(REPLICA_SETS), key=lambda s: s["spec"]["replicas"])
        assert (old["spec"]["replicas"], new["spec"]["replicas"]) == (0, 4)
        assert new["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
        deploy(api, 4, image="a")
        await api.until(lambda: images(api) == {"a": 4} and progressed(api, 4))
    assert len(api.all(REPLICA_SETS)) == 2, "a rollback takes the old set again"


async def test_min_ready_seconds_reach_the_current_set_and_leave_available_pods_of_old_ones_so(api: FakeApi) -> None:
    nodes(api)
    deploy(api, 1)
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: progressed(api, 1))
        deploy(api, 1, image="b", minReadySeconds=10**6)
        await api.until(lambda: len(api.all(REPLICA_SETS)) == 2 and sum(images(api).values()) == 2)
        seconds = {s["spec"].get("minReadySeconds", 0): s["spec"]["replicas"] for s in api.all(REPLICA_SETS)}
        assert seconds == {0: 1, 10**6: 1}
        deploy(api, 1, image="b", minReadySeconds=0)
        await api.until(lambda: progressed(api, 1) and images(api) == {"b": 1})


async def test_a_replication_controller_keeps_its_pods(api: FakeApi) -> None:
    nodes(api)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}}
    spec = {"replicas": 2, "selector": {"app": "web"}, "template": template}
    api.put(REPLICATION_CONTROLLERS, "web", "shop", spec=spec)
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    manager = ReplicaSets(api, informers, recorder, REPLICATION_CONTROLLERS)
    async with running(informers, manager, Scheduler(api, informers, recorder), FakeRuntime(api), recorder):
        await api.until(lambda: api.all(REPLICATION_CONTROLLERS)[0].get("status", {}).get("availableReplicas") == 2)
        assert live(api)[0]["metadata"]["ownerReferences"][0]["kind"] == "ReplicationController"
        api.put(REPLICATION_CONTROLLERS, "web", "shop", spec={**spec, "replicas": 0})
        await api.until(lambda: not live(api))
    assert "terminatingReplicas" not in api.all(REPLICATION_CONTROLLERS)[0]["status"]


async def test_recreate_starts_no_pod_before_the_last_old_one_is_gone(api: FakeApi) -> None:
    nodes(api)
    deploy(api, 3, strategy={"type": "Recreate"})
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: progressed(api, 3))
        deploy(api, 3, image="b", strategy={"type": "Recreate"})

        def done() -> bool:
            assert len({pod["spec"]["containers"][0]["image"] for pod in api.all(PODS)}) <= 1
            return images(api) == {"b": 3} and progressed(api, 3)

        await api.until(done)


async def test_scaling_down_and_up_again(api: FakeApi) -> None:
    nodes(api)
    deploy(api, 5)
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: progressed(api, 5))
        deploy(api, 1)
        await api.until(lambda: progressed(api, 1) and len(api.all(PODS)) == 1)
        deploy(api, 3)
        await api.until(lambda: progressed(api, 3))


async def test_nothing_is_created_twice_and_no_other_ends_while_the_watch_lags(api: FakeApi) -> None:
    nodes(api)
    deploy(api, 10)
    async with at_work(api):
        api.hold(PODS)
        await api.until(lambda: len(live(api)) == 10)
        deploy(api, 12)
        await api.until(lambda: len(live(api)) >= 12)
        deploy(api, 7)
        await api.until(lambda: len(live(api)) <= 7)
        deploy(api, 8)
        await api.until(lambda: len(live(api)) >= 8)
        api.hold()
        await api.until(lambda: all("nodeName" in pod["spec"] for pod in live(api)))
    assert len(live(api)) == 8
    assert len(api.all(PODS)) == 13, "12 at first, 1 at last, and those that are ending are still there"


async def test_a_lost_answer_does_not_make_a_second_pod(api: FakeApi) -> None:
    api.lose_answers["POST", "pods"] = 3
    api.lose_answers["POST", "replicasets"] = 1
    deploy(api, 5)
    async with at_work(api):
        api.hold(PODS)
        await api.until(lambda: len(api.all(PODS)) >= 5)
        deploy(api, 6)
        await api.until(lambda: len(api.all(PODS)) >= 6)
    assert (len(api.all(PODS)), len(api.all(REPLICA_SETS))) == (6, 1)


async def test_matching_orphans_are_adopted_and_pods_that_no_longer_match_are_released(api: FakeApi) -> None:
    nodes(api)
    spec = {"replicas": 2, "selector": SELECTOR, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}}
    api.put(PODS, "orphan", "shop", metadata={"labels": {"app": "web"}}, spec={})
    api.put(REPLICA_SETS, "web", "shop", spec=spec)
    async with at_work(api):
        await api.until(lambda: len(api.all(PODS)) == 2)
        orphan = api.all(PODS)[0]
        assert orphan["metadata"]["ownerReferences"][0]["name"] == "web"
        api.put(PODS, "orphan", "shop", metadata={"labels": {"app": "else"}})
        await api.until(lambda: len(api.all(PODS)) == 3)
    assert "ownerReferences" not in api.all(PODS)[0]["metadata"]


async def test_a_pod_waits_for_a_node_that_takes_it_and_says_why(api: FakeApi) -> None:
    api.put(NODES, "node-1", **node_fields("node-1", cordoned=True))
    api.put(PODS, "p", "shop", spec={})
    async with at_work(api):
        await api.until(lambda: bool(api.all(PODS)[0].get("status")) and bool(api.all(EVENTS)))
        (condition,) = api.all(PODS)[0]["status"]["conditions"]
        assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")
        assert condition["message"] == "0/1 nodes are available: 1 node(s) were unschedulable."
        assert [event["reason"] for event in api.all(EVENTS)] == ["FailedScheduling"]
        api.put(NODES, "node-1", spec={"unschedulable": False})
        await api.until(lambda: api.all(PODS)[0]["spec"].get("nodeName") == "node-1")
        await api.until(lambda: any(event["reason"] == "Scheduled" for event in api.all(EVENTS)))


def publish(api: FakeApi, name: str, **spec: Any) -> None:
    ports = [{"containerPort": 80, "hostPort": 80}]
    api.put(PODS, name, "shop", spec={"containers": [{"name": "c", "ports": ports}], **spec})


async def test_a_pod_waits_for_its_host_port_and_the_highest_priority_gets_it(api: FakeApi) -> None:
    api.put(NODES, "node-1", **node_fields("node-1"))
    publish(api, "first")
    async with at_work(api):
        await api.until(lambda: "nodeName" in api.all(PODS)[0]["spec"])
        publish(api, "low")
        publish(api, "zz-high", priority=1000)
        await api.until(lambda: len([e for e in api.all(EVENTS) if e["reason"] == "FailedScheduling"]) == 2)
        api.remove(PODS, NamespacedName("shop", "first"))
        await api.until(lambda: "nodeName" in api.all(PODS)[1]["spec"])
        assert "nodeName" not in api.all(PODS)[0]["spec"]


async def test_a_gated_pod_is_not_scheduled_until_the_gate_is_removed(api: FakeApi) -> None:
    nodes(api)
    api.put(PODS, "gated", "shop", spec={"schedulingGates": [{"name": "example.com/wait"}]})
    api.put(PODS, "zz-free", "shop", spec={})
    async with at_work(api):
        await api.until(lambda: "nodeName" in api.all(PODS)[1]["spec"])
        assert "nodeName" not in api.all(PODS)[0]["spec"]
        api.put(PODS, "gated", "shop", spec={})
        await api.until(lambda: "nodeName" in api.all(PODS)[0]["spec"])


async def test_pods_of_other_schedulers_are_left_alone(api: FakeApi) -> None:
    nodes(api)
    api.put(PODS, "theirs", "shop", spec={"schedulerName": "mine"})
    api.put(PODS, "zz-ours", "shop", spec={})
    async with at_work(api):
        await api.until(lambda: "nodeName" in api.all(PODS)[1]["spec"])
    assert "nodeName" not in api.all(PODS)[0]["spec"]


async def test_a_set_whose_name_is_taken_by_another_owner_gets_another_hash(api: FakeApi) -> None:
    deploy(api, 1)
    async with at_work(api):
        await api.until(lambda: len(api.all(REPLICA_SETS)) == 1)
    name = api.all(REPLICA_SETS)[0]["metadata"]["name"]
    other = FakeApi()
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other", "uid": "other", "controller": True}
    other.put(REPLICA_SETS, name, "shop", metadata={"ownerReferences": [owner]}, spec={"replicas": 0})
    deploy(other, 1)
    async with at_work(other):
        await other.until(lambda: len(other.all(REPLICA_SETS)) == 2)
    assert other.all(DEPLOYMENTS)[0]["status"]["collisionCount"] == 1


async def test_conditions_that_a_user_sets_meanwhile_are_not_lost(api: FakeApi) -> None:
    """The controller's view of the object is older than the user's write."""
    nodes(api)
    deploy(api, 1)
    custom = {"type": "Custom", "status": "True", "reason": "Test"}
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: progressed(api, 1))
        api.hold(REPLICA_SETS)
        (item,) = api.all(REPLICA_SETS)
        api.put(REPLICA_SETS, item["metadata"]["name"], "shop", status={**item["status"], "conditions": [custom]})
        written = api.calls["PATCH", "replicasets"]
        api.remove(PODS, NamespacedName("shop", live(api)[0]["metadata"]["name"]))
        await api.until(lambda: api.calls["PATCH", "replicasets"] > written)
        api.hold()
        await api.until(lambda: progressed(api, 1))
    assert api.all(REPLICA_SETS)[0]["status"]["conditions"] == [custom]


async def test_a_refusal_because_the_namespace_is_being_deleted_is_not_retried_nor_reported(api: FakeApi) -> None:
    terminating = ApiError(403, "Forbidden", "it is being terminated", frozenset({"NamespaceTerminating"}))
    api.refuse["POST", "pods"] = terminating
    deploy(api, 2)
    async with at_work(api):
        await api.until(lambda: api.calls["POST", "pods"] == 2)
        await api.until(lambda: any(s.get("status") for s in api.all(REPLICA_SETS)))
        assert not api.all(REPLICA_SETS)[0]["status"].get("conditions")
        api.refuse["POST", "pods"] = ApiError(403, "Forbidden", "exceeded quota")
        deploy(api, 3)
        await api.until(lambda: any(event["reason"] == "FailedCreate" for event in api.all(EVENTS)))
    assert all("terminated" not in event["message"] for event in api.all(EVENTS))


async def test_equal_events_are_counted_in_one_object(api: FakeApi) -> None:
    api.put(PODS, "p", "shop", spec={})
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    store = informers.of(PODS)
    async with running(informers, recorder):
        for times in (1, 2, 3):
            recorder.event(PODS, store.objects[NamespacedName("shop", "p")], "Pulled", "again", warning=True)
            await api.until(lambda times=times: bool(api.all(EVENTS)) and api.all(EVENTS)[0]["count"] == times)  # type: ignore[misc]
    (event,) = api.all(EVENTS)
    assert (event["type"], event["involvedObject"]["uid"]) == (
        "Warning",
        store.objects[NamespacedName("shop", "p")].metadata.uid,
    )
