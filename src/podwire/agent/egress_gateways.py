"""The egress gateways of an agent: rules, routes and the announcement of addresses, and the status of each gateway."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from podwire.agent.config import AgentConfig
from podwire.agent.egress_status import EgressStatus
from podwire.announcement.after_rules import AfterRules
from podwire.announcement.beacon import Beacon
from podwire.announcement.rows import ProxyRow, proxy_rows
from podwire.announcement.sink import ProxySink
from podwire.announcement.uplinks import uplinks
from podwire.egress.element_sink import ElementSink, is_loaded
from podwire.egress.model import Source
from podwire.egress.route_sink import PROTOCOL, RouteSink
from podwire.egress.rows import VIA, RouteRow, WayRow
from podwire.egress.view import CLUSTER, EgressView
from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Refusal
from podwire.engine.sink import RefusedError
from podwire.kernel.element_row import ElementRow
from podwire.kernel.sysctl_record import WriteSysctls
from podwire.kube.addresses import IPAddress, parsed
from podwire.kube.core import Namespace, Node, Pod
from podwire.kube.egress_gateway import EgressGateway
from podwire.kube.feed import AwaitableFeed, Feed, first_set
from podwire.kube.meta import NamespacedName
from podwire.kube.on_demand_informer import OnDemandInformer
from podwire.kube.watch import Change
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, read_node, tunnel_address
from podwire.pods.rows import TUNNEL
from podwire.pods.uplink import Uplink, neighbour
from podwire.policy.peers import PeerPod


class EgressFeeds(msgspec.Struct, frozen=True):
    """What egress gateways are made of. The pods of other nodes are required with the first gateway."""

    gateways: Feed[EgressGateway]
    pods: Feed[Pod]
    peers: OnDemandInformer[PeerPod]
    namespaces: AwaitableFeed[Namespace]
    nodes: Feed[Node]


class EgressGateways:
    """The capability as the agent runs it: it does nothing before the first EgressGateway."""

    def __init__(
        self,
        config: AgentConfig,
        feeds: EgressFeeds,
        status: EgressStatus,
        write_sysctls: WriteSysctls,
        uplink: Callable[[], Uplink | None],
    ) -> None:
        self._feeds = feeds
        self._node = config.node
        self._status = status
        self._needed = asyncio.Event()
        if is_loaded():
            self._needed.set()  # of an earlier agent
        self._away = asyncio.Event()
        """Set where the server is away and what was known before counts."""
        self._known = asyncio.Event()
        """Set when it is known which gateways there are."""
        self._complete = asyncio.Event()
        """Set when all is known that rows are made from."""
        ranges = map(ipaddress.ip_network, config.service_ranges)
        self.view = EgressView(config.node, config.cluster.ranges, ranges, hops(config.cluster, uplink))
        self._beacon = Beacon()
        self._elements: Reconciler[str, ElementRow] = Reconciler(
            "egress", self.view.elements, ElementSink.here(), rank=self._rank
        )
        self._routes: Reconciler[str, RouteRow] = Reconciler(
            "egress routes", self.view.routes, AfterRules(RouteSink(), self._elements.settle)
        )
        self._proxies: Reconciler[str, ProxyRow] = Reconciler(
            "egress announcement",
            self._derive_proxies,
            AfterRules(ProxySink(self._beacon, write_sysctls, PROTOCOL), self._elements.settle),
            rank=self._rank,
        )

    @property
    def reconcilers(self) -> tuple[Reconciler[str, Any], ...]:
        """For metrics."""
        return (self._elements, self._routes, self._proxies) if self._needed.is_set() else ()

    async def settle(self) -> None:
        """Wait until all changes received before this call are applied; at once before the first gateway."""
        for one in self.reconcilers:
            await one.settle()

    def rows(self) -> Iterator[str]:
        """Return all rows as text."""
        for one in self.reconcilers:
            yield from one.lines()

    async def run(self) -> None:
        """Wait for the first gateway and work until cancelled."""
        feeds = self._feeds
        feeds.gateways.subscribe(self._gateway_changed)
        await first_set(feeds.gateways.synced, self._away)
        self._known.set()
        await self._needed.wait()
        feeds.peers.require()
        feeds.nodes.subscribe(self._listener(self.view.node_changed))
        feeds.namespaces.subscribe(self._listener(self.view.namespace_changed))
        feeds.pods.subscribe(self._pod_changed)
        feeds.peers.subscribe(self._peer_changed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beacon.run())
            tasks.create_task(self._status.run(self.view))
            for one in self.reconcilers:
                tasks.create_task(one.run())
            for synced in (feeds.nodes, feeds.namespaces, feeds.pods, feeds.peers):
                await first_set(synced.synced, self._away)
            for one in self.reconcilers:
                one.inputs_synced()
            self._complete.set()

    def start_without_server(self) -> None:
        """Begin with the objects that the informers have, without waiting for the server: it is away."""
        self._away.set()

    def attach(self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress]) -> None:
        """The pod has these addresses on this node."""
        self._touch(self.view.attached(pod, uid, addresses))

    async def admit(self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress]) -> None:
        """Attach a pod that the API server has sent, and wait until what it sends leaves by its gateway, or not at all.

        Raises RefusedError where the kernel refuses that.
        """
        self.attach(pod, uid, addresses)
        await self._known.wait()
        if not self._needed.is_set():
            return
        await self._complete.wait()
        await self._feeds.namespaces.wait_for(lambda: self.view.knows_namespace(pod.namespace))
        await self._settle_rules()
        name = self.view.selecting(pod)
        if name is not None:
            self._raise_refused(name)

    def uplink_changed(self) -> None:
        """The way to other nodes may be another one."""
        self._touch(self.view.owners)

    async def release(self, pod: NamespacedName, uid: str) -> None:
        """Detach, and return when no rule names the pod's addresses: then another one may have them."""
        self._touch(self.view.detached(pod, uid))
        if self._complete.is_set():
            await self._settle_rules()

    def obstacle(self, pod: NamespacedName) -> str:
        """Return what `admit` waits for now; empty where it waits for nothing."""
        if not self._known.is_set():
            return "the API server has not sent the EgressGateways"
        if not self._needed.is_set():
            return ""
        if not self._complete.is_set():
            return "the API server has not sent all that EgressGateways read"
        if not self.view.knows_namespace(pod.namespace):
            return f"the API server has not sent namespace {pod.namespace}, whose labels EgressGateways read"
        failure = self._elements.failure or self._routes.failure
        return f"its egress gateway cannot be written: {failure}" if failure else ""

    def _raise_refused(self, name: str) -> None:
        """Raise RefusedError where a pod of the gateway may leave otherwise; without a way to it, the pod is closed."""
        refusals: list[Refusal[ElementRow] | Refusal[RouteRow]] = [
            *self._elements.table.refusals(name), *self._routes.table.refusals(name),
        ]  # fmt: skip
        for one in refusals:
            if not (isinstance(one.row, WayRow) and one.row.kind == VIA):
                raise RefusedError(f"egress gateway {name}: {one}")

    async def _settle_rules(self) -> None:
        for one in (self._elements, self._routes):
            await one.settle()

    def _rank(self, owner: str) -> tuple[str, ...]:
        gateway = self.view.gateway(owner)
        return ("", "") if gateway is None else gateway.rank

    def _derive_proxies(self, owner: str) -> Iterator[ProxyRow]:
        addresses = self.view.served(owner)
        if not addresses:
            return
        links = uplinks(_addresses(self.view.nodes[self._node].internal_addresses))
        for address in addresses:
            yield from proxy_rows(address, links)

    def _gateway_changed(self, change: Change[EgressGateway]) -> None:
        item = change.item
        self._touch(self.view.gateway_changed(item.metadata.name, change.new))
        self._needed.set()

    def _listener(self, take: Callable[[str, Any], Iterable[str]]) -> Callable[[Change[Any]], None]:
        def changed(change: Change[Any]) -> None:
            item = change.item
            self._touch(take(item.metadata.name, change.new))

        return changed

    def _pod_changed(self, change: Change[Pod]) -> None:
        item = change.item
        self._touch(self.view.source_changed(item.key, None if change.new is None else source(change.new)))

    def _peer_changed(self, change: Change[PeerPod]) -> None:
        item = change.item
        self._touch(self.view.source_changed(item.key, None if change.new is None else peer_source(change.new)))

    def _touch(self, owners: Iterable[str]) -> None:
        names = tuple(owners)
        for one in (self._elements, self._routes, self._proxies):
            one.touch(*names)
        self._status.touch(name for name in names if name != CLUSTER)


def source(pod: Pod) -> Source | None:
    """Return a pod of this node as gateways see it; None for one that has no address of its own, or has ended."""
    if pod.spec.host_network or pod.finished:
        return None
    return Source(pod.key, dict(pod.metadata.labels), (), pod.spec.node_name)


def peer_source(pod: PeerPod) -> Source:
    """Return a pod of another node as gateways see it."""
    return Source(pod.key, dict(pod.kind.labels), pod.addresses, pod.node)


def hops(cluster: Cluster, uplink: Callable[[], Uplink | None]) -> Callable[[Node, int], tuple[IPAddress, str] | None]:
    """Return what finds the way to a node: its address where nodes are on one link, or its end of the tunnel."""

    def hop(node: Node, version: int) -> tuple[IPAddress, str] | None:
        network, _ = read_node(node, cluster)
        here = uplink() if cluster.mode is Mode.CROSS_SUBNET else None
        near = neighbour(network, here, version) if here is not None else None
        if near is not None:
            return near, ""
        if cluster.mode.has_tunnel:
            found = next((one for one in network.all_ranges if one.version == version), None)
            return None if found is None else (tunnel_address(found), TUNNEL)
        address = network.address(version)
        return None if address is None else (address, "")

    return hop


def _addresses(texts: Collection[str]) -> tuple[IPAddress, ...]:
    return tuple(address for address in map(parsed, texts) if address is not None)
