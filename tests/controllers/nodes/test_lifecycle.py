"""The node controller with a fake API server and a fake clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from podwire.controllers.nodes.health import NodeHealth
from podwire.controllers.nodes.lifecycle import Clock, NodeLifecycle
from podwire.kube.client import ApiError
from podwire.kube.coordination import NODE_LEASES
from podwire.kube.kinds import LEASES, NODES, PODS, Kind, ObjectT
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import READY, node_fields
from tests.kube.fake_api import FakeApi, running

GRACE = 10.0
UNREADY = 40.0
OURS = "node.kubernetes.io/"


class FakeClock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def monotonic(self) -> float:
        return self._seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._seconds)

    def advance(self, seconds: float) -> None:
        self._seconds += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class SlowApi(FakeApi):
    """A server whose every answer about a Lease takes some seconds."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        super().__init__()
        self._clock = clock
        self._seconds = seconds

    async def get(self, kind: Kind[ObjectT], key: NamespacedName) -> ObjectT:
        if kind.resource == LEASES.resource:
            self._clock.advance(self._seconds)
            self.calls["GET", "lease"] += 1
        return await super().get(kind, key)


@pytest.fixture
async def api() -> FakeApi:
    return filled(FakeApi())


def filled(api: FakeApi) -> FakeApi:
    """Two nodes with a pod each."""
    for name in ("node-1", "node-2"):
        api.put(NODES, name, **node_fields(name))
    for node in ("node-1", "node-2"):
        status = {"phase": "Running", "conditions": [READY]}
        api.put(PODS, f"on-{node}", "shop", spec={"nodeName": node}, status=status)
    return api


def renew(api: FakeApi, clock: FakeClock, name: str) -> None:
    api.put(LEASES, name, NODE_LEASES, spec={"renewTime": clock.now().isoformat()})


def look(api: FakeApi, clock: FakeClock, name: str) -> None:
    """Let the controller look at a node now: its own timers run by the real clock."""
    api.put(NODES, name, metadata={"annotations": {"looked-at": clock.now().isoformat()}})


async def pass_until(
    api: FakeApi, clock: FakeClock, condition: Callable[[], bool], *nodes: str, healthy: str = ""
) -> float:
    """Let the time pass until the condition holds, while the controller looks at the nodes; return the seconds.

    The healthy node renews its Lease all the time.
    """
    started = clock.monotonic()
    while not condition():
        assert clock.monotonic() - started < 60 * GRACE, "not in time"
        clock.advance(0.25)
        if healthy:
            renew(api, clock, healthy)
        for name in nodes:
            look(api, clock, name)
        for _ in range(20):
            await asyncio.sleep(0)
    return clock.monotonic() - started


@contextlib.asynccontextmanager
async def at_work(
    api: FakeApi, clock: FakeClock, grace: float = GRACE, unready: float = UNREADY
) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    settings = NodeHealth(
        grace_seconds=grace, unready_seconds=unready, force_seconds=3.0, silence="nothing is received from it"
    )
    lifecycle = NodeLifecycle(api, informers, recorder, settings, Clock(clock.now, clock.monotonic))
    async with running(informers, lifecycle, recorder):
        yield


def taints(api: FakeApi, node: str) -> list[str]:
    item = api.objects["nodes"][NamespacedName("", node)]
    return [f"{t['key'].removeprefix(OURS)}:{t['effect']}" for t in item["spec"].get("taints") or []]


def pods(api: FakeApi) -> list[str]:
    return [pod["metadata"]["name"] for pod in api.all(PODS) if "deletionTimestamp" not in pod["metadata"]]


async def test_a_node_that_does_not_renew_its_lease_is_unreachable_and_loses_its_pods(
    api: FakeApi, clock: FakeClock
) -> None:
    renew(api, clock, "node-1")
    renew(api, clock, "node-2")
    async with at_work(api, clock):
        seconds = await pass_until(api, clock, lambda: bool(taints(api, "node-2")), "node-2", healthy="node-1")
        assert GRACE <= seconds <= GRACE + 2
        await api.until(lambda: taints(api, "node-2") == ["unreachable:NoSchedule", "unreachable:NoExecute"])
        await api.until(lambda: pods(api) == ["on-node-1"])
        (condition,) = api.objects["nodes"][NamespacedName("", "node-2")]["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("Unknown", "NodeStatusUnknown")
        assert condition["message"] == "nothing is received from it"
        renew(api, clock, "node-2")
        api.put(NODES, "node-2", status=node_fields("node-2")["status"])
        await api.until(lambda: not taints(api, "node-2"))
    assert taints(api, "node-1") == []


async def test_on_an_idle_machine_a_node_is_dead_after_its_grace(api: FakeApi, clock: FakeClock) -> None:
    renew(api, clock, "node-2")
    async with at_work(api, clock):
        seconds = await pass_until(api, clock, lambda: bool(taints(api, "node-2")), "node-2")
    assert GRACE <= seconds <= GRACE + 2


async def test_a_node_is_not_dead_for_an_api_server_that_is_late(clock: FakeClock) -> None:
    """Each answer takes longer than a kubelet may be silent."""
    api = filled(SlowApi(clock, GRACE))
    renew(api, clock, "node-2")
    async with at_work(api, clock):
        await pass_until(api, clock, lambda: api.calls["GET", "lease"] == 4, "node-2")
        assert clock.monotonic() > 4 * GRACE
        assert taints(api, "node-2") == []
        renew(api, clock, "node-2")
        seconds = await pass_until(api, clock, lambda: bool(taints(api, "node-2")), "node-2")
    assert seconds > 6 * GRACE


async def test_a_node_is_not_dead_for_a_controller_that_was_stalled(api: FakeApi, clock: FakeClock) -> None:
    renew(api, clock, "node-2")
    async with at_work(api, clock):
        clock.advance(20 * GRACE)
        await pass_until(api, clock, lambda: api.calls["GET", "leases"] > 2, "node-2")
        assert taints(api, "node-2") == []
        renew(api, clock, "node-2")
        assert await pass_until(api, clock, lambda: bool(taints(api, "node-2")), "node-2") >= GRACE


async def test_a_server_that_does_not_answer_is_no_sign_of_the_node(api: FakeApi, clock: FakeClock) -> None:
    renew(api, clock, "node-2")
    async with at_work(api, clock):
        api.refuse["GET", "leases"] = ApiError(503, "ServiceUnavailable", "starting")
        await pass_until(api, clock, lambda: clock.monotonic() > 5 * GRACE, "node-2")
        before = api.calls["GET", "leases"]
        await pass_until(api, clock, lambda: api.calls["GET", "leases"] > before, "node-2")
        api.refuse.clear()
        assert taints(api, "node-2") == []
        assert await pass_until(api, clock, lambda: bool(taints(api, "node-2")), "node-2") >= GRACE - 1


async def test_a_node_whose_lease_was_deleted_is_dead_after_its_grace(api: FakeApi, clock: FakeClock) -> None:
    renew(api, clock, "node-2")
    async with at_work(api, clock):
        api.remove(LEASES, NamespacedName(NODE_LEASES, "node-2"))
        assert await pass_until(api, clock, lambda: bool(taints(api, "node-2")), "node-2") >= GRACE


async def test_a_node_that_is_not_ready_keeps_its_pods_for_longer(api: FakeApi, clock: FakeClock) -> None:
    """Its kubelet is alive: an agent that starts slowly must not cost the node its pods."""
    async with at_work(api, clock):
        status = node_fields("node-2", ready=False)["status"]
        status["conditions"][0]["lastTransitionTime"] = clock.now().isoformat()
        api.put(NODES, "node-2", status=status)
        both = ("node-1", "node-2")
        await pass_until(api, clock, lambda: bool(taints(api, "node-2")), *both, healthy="node-1")
        assert taints(api, "node-2") == ["not-ready:NoSchedule"]
        await pass_until(api, clock, lambda: clock.monotonic() > UNREADY - 1, *both, healthy="node-1")
        assert taints(api, "node-2") == ["not-ready:NoSchedule"]
        assert pods(api) == ["on-node-1", "on-node-2"]
        await pass_until(api, clock, lambda: pods(api) == ["on-node-1"], *both, healthy="node-1")
    assert clock.monotonic() >= UNREADY


async def test_the_pods_of_a_node_that_is_not_ready_leave_by_the_controllers_own_timers(
    api: FakeApi, clock: FakeClock
) -> None:
    renew(api, clock, "node-1")
    status = node_fields("node-2", ready=False)["status"]
    status["conditions"][0]["lastTransitionTime"] = (clock.now() - timedelta(seconds=0.15)).isoformat()
    api.put(NODES, "node-2", status=status)
    async with at_work(api, clock, grace=0.1, unready=0.2):
        await api.until(lambda: taints(api, "node-2") == ["not-ready:NoSchedule"])
        for _ in range(100):
            await asyncio.sleep(0)
        clock.advance(1)
        renew(api, clock, "node-1")
        await api.until(lambda: pods(api) == ["on-node-1"])


async def test_an_evicted_pod_has_a_condition_that_says_why(api: FakeApi, clock: FakeClock) -> None:
    taint = {"key": "maintenance", "effect": "NoExecute"}
    async with at_work(api, clock):
        api.put(NODES, "node-2", spec={"taints": [taint]})
        await api.until(lambda: pods(api) == ["on-node-1"])
    conditions = {c["type"]: c["reason"] for c in api.all(PODS)[1]["status"]["conditions"] if "reason" in c}
    assert conditions == {"DisruptionTarget": "DeletionByTaintManager"}


async def test_while_no_node_renews_its_lease_no_pod_is_evicted(api: FakeApi, clock: FakeClock) -> None:
    for name in ("node-1", "node-2"):
        renew(api, clock, name)
    async with at_work(api, clock):
        both = ("node-1", "node-2")
        await pass_until(api, clock, lambda: bool(taints(api, "node-1") and taints(api, "node-2")), *both)
        await api.until(lambda: taints(api, "node-1") == taints(api, "node-2") == ["unreachable:NoSchedule"])
        await api.until(
            lambda: not any(c["status"] == "True" for p in api.all(PODS) for c in p["status"]["conditions"])
        )
    assert pods(api) == ["on-node-1", "on-node-2"]


async def test_nodes_that_fall_silent_one_after_the_other_keep_their_pods(api: FakeApi, clock: FakeClock) -> None:
    """As when the kubelets' machine stops: the first one that counts as dead is not the only one."""
    renew(api, clock, "node-2")
    async with at_work(api, clock):
        clock.advance(3)
        renew(api, clock, "node-1")
        both = ("node-1", "node-2")
        await pass_until(api, clock, lambda: bool(taints(api, "node-1") and taints(api, "node-2")), *both)
        assert pods(api) == ["on-node-1", "on-node-2"]
        assert taints(api, "node-2") == ["unreachable:NoSchedule"]


async def test_pods_of_a_dead_node_are_evicted_as_soon_as_another_one_renews(api: FakeApi, clock: FakeClock) -> None:
    """By the controller's own timers: nothing changes at the dead node any more."""
    for name in ("node-1", "node-2"):
        renew(api, clock, name)
    async with at_work(api, clock, grace=0.1):
        both = ("node-1", "node-2")
        await pass_until(api, clock, lambda: bool(taints(api, "node-1") and taints(api, "node-2")), *both)
        api.put(NODES, "node-1", status=node_fields("node-1")["status"])
        renew(api, clock, "node-1")
        await api.until(lambda: pods(api) == ["on-node-1"])
        await api.until(lambda: taints(api, "node-1") == [])


async def test_a_cordoned_node_is_tainted_and_a_node_without_a_lease_is_not_judged(
    api: FakeApi, clock: FakeClock
) -> None:
    async with at_work(api, clock):
        api.put(NODES, "node-2", spec={"unschedulable": True})
        await api.until(lambda: taints(api, "node-2") == ["unschedulable:NoSchedule"])
        clock.advance(GRACE * 10)
        api.put(NODES, "node-2", spec={"unschedulable": False})
        await api.until(lambda: taints(api, "node-2") == [])


async def test_pods_of_a_deleted_node_end_after_a_while(api: FakeApi, clock: FakeClock) -> None:
    api.put(PODS, "on-node-2", "shop", metadata={"finalizers": ["example.com/hold"]})
    async with at_work(api, clock):
        api.remove(NODES, NamespacedName("", "node-2"))
        api.put(NODES, "node-1", spec={"unschedulable": True})
        await api.until(lambda: taints(api, "node-1") == ["unschedulable:NoSchedule"])
        assert len(pods(api)) == 2
        clock.advance(GRACE)
        api.put(PODS, "on-node-2", "shop", metadata={"annotations": {"looked": "at"}})
        await api.until(lambda: pods(api) == ["on-node-1"])
    assert api.all(PODS)[1]["status"]["phase"] == "Failed", "its finalizers' owners see that it has ended"
