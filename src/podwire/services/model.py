"""Service semantics: frontends (address, protocol, port) and where each leads on one node. Pure.

Sources: kubernetes.io "Virtual IPs and Service Proxies"; k8s.io/api `core/v1` Service, `discovery/v1` EndpointSlice;
k8s.io/kubernetes `pkg/proxy/serviceport.go`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from podwire.kube.addresses import canonical, family_of, parsed_network
from podwire.kube.backend_choice import Choice, TrafficPolicy, choose
from podwire.kube.backends import Backend, Member, PortKey, by_port
from podwire.kube.discovery import NOT_PROXIED, EndpointSlice
from podwire.kube.services import Service, ServicePort
from podwire.services.node_view import NodeView, disjoint

DEFAULT_AFFINITY_SECONDS = 10_800
NODE_PORT_ADDRESSES = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - a marker, never bound
"""The address of a frontend that is a node port: every address of the node that takes node ports."""
_FAMILIES = (4, 6)


class Protocol(enum.StrEnum):
    """The protocols that a Service can have, by nft's names for them."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"

    __hash__ = str.__hash__  # that of Enum is a Python function, and rows are hashed often


class Scope(enum.StrEnum):
    """What the address of a frontend is."""

    CLUSTER = "cluster IP"
    EXTERNAL = "external IP"
    LOAD_BALANCER = "load balancer IP"
    NODE_PORT = "node port"
    HOST_PORT = "host port"


class Frontend(msgspec.Struct, frozen=True, order=True, gc=False, cache_hash=True):
    """An address, protocol and port that clients connect to. The address is text in canonical form."""

    address: str
    protocol: Protocol
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return family_of(self.address)

    @property
    def is_node_port(self) -> bool:
        """Whether it is a port of every address of the node that takes node ports."""
        return self.address in {"0.0.0.0", "::"}  # noqa: S104


class PoolKey(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """One port of a Service in one family, under one traffic policy."""

    port: PortKey
    policy: TrafficPolicy


class Pool(msgspec.Struct, frozen=True, gc=False):
    """The endpoints that a traffic policy chooses for a port of a Service in one family."""

    key: PoolKey
    choice: Choice

    @property
    def port(self) -> PortKey:
        """The port of the Service."""
        return self.key.port

    @property
    def policy(self) -> TrafficPolicy:
        """The traffic policy."""
        return self.key.policy


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One frontend and where it leads.

    Connections from pods of this node and from the node itself go to `inside`, all others to `outside`. `serving` are
    the backends to which flows may go on: a terminating one gets no new connections while others are ready, but still
    answers the old ones.
    """

    frontend: Frontend
    scope: Scope
    inside: Pool
    outside: Pool
    keeps_source: bool
    """Whether a client from outside is seen by its own address; else by the node's."""
    source_ranges: tuple[str, ...] | None
    """The sources that are admitted; None: all."""
    affinity_seconds: int
    """How long a client's connections go to one endpoint; 0 without session affinity."""
    serving: tuple[Backend, ...]
    local: tuple[str, ...]
    """The addresses of backends that may be pods of this node."""


def entries(service: Service, slices: Iterable[EndpointSlice], node: NodeView) -> Iterator[Entry]:
    """All frontends of a Service; none for headless ones, external names and Services of other proxies."""
    if not NOT_PROXIED.isdisjoint(service.metadata.labels):
        return
    addresses = _addresses(service, node)
    if not addresses:
        return
    found = by_port(service, [piece for piece in slices if NOT_PROXIED.isdisjoint(piece.metadata.labels)])
    for family in _FAMILIES:
        of_family = [one for one in addresses.items() if (":" in one[0]) == (family == 6)]
        # Without a cluster IP of this family the Service does not exist in it, whatever else it has (serviceport.go).
        if any(scope is Scope.CLUSTER for _, scope in of_family):
            for port in service.spec.ports:
                key = PortKey(port.name, port.protocol, family)
                yield from _port_entries(_Context(service, node, key, found.get(key, {})), port, of_family)


def _addresses(service: Service, node: NodeView) -> Mapping[str, Scope]:
    """The addresses on all ports, none without a cluster IP. Unusable ones are left out.

    One that is external and a load balancer's counts as the latter: the source ranges of the Service guard it.
    """
    found = dict.fromkeys(filter(None, map(canonical, service.addresses)), Scope.CLUSTER)
    if not found:
        return found
    external = service.spec.external_ips if node.allow_external_ips else ()
    if not external and not service.status.load_balancer.ingress:
        return found
    # With ipMode Proxy the balancer is a proxy that connections must really pass (KEP-1860).
    balanced = [one.ip for one in service.status.load_balancer.ingress if one.ip_mode in {None, "VIP"}]
    for scope, addresses in ((Scope.LOAD_BALANCER, balanced), (Scope.EXTERNAL, external)):
        for address in filter(None, map(canonical, addresses)):
            found.setdefault(address, scope)
    return found


class _Context:
    """One port of a Service in one family: its members, and what both policies choose of them, when it is needed."""

    def __init__(self, service: Service, node: NodeView, key: PortKey, members: Mapping[Backend, Member]) -> None:
        self.service = service
        self.key = key
        self.serving = tuple([backend for backend, member in members.items() if member.serving])
        self._members = members
        self._place = node.place
        self._pools: dict[TrafficPolicy, Pool] = {}

    def pool(self, policy: TrafficPolicy) -> Pool:
        found = self._pools.get(policy)
        if found is None:
            choice = choose(self._members, self._place, policy)
            found = self._pools[policy] = Pool(PoolKey(self.key, policy), choice)
        return found

    def local(self) -> tuple[str, ...]:
        """The addresses of backends chosen so far that may be this node's."""
        node = self._place.node  # as Member.is_local has it, without a call for each of all endpoints
        local = {backend for backend, member in self._members.items() if member.node == node or not member.node}
        if not local:  # the usual case: most endpoints are on other nodes
            return ()
        chosen = dict.fromkeys([backend for pool in self._pools.values() for backend in pool.choice.backends])
        return tuple([one.address for one in chosen if one in local])


def _port_entries(context: _Context, port: ServicePort, addresses: Sequence[tuple[str, Scope]]) -> Iterator[Entry]:
    spec = context.service.spec
    inside = context.pool(TrafficPolicy.of(spec.internal_traffic_policy))
    external = [(address, scope, port.port) for address, scope in addresses if scope is not Scope.CLUSTER]
    if port.node_port:
        external.append((NODE_PORT_ADDRESSES[context.key.family], Scope.NODE_PORT, port.node_port))
    # From pods and the node itself Local means all endpoints: the client's address is known to them anyway.
    policy = TrafficPolicy.of(spec.external_traffic_policy)
    pools = (context.pool(TrafficPolicy.CLUSTER), context.pool(policy)) if external else (inside, inside)
    seconds, protocol, local = affinity_seconds(context.service), Protocol[port.protocol], context.local()
    for address, scope in addresses:
        if scope is Scope.CLUSTER:
            frontend = Frontend(address, protocol, port.port)
            yield Entry(frontend, scope, inside, inside, False, None, seconds, context.serving, local)
    for address, scope, number in external:
        frontend = Frontend(address, protocol, number)
        ranges = _source_ranges(context.service, frontend.family) if scope is Scope.LOAD_BALANCER else None
        keeps_source = policy is TrafficPolicy.LOCAL
        yield Entry(frontend, scope, *pools, keeps_source, ranges, seconds, context.serving, local)


def affinity_seconds(service: Service) -> int:
    """How long a client's connections go to one endpoint, as the Service has it; 0 without session affinity."""
    if service.spec.session_affinity != "ClientIP":
        return 0
    config = service.spec.session_affinity_config
    seconds = config.client_ip.timeout_seconds if config is not None and config.client_ip is not None else None
    return seconds or DEFAULT_AFFINITY_SECONDS


def _source_ranges(service: Service, family: int) -> tuple[str, ...] | None:
    """The admitted sources of this family. None: all, as no range is given, or one that holds every address.

    Ranges of the other family alone admit no client: kube-proxy would admit all.
    """
    given = service.spec.load_balancer_source_ranges
    if not given:
        return None
    found = (parsed_network(text.strip()) for text in given)  # the API admits spaces around it
    networks = [network for network in found if network is not None and network.version == family]
    if any(network.prefixlen == 0 for network in networks):
        return None
    return disjoint(str(network) for network in networks)
