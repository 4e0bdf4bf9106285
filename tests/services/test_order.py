"""The rows depend on the objects as they are, never on the way that led there."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.engine.row import Delta
from podwire.engine.sink import FakeSink
from podwire.kernel.elements import Listed
from podwire.kube.backends import Backend
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.services.leads import Leads
from podwire.services.model import Protocol
from podwire.services.pool_row import PoolRow, Slot
from podwire.services.proxy import ServiceProxy
from podwire.services.rows import ElementRow, FlowsRow, MemberRow, Row
from podwire.services.sink import changes
from tests.services.objects import NODE, FakeFeed, endpoint, service, slice_of
from tests.thoroughness import examples

Objects = Sequence[Service | EndpointSlice]
Step = Callable[["Cluster"], None]


class Cluster:
    """Objects as they are now, and what the kernel holds; the proxy comes and goes."""

    def __init__(self) -> None:
        self.services: FakeFeed[Service] = FakeFeed()
        self.slices: FakeFeed[EndpointSlice] = FakeFeed()
        self.sink: FakeSink[Row] = FakeSink()

    def put(self, item: Service | EndpointSlice) -> None:
        (self.services if isinstance(item, Service) else self.slices).put(item)  # type: ignore[arg-type]

    def remove(self, item: Service | EndpointSlice) -> None:
        feed = self.services if isinstance(item, Service) else self.slices
        if item.key in feed.objects:
            feed.remove(item)  # type: ignore[arg-type]

    async def work(self, steps: Iterable[Sequence[Step]]) -> None:
        """Run the proxy through the steps; steps of one group are received together."""
        for feed in (self.services, self.slices):
            feed.disconnect()
            feed.synced.set()
        proxy = ServiceProxy(self.services, self.slices, self.sink, NODE)
        task = asyncio.create_task(proxy.run())
        await proxy.settle()
        for together in steps:
            for step in together:
                step(self)
            await proxy.settle()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def rows(self) -> Counter[Hashable]:
        """What the kernel holds, with pools and slots renamed: who has how many slots of each frontend."""
        held = list(self.sink.held.values())
        named: list[Hashable] = [row for row in held if isinstance(row, MemberRow | FlowsRow)]
        for address, lead in Leads(held).all().items():
            unnamed = msgspec.structs.replace(lead.meaning, pool=0)
            named.append((address, unnamed, frozenset(Counter(lead.slots).items()), lead.sources))
        return Counter(named)


def put(item: Service | EndpointSlice) -> Step:
    return lambda cluster: cluster.put(item)


def remove(item: Service | EndpointSlice) -> Step:
    return lambda cluster: cluster.remove(item)


WEB, API = service("web", "10.96.0.1", "fd00:10:96::1"), service("api", "10.96.0.2", ports=("tcp:80", "udp:53"))
PODS = ("10.244.1.2", "10.244.1.3", "10.244.2.2", "10.244.2.3")
SHOP = service(
    "shop",
    "10.96.0.5",
    ports=("http:tcp:80", "quic:udp:443"),
    node_ports=(30080, 30443),
    balanced=("203.0.113.7",),
    affinity=60,
    type="LoadBalancer",
    external_traffic_policy="Local",
    load_balancer_source_ranges=("192.0.2.0/24", "2001:db8::/32"),
)
SHOP_PORTS = ("http:tcp:8080", "quic:udp:8443")
FINAL: Objects = (
    WEB,
    API,
    SHOP,
    slice_of("shop", endpoint(PODS[1], node="node-1"), *PODS[2:], ports=SHOP_PORTS),
    slice_of("web", *PODS[:3]),
    slice_of("web", PODS[3], endpoint("10.244.2.4", False), name="2"),
    slice_of("web", "fd00:10:244:1::2", name="6"),
    slice_of("api", endpoint(PODS[0], node="node-1"), PODS[2], ports=("tcp:8080", "udp:5353")),
)
DETOURS: tuple[Step, ...] = (
    put(service("web", "10.96.0.9")),
    put(service("gone", "10.96.0.3")),
    put(slice_of("gone", *PODS)),
    put(slice_of("web", *reversed(PODS))),
    put(slice_of("api", ports=("tcp:8080",))),
    remove(service("gone", "10.96.0.3")),
    remove(slice_of("gone")),
    put(slice_of("web", *(f"10.244.3.{n}" for n in range(1, 71)), name="2")),
    remove(WEB),
    remove(FINAL[4]),
    put(service("shop", "10.96.0.5", ports=("http:tcp:80",), node_ports=(30081,))),
    put(slice_of("shop", *PODS, ports=SHOP_PORTS)),
    put(service("shop", "10.96.0.5", ports=("http:tcp:80",), balanced=("203.0.113.7",), affinity=10)),
    put(slice_of("shop", *(f"10.244.3.{n}" for n in range(1, 71)), ports=SHOP_PORTS)),
)


def direct() -> Counter[Hashable]:
    """What is applied when the final objects are all there is."""
    cluster = Cluster()
    asyncio.run(cluster.work([[put(item) for item in FINAL]]))
    return cluster.rows()


WAYS = {
    "forwards": [[put(item)] for item in FINAL],
    "reversed": [[put(item)] for item in reversed(FINAL)],
    "squashed": [[*DETOURS, *(put(item) for item in FINAL)]],
    "split": [[step] for step in (*DETOURS, *(put(item) for item in FINAL))],
}
CLEAN: list[Step] = [remove(service("gone", "10.96.0.3")), remove(slice_of("gone"))]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("restart", [False, True])
def test_every_way_leads_to_the_same_rows(way: str, restart: bool) -> None:
    steps = [*WAYS[way], CLEAN]
    cluster = Cluster()
    middle = len(steps) // 2 if restart else len(steps)
    asyncio.run(cluster.work(steps[:middle]))
    asyncio.run(cluster.work(steps[middle:]))
    assert cluster.rows() == direct()


# A failed write costs a retry's delay in real time, so there are few examples.
@settings(max_examples=examples(40), deadline=None)
@given(
    detour=st.lists(st.sampled_from(DETOURS), max_size=8),
    order=st.permutations(FINAL),
    restart=st.booleans(),
    fail=st.integers(0, 1),
)
def test_any_detour_leads_to_the_same_rows(detour: list[Step], order: Objects, restart: bool, fail: int) -> None:
    cluster = Cluster()
    cluster.sink.fail = fail
    asyncio.run(cluster.work([[step] for step in detour]))
    last = [[put(item)] for item in order] + [CLEAN]
    if restart:
        for step in (step for together in last for step in together):
            step(cluster)
        last = []
    asyncio.run(cluster.work(last))
    assert cluster.rows() == direct()
    assert_whole(cluster.sink.held.values())


def assert_whole(held: Iterable[Row]) -> None:
    """Every frontend's slots are filled, from 0 to the number that it counts."""
    leads = Leads(held)
    assert all(None not in lead.slots for lead in leads.all().values())
    assert not leads.unused(), "slots without a frontend"


async def test_at_no_moment_does_a_frontend_count_a_slot_that_is_missing() -> None:
    cluster = Cluster()
    cluster.sink = watched = _Watched()
    await cluster.work([[step] for step in (*DETOURS, *(put(item) for item in FINAL))])
    assert watched.moments > 20


class _Watched(FakeSink[Row]):
    """A kernel that takes one change of elements after the other and is judged after each."""

    def __init__(self) -> None:
        super().__init__()
        self.moments = 0
        self._elements: dict[tuple[str, str], Listed] = {}

    async def write(self, delta: Delta[Row]) -> None:
        for old, new in changes(delta):
            for one in old:
                del self._elements[one.collection, one.key_text]
            self._elements.update({(one.collection, one.key_text): one for one in new})
            self._judge()
        await super().write(delta)

    def _judge(self) -> None:
        self.moments += 1
        slots: defaultdict[tuple[int, int], dict[int, Backend]] = defaultdict(dict)
        rows: list[Row] = []
        for one in self._elements.values():
            if isinstance(one, Slot):
                slots[int(one.collection[-1]), one.pool][one.number] = one.backend
            else:
                assert isinstance(one, ElementRow)
                rows.append(one)
        for (family, pool), found in slots.items():
            rows.append(PoolRow(family, pool, Protocol.TCP, tuple(map(found.get, range(max(found) + 1)))))
        assert all(None not in lead.slots for lead in Leads(rows).all().values())


async def test_of_two_services_with_one_address_the_older_one_has_it() -> None:
    """Whichever comes first, and whole: its endpoints with its number of slots."""
    old = born(service("z-old", "10.96.0.1"), "2026-01-01T00:00:00Z")
    young = born(service("a-young", "10.96.0.1"), "2026-01-02T00:00:00Z")
    slices = (slice_of("z-old", "10.244.1.1", "10.244.1.2"), slice_of("a-young", "10.244.2.1"))
    for order in ((old, young), (young, old)):
        cluster = Cluster()
        for item in (*order, *slices):
            cluster.put(item)
        await cluster.work([])
        assert led_to(cluster) == {"10.244.1.1", "10.244.1.2"}
        cluster.remove(old)
        await cluster.work([])
        assert led_to(cluster) == {"10.244.2.1"}


def born(one: Service, moment: str) -> Service:
    metadata = msgspec.structs.replace(one.metadata, creation_timestamp=moment, uid=f"uid-{one.metadata.name}")
    return msgspec.structs.replace(one, metadata=metadata)


def led_to(cluster: Cluster) -> set[str]:
    """The backends that the only frontend leads to."""
    (lead,) = Leads(cluster.sink.held.values()).all().values()
    return {backend.address for backend in lead.slots if backend is not None}
