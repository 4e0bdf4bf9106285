"""The listener for connections to Services with routes: requests of HTTP, of which each gets an endpoint by a table.

A connection is recognised by the address and port that its client has connected to, and by the client's own address
where its namespace has routes of its own. What no chain takes is closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from envoy.config.core.v3 import protocol_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from podwire.edge.envoy import http_connection, tracing
from podwire.edge.envoy.access_log import FIELDS
from podwire.edge.envoy.message import packed, resource
from podwire.edge.model.listeners import GatewayPort, Listener, LogFormat, ProxyOptions
from podwire.edge.model.tracing import Tracing
from podwire.edge.xds.resource import CLUSTER, LISTENER, ROUTES, Resource
from podwire.kube.addresses import IPAddress
from podwire.mesh.envoy import access_log, filter_state, further_tries, golden_metrics, matching
from podwire.mesh.envoy.connection_chain import chain, connection_proxy, refusal
from podwire.mesh.envoy.listener import listener
from podwire.mesh.routes.frontends import Frontend
from podwire.redirection.capture import ROUTED_PORT

ROUTED = "mesh-routed"
OPTIONS = ProxyOptions(access_log=LogFormat.JSON, allows_underscores=True)
_MANAGER = http_connection_manager_pb2.HttpConnectionManager


class RoutedService(msgspec.Struct, frozen=True):
    """A port of a Service with routes.

    Attributes:
        addresses: of the Service, at most one of each IP version.
        frontends: its tables; one without client is that of all clients that have no own.
        cluster: where connections of other clients go as they are; empty where all have a table.

    """

    addresses: tuple[IPAddress, ...]
    frontends: tuple[Frontend, ...]
    cluster: str = ""

    @property
    def port(self) -> int:
        """The port."""
        return self.frontends[0].port


class Chains:
    """The filter chains of Services as they were made last: most of the listener, and most of them do not change."""

    def __init__(self) -> None:
        self._made: dict[tuple[RoutedService, Tracing | None], tuple[Any, ...]] = {}

    def of(self, services: Iterable[RoutedService], spans: Tracing | None) -> Iterator[Any]:
        """Yield the chains of these Services, and drop those of all others."""
        known, self._made = self._made, {}
        for service in services:
            key = service, spans
            self._made[key] = known.get(key) or tuple(_all_chains(service, spans))
            yield from self._made[key]


def resources(
    services: Sequence[RoutedService],
    clients: Mapping[str, Sequence[IPAddress]],
    versions: Sequence[int],
    chains: Chains | None = None,
    spans: Tracing | None = None,
) -> Iterator[Resource]:
    """Yield the listener and its tables, still without hosts; `clients`: addresses of the node's pods by namespace.

    `chains` are those of the last call; `spans`: where those of requests go.
    """
    made = listener(ROUTED, ROUTED_PORT, versions)
    made.filter_chain_matcher.CopyFrom(matching.by_destination(_choices(services, clients)))
    made.filter_chains.append(refusal())
    tables: list[Frontend] = []
    clusters: set[str] = set()
    made.filter_chains.extend((chains or Chains()).of(services, spans))
    for service in services:
        clusters |= {service.cluster} - {""}
        tables += service.frontends
    warms = tuple((ROUTES, one.table) for one in tables)
    if spans is not None:
        clusters.add(spans.collector.name)
        yield tracing.collector(spans.collector)
    requires = tuple((CLUSTER, one) for one in sorted(clusters))
    yield resource(LISTENER, ROUTED, made, requires=requires, warms=warms)
    yield from (http_connection.table(one.table, _row(one)) for one in tables)


def _choices(services: Iterable[RoutedService], clients: Mapping[str, Sequence[IPAddress]]) -> dict[str, Any]:
    by_address: dict[IPAddress, dict[str, Any]] = defaultdict(dict)
    for service in services:
        for address in service.addresses:
            by_address[address][str(service.port)] = _by_client(service, clients, address.version)
    return {str(one): matching.nested(matching.by_port(ports)) for one, ports in by_address.items()}


def _by_client(service: RoutedService, clients: Mapping[str, Sequence[IPAddress]], version: int) -> Any:
    """Return the choice of a table by the client's namespace."""
    names = {one.client: _name(one, version) for one in service.frontends}
    others = names.pop("", _passed(service, version))
    own = {
        str(address): matching.chain(name)
        for namespace, name in names.items()
        for address in clients.get(namespace, ())
        if address.version == version
    }
    return matching.nested(matching.by_source(own, matching.chain(others))) if own else matching.chain(others)


def _all_chains(service: RoutedService, spans: Tracing | None) -> Iterator[Any]:
    for version in sorted({one.version for one in service.addresses}):
        yield from _chains(service, version, spans)


def _chains(service: RoutedService, version: int, spans: Tracing | None) -> Iterator[Any]:
    client = f"[{filter_state.CLIENT_HOST}]:0" if version == 6 else f"{filter_state.CLIENT_HOST}:0"
    states = filter_state.on_connection({filter_state.REMOTE_ADDRESS: client})
    for one in service.frontends:
        yield chain(_name(one, version), states, _manager(one, spans))
    if service.cluster:
        yield chain(_passed(service, version), states, connection_proxy(service.cluster))


def _name(frontend: Frontend, version: int) -> str:
    return f"{frontend.table} IPv{version}"


def _passed(service: RoutedService, version: int) -> str:
    return f"{service.cluster} IPv{version}"


def _manager(frontend: Frontend, spans: Tracing | None) -> Any:
    """Return the filter that reads requests, with the edge's features and what differs inside a cluster.

    Clients are pods: their headers are passed on as they are, X-Forwarded-For too.
    """
    made = http_connection.http_filter(frontend.table, _row(frontend, spans), None)
    manager = _MANAGER.FromString(made.typed_config.value)
    manager.stat_prefix = "mesh"
    where = {"direction": "outbound", "service": str(frontend.key), "port": str(frontend.port)}
    logs = (access_log.access_log({**FIELDS, **where}), golden_metrics.of_routed_requests(where["service"]))
    del manager.access_log[:]
    manager.access_log.extend(logs)
    manager.http_filters.insert(0, further_tries.listener_filter())
    manager.skip_xff_append = True
    manager.common_http_protocol_options.headers_with_underscores_action = protocol_pb2.HttpProtocolOptions.ALLOW
    manager.forward_client_cert_details = _MANAGER.SANITIZE
    manager.stream_idle_timeout.SetInParent()  # 0: streams of gRPC may be silent
    made.typed_config.CopyFrom(packed(manager))
    return made


def _row(frontend: Frontend, spans: Tracing | None = None) -> Listener:
    """Return what the edge's functions read: names of logs and metrics, and options."""
    port = GatewayPort(frontend.namespace, frontend.service, frontend.port)
    return Listener(port, ROUTED_PORT, (), options=msgspec.structs.replace(OPTIONS, tracing=spans))
