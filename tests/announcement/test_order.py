"""Who announces what depends on the objects as they are, never on the way that led there; and it is one node."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.announcement.announcer import Announcements, Feeds
from podwire.announcement.model import Link
from podwire.announcement.rows import ProxyRow, RouteRow
from podwire.engine.sink import FakeSink
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import Object
from podwire.kube.services import Service
from tests.announcement.network import rules_exist
from tests.announcement.objects import FakeFeed, balanced, endpoint, node, slice_of
from tests.thoroughness import examples

NODES = ("a", "b", "c")
RANGES = (ipaddress.ip_network("192.0.2.0/24"),)
LINK = Link("eth0", (ipaddress.ip_interface("192.0.2.250/24"),))

FINAL: tuple[Object, ...] = (
    node("a"),
    node("b", ready=False),
    node("c"),
    balanced("web", "192.0.2.1", created="2026-01-02T00:00:00Z"),
    balanced("shop", "192.0.2.2", local=True),
    balanced("shared", "192.0.2.1", "192.0.2.3", local=True, created="2026-01-01T00:00:00Z"),
    balanced("nowhere", "192.0.2.4", local=True),
    slice_of("shop", endpoint("10.0.0.1", "b"), endpoint("10.0.0.2", "c")),
    slice_of("shared", endpoint("10.0.0.3", "a")),
    slice_of("nowhere", endpoint("10.0.0.4", "b")),
)
EXPECTED = {"192.0.2.1": {"a"}, "192.0.2.2": {"c"}, "192.0.2.3": {"a"}}
"""The nodes that may announce each address: the others must not."""

DETOURS: tuple[Object, ...] = (
    node("a", ready=False),
    node("b"),
    node("c", labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""}),
    balanced("web", "192.0.2.9"),
    balanced("web", "192.0.2.1", local=True),
    balanced("shop", "192.0.2.2"),
    balanced("shop", "192.0.2.2", mode="Proxy"),
    balanced("shared", "192.0.2.1", kind="ClusterIP"),
    slice_of("shop", endpoint("10.0.0.1", "a")),
    slice_of("shared", endpoint("10.0.0.3", "a", ready=False)),
    slice_of("web", endpoint("10.0.0.5", "b")),
)


class Targets(FakeSink[RouteRow]):
    """Routes in memory; the addresses of the node do not matter."""

    pod_ranges = ()

    def use(self, addresses: Iterable[Any], node: Node) -> None:
        pass

    def begin(self) -> None:
        pass


class Cluster:
    """The objects as they are now, and what each node's kernel and routers hold; the agents come and go."""

    def __init__(self) -> None:
        self.services: FakeFeed[Service] = FakeFeed()
        self.slices: FakeFeed[EndpointSlice] = FakeFeed()
        self.nodes: FakeFeed[Node] = FakeFeed()
        self.proxies: dict[str, FakeSink[ProxyRow]] = {name: FakeSink() for name in NODES}
        self.routes = {name: Targets() for name in NODES}

    def put(self, item: Object) -> None:
        if isinstance(item, Node):
            self.nodes.put(item)
        elif isinstance(item, Service):
            self.services.put(item)
        elif isinstance(item, EndpointSlice):
            self.slices.put(item)

    async def work(self, steps: Iterable[Sequence[Object]]) -> None:
        """Run the agents through the steps; what is put together arrives together."""
        for feed in (self.services, self.slices, self.nodes):
            feed.disconnect()
        async with contextlib.AsyncExitStack() as stack:
            agents = [self._agent(name) for name in NODES]
            for agent in agents:
                task = asyncio.create_task(agent.run())
                stack.callback(task.cancel)
            for together in ((), *steps):
                for item in together:
                    self.put(item)
                for agent in agents:
                    await agent.settle()

    def announced(self) -> Counter[tuple[str, str, str]]:
        """How often each address is announced by each node, and how."""
        arp = [("ARP", str(row.address), name) for name, sink in self.proxies.items() for row in sink.held.values()]
        bgp = [("BGP", str(row.address), name) for name, sink in self.routes.items() for row in sink.held.values()]
        return Counter(arp + bgp)

    def _agent(self, name: str) -> Announcements:
        feeds = Feeds(self.services, self.slices, self.nodes)
        return Announcements(name, RANGES, feeds, self.proxies[name], lambda _: (LINK,), rules_exist, self.routes[name])


@settings(max_examples=examples(60), deadline=None)
@given(
    detour=st.lists(st.sampled_from(DETOURS), max_size=8),
    order=st.permutations(FINAL),
    together=st.booleans(),
    restart=st.booleans(),
)
def test_every_way_leads_to_the_same_announcements(
    detour: list[Object], order: Sequence[Object], together: bool, restart: bool
) -> None:
    cluster = Cluster()
    asyncio.run(cluster.work([[item] for item in detour]))
    steps: list[Sequence[Object]] = [order] if together else [[item] for item in order]
    # What no final object replaces.
    steps.append([slice_of("web"), balanced("web", "192.0.2.1", created="2026-01-02T00:00:00Z")])
    if restart:
        asyncio.run(cluster.work(steps[: len(steps) // 2]))
        steps = steps[len(steps) // 2 :]
    asyncio.run(cluster.work(steps))
    routes = [("BGP", address, name) for address, nodes in EXPECTED.items() for name in nodes]
    assert cluster.announced() == Counter([("ARP", *route[1:]) for route in routes] + routes)


def test_of_many_nodes_exactly_one_answers_for_each_address_and_all_announce_it_by_bgp() -> None:
    cluster = Cluster()
    addresses = [f"192.0.2.{number}" for number in range(1, 101)]
    asyncio.run(cluster.work([[node(name) for name in NODES], [balanced(one, one) for one in addresses]]))
    found = cluster.announced()
    assert Counter(address for kind, address, _ in found if kind == "ARP") == Counter(addresses)
    assert Counter(address for kind, address, _ in found if kind == "BGP") == Counter(addresses * len(NODES))
    assert min(Counter(name for kind, _, name in found if kind == "ARP").values()) > 10
