"""Events about Services that lose, that are refused or that have too much; each once, and conflicts from one node."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import pytest

from podwire.agent.service_checks import ServiceChecks, without_local
from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import FakeSink
from podwire.kube.backends import Backend
from podwire.kube.core import Node, NodeStatus
from podwire.kube.discovery import SERVICE_NAME_LABEL, EndpointSlice
from podwire.kube.meta import Condition, NamespacedName, Object, ObjectMeta
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.services.derivation import Owner
from podwire.services.host_ports import PodOwner
from podwire.services.model import Frontend, Protocol
from podwire.services.pool_row import PoolRow
from podwire.services.rows import FrontendRow, Row, StickyRow
from podwire.services.slots import MOST_AFFINE_BACKENDS, MOST_BACKENDS
from podwire.services.word import Verdict, slots_bits, sticky, verdict_bits

ObjectT = TypeVar("ObjectT", bound=Object)
ELDER, YOUNGER = NamespacedName("shop", "a"), NamespacedName("shop", "b")
HTTP = Frontend("10.96.0.7", Protocol.TCP, 80)
NODE_PORT = Frontend("0.0.0.0", Protocol.TCP, 30080)
SERVICES = {key: Service(metadata=ObjectMeta(namespace=key.namespace, name=key.name)) for key in (ELDER, YOUNGER)}


def node(name: str, *, ready: bool = True) -> Node:
    status = NodeStatus(conditions=(Condition(type="Ready", status="True" if ready else "False"),))
    return Node(metadata=ObjectMeta(name=name), status=status)


@dataclass
class Known(Generic[ObjectT]):
    """Objects as an informer has them."""

    objects: Mapping[NamespacedName, ObjectT]


class Scene:
    """The checks of one node over rows that a test sets."""

    def __init__(self, name: str = "one", *nodes: Node) -> None:
        self.rows: Mapping[Owner, list[Row]] = {}
        self.sink: FakeSink[Row] = FakeSink()
        self.reconciler: Reconciler[Owner, Row] = Reconciler(
            "services", lambda owner: self.rows[owner], self.sink, rank=lambda owner: (str(owner),)
        )
        known = {item.key: item for item in nodes or (node("one"), node("two"))}
        self.checks = ServiceChecks(name, self.reconciler, Known(SERVICES), Known(known))
        self.warned: list[tuple[str, str, str]] = []

    async def sync(self, rows: Mapping[Owner, list[Row]], *, isolate: bool = False) -> list[tuple[str, str, str]]:
        """Apply rows; return the new warnings: name of the Service, reason, message."""
        self.rows = {**{owner: [] for owner in self.rows}, **rows}
        self.reconciler.touch(*self.rows)
        await self.reconciler.turn(isolate=isolate)
        self.warned = []
        changed = [owner for owner in self.rows if isinstance(owner, NamespacedName)]
        self.checks.synced(changed, lambda service, *words: self.warned.append((service.metadata.name, *words)))
        return self.warned


def frontend(pool: int, of: Frontend = HTTP, *, outside: bool = False, drops: bool = False) -> FrontendRow:
    return FrontendRow(of, outside, pool | (verdict_bits(Verdict.DROP) if drops else slots_bits(1, affine=False)))


async def test_the_younger_service_of_two_over_one_frontend_is_warned_once() -> None:
    scene = Scene()
    both: Mapping[Owner, list[Row]] = {ELDER: [frontend(1)], YOUNGER: [frontend(2)]}
    ((name, reason, message),) = await scene.sync(both)
    assert (name, reason) == ("b", "PortTaken")
    assert message.startswith("10.96.0.7 TCP 80: connections go to Service shop/a, which is older")
    assert await scene.sync(both) == []
    assert await scene.sync({YOUNGER: [frontend(2)]}) == []
    assert len(await scene.sync(both)) == 1, "a conflict that comes back is a new one"


async def test_equal_rows_are_no_conflict() -> None:
    assert await Scene().sync({ELDER: [frontend(1)], YOUNGER: [frontend(1)]}) == []


@pytest.mark.parametrize(
    ("name", "nodes", "warned"),
    [
        ("one", (node("one"), node("two")), 1),
        ("two", (node("one"), node("two")), 0),
        ("two", (node("one", ready=False), node("two")), 1),
    ],
)
async def test_one_ready_node_reports_a_conflict(name: str, nodes: tuple[Node, ...], warned: int) -> None:
    found = await Scene(name, *nodes).sync({ELDER: [frontend(1)], YOUNGER: [frontend(2)]})
    assert len(found) == warned


async def test_a_host_port_that_has_a_node_port_is_reported_by_its_node() -> None:
    rows: Mapping[Owner, list[Row]] = {
        PodOwner("a", "pod"): [frontend(1, NODE_PORT)],
        NamespacedName("shop", "b"): [frontend(2, NODE_PORT)],
    }
    ((_, reason, message),) = await Scene("two").sync(rows)
    assert (reason, message.startswith("node port TCP 30080: connections go to the host ports of a/pod")) == (
        "PortTaken", True,
    )  # fmt: skip


async def test_a_row_that_the_kernel_refuses_is_reported() -> None:
    scene = Scene("two")
    scene.sink.refuses = {frontend(1).key}
    ((name, reason, message),) = await scene.sync({ELDER: [frontend(1)]}, isolate=True)
    assert (name, reason) == ("a", "RowRefused")
    assert message.startswith("two: service4 10.96.0.7 . tcp . 80")


async def test_a_service_that_cannot_be_derived_is_reported() -> None:
    scene = Scene("two")

    def fails(_: Owner) -> list[Row]:
        raise RuntimeError("all numbers are in use")

    scene.reconciler = Reconciler("services", fails, scene.sink)
    scene.checks = ServiceChecks("two", scene.reconciler, Known(SERVICES), Known[Node]({}))
    ((_, reason, message),) = await scene.sync({ELDER: []})
    assert (reason, "all numbers are in use" in message) == ("NotProgrammed", True)


async def test_more_endpoints_than_affinity_can_use() -> None:
    def rows(count: int) -> list[Row]:
        found = [StickyRow(sticky(1, number, 1 << 18), Protocol.TCP, backend(number)) for number in range(count)]
        return [frontend(1), *found]

    assert await Scene().sync({ELDER: rows(MOST_AFFINE_BACKENDS - 1)}) == []
    ((_, reason, message),) = await Scene().sync({ELDER: rows(MOST_AFFINE_BACKENDS)})
    assert (reason, str(MOST_AFFINE_BACKENDS) in message) == ("EndpointsOverLimit", True)
    plain = PoolRow(4, 1, Protocol.TCP, tuple(map(backend, range(MOST_AFFINE_BACKENDS))))
    assert await Scene().sync({ELDER: [frontend(1), plain]}) == []


async def test_more_endpoints_than_are_used() -> None:
    def pool(count: int) -> PoolRow:
        return PoolRow(4, 1, Protocol.TCP, tuple(backend(slot % count) for slot in range(MOST_BACKENDS)))

    assert await Scene().sync({ELDER: [frontend(1), pool(MOST_BACKENDS - 1)]}) == []
    ((_, reason, message),) = await Scene().sync({ELDER: [frontend(1), pool(MOST_BACKENDS)]})
    assert (reason, str(MOST_BACKENDS) in message) == ("EndpointsOverLimit", True)


def backend(number: int) -> Backend:
    return Backend(f"10.244.{number // 256}.{number % 256}", 80)


async def test_ports_without_a_local_endpoint_are_counted_by_policy() -> None:
    scene = Scene()
    balanced = Frontend("172.18.254.1", Protocol.TCP, 80)
    await scene.sync(
        {
            ELDER: [
                frontend(1, drops=True),
                frontend(2, NODE_PORT),
                frontend(3, NODE_PORT, outside=True, drops=True),
                frontend(3, balanced, outside=True, drops=True),
            ]
        }
    )
    assert counted(scene) == {"internal": 1, "external": 1}, "a port is one, however many addresses it has"
    await scene.sync({ELDER: [frontend(1)]})
    assert counted(scene) == {"internal": 0, "external": 0}


def counted(scene: Scene) -> dict[str, object]:
    (family,) = scene.checks.families()
    return {labels["traffic_policy"]: value for labels, value in family.samples}


def test_services_are_looked_at_after_a_change_of_theirs_or_of_their_slices() -> None:
    checks = Scene().checks
    checks.service_changed(Change(None, SERVICES[ELDER]))
    labels = {SERVICE_NAME_LABEL: "b"}
    checks.slice_changed(Change(None, EndpointSlice(metadata=ObjectMeta(namespace="shop", name="x", labels=labels))))
    assert checks.syncing() == {ELDER, YOUNGER}
    assert checks.syncing() == frozenset()


def test_a_service_that_drops_nothing_counts_nothing() -> None:
    assert without_local([frontend(1)]) is None
