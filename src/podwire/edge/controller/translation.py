"""From owners whose objects changed to the resources of each proxy: only what depends on them is derived again.

Gateways have listeners, routes are attached to listeners' domains, and each domain of a route table is a virtual host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import msgspec

from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.envoy import rows
from podwire.edge.gateway import grpc_routes, http_routes, virtual_hosts
from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.attachment import Attachment, attachments
from podwire.edge.gateway.backend_tls import authorities_of
from podwire.edge.gateway.certificates import certificate
from podwire.edge.gateway.domains import base_domains
from podwire.edge.gateway.endpoints import endpoints
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.grpc_route import GRPCRoute
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.kinds.references import SecretObjectReference
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.backends import Cluster, Endpoints
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener
from podwire.edge.model.routes import VirtualHost
from podwire.edge.model.tls import Authorities, Certificate
from podwire.edge.xds.resource import Key, Resource
from podwire.kube.meta import NamespacedName

REQUEST_ROUTES = frozenset(("HTTPRoute", "GRPCRoute"))
"""Kinds of routes whose rules are for requests."""

Host = tuple[str, str]
"""Route table and domain."""
Row = Listener | VirtualHost | Cluster | Endpoints | Certificate | Authorities


class Difference(msgspec.Struct, frozen=True):
    """What is different in one proxy."""

    upserts: tuple[Resource, ...]
    removals: tuple[Key, ...]


class _Gateway(msgspec.Struct):
    proxy: str
    states: tuple[ListenerState, ...] = ()
    listeners: tuple[Listener, ...] = ()
    certificates: tuple[Certificate, ...] = ()


class Translation:
    """All rows of the model, by the objects that they come from. `ports` allocates nothing: it is read."""

    def __init__(self, objects: Objects, ports: Callable[[str], ProxyPorts]) -> None:
        self._objects = objects
        self._ports = ports
        self._gateways: dict[NamespacedName, _Gateway] = {}
        self._attached: dict[Owner, tuple[Attachment, ...]] = {}
        self._translated: dict[Owner, Translated] = {}
        self._of_host: dict[Host, set[Owner]] = defaultdict(set)
        self._bases: dict[Host, tuple[NamespacedName, bool]] = {}
        self._rows: dict[str, dict[Key, tuple[Row, tuple[Resource, ...]]]] = defaultdict(dict)

    def states(self, gateway: NamespacedName) -> tuple[ListenerState, ...]:
        """Return the listeners of a Gateway; none where it is not this controller's."""
        found = self._gateways.get(gateway)
        return found.states if found is not None else ()

    def attachments(self, route: Owner) -> tuple[Attachment, ...]:
        """Return where a route is attached."""
        return self._attached.get(route, ())

    def translated(self, route: Owner) -> Translated:
        """Return the rules of a route."""
        return self._translated.get(route, Translated())

    def attached_routes(self, state: ListenerState) -> int:
        """Return how many routes are attached to a listener."""
        owners = (one for one, _ in self._objects.routes_of(state.parent.kind, state.parent.key))
        return sum(
            any(
                (there.state.parent, there.state.name) == (state.parent, state.name)
                for one in self._attached.get(owner, ())
                for there in one.listeners
            )
            for owner in owners
            if not self.translated(owner).unsupported
        )

    def keys_of(self, state: ListenerState) -> tuple[Key, ...]:
        """Return the resources without which a listener is not served: its own, its table, its hosts and secrets."""
        gateway = self._gateways.get(state.gateway)
        if gateway is None:
            return ()
        found: list[Key] = []
        for listener in gateway.listeners:
            if listener.port == state.gateway_port:
                found += rows.keys(listener)
        names = set(state.tls.certificates) if state.tls else set()
        for one in gateway.certificates:
            found += rows.keys(one) if one.name in names else ()
        return tuple(found)

    def rows_of(self, owners: Iterable[Owner]) -> dict[str, Difference]:
        """Derive these owners again; return what is different by proxy."""
        gateways = {one.key for one in owners if one.kind == "Gateway"}
        routes = {one for one in owners if one.kind in REQUEST_ROUTES}
        proxies: set[str] = set()
        hosts: set[Host] = set()
        for key in sorted(gateways):
            hosts |= self._derive_gateway(key, proxies)
            routes |= {owner for owner, _ in self._objects.routes_of("Gateway", key) if owner.kind in REQUEST_ROUTES}
        for owner in sorted(routes):
            hosts |= self._derive_route(owner)
        changed = {one.key for one in owners if one.kind == "Service"}
        return self._write(hosts, changed, proxies)

    def resources(self, proxy: str) -> tuple[Resource, ...]:
        """Return all resources of a proxy."""
        return tuple(one for _, found in self._rows[proxy].values() for one in found)

    def _derive_gateway(self, key: NamespacedName, proxies: set[str]) -> set[Host]:
        old, gateway = self._gateways.pop(key, None), self._objects.gateways.get(key)
        hosts = {host for host, (owner, _) in self._bases.items() if owner == key}
        for host in hosts:
            del self._bases[host]
        if old is not None:
            proxies.add(old.proxy)
        if gateway is None or not self._objects.is_ours(gateway):
            return hosts
        proxy = gateway.spec.gateway_class_name
        states = listener_states(gateway, self._objects)
        found = self._gateways[key] = _Gateway(proxy, states)
        proxies.add(proxy)
        usable = [one for one in states if one.is_usable and one.protocol in {"HTTP", "HTTPS"}]
        for state in usable:
            port = [one for one in usable if one.gateway_port == state.gateway_port]
            for domain, misdirected in base_domains(state, port).items():
                self._bases[state.table, domain] = (key, misdirected)
                hosts.add((state.table, domain))
        found.listeners = tuple(self._listeners(proxy, usable))
        found.certificates = tuple(self._certificates(states))
        return hosts

    def _listeners(self, proxy: str, usable: list[ListenerState]) -> Iterable[Listener]:
        ports: dict[GatewayPort, list[ListenerState]] = defaultdict(list)
        for state in usable:
            ports[state.gateway_port].append(state)
        for port, states in ports.items():
            number = self._ports(proxy).of(port)
            if number is None:
                continue
            chains = {_chain(one).name: _chain(one) for one in states}
            inspects = states[0].protocol == "HTTPS"
            yield Listener(port, number, tuple(chains.values()), inspects_tls=inspects)

    def _certificates(self, states: Iterable[ListenerState]) -> Iterable[Certificate]:
        found: dict[str, Certificate] = {}
        for state in states:
            if state.tls is None:
                continue
            referrer = Referrer(state.parent.kind, state.parent.namespace)
            for one in self._references(state):
                value = certificate(one, referrer, self._objects)
                if isinstance(value, Certificate):
                    found[value.name] = value
        return found.values()

    def _references(self, state: ListenerState) -> Iterable[SecretObjectReference]:
        key = state.parent.key
        parent = (
            self._objects.gateways.get(key) if state.parent.kind == "Gateway" else self._objects.listener_sets.get(key)
        )
        for listener in parent.spec.listeners if parent is not None else ():
            if listener.name == state.name and listener.tls is not None:
                yield from listener.tls.certificate_refs

    def _derive_route(self, owner: Owner) -> set[Host]:
        hosts = {
            (there.state.table, one)
            for found in self._attached.pop(owner, ())
            for there in found.listeners
            for one in there.domains
        }
        for host in hosts:
            self._of_host[host].discard(owner)
            if not self._of_host[host]:  # an empty host would hide a wildcard host of the same table
                del self._of_host[host]
        self._translated.pop(owner, None)
        route = self._objects.routes.get(owner)
        if not isinstance(route, HTTPRoute | GRPCRoute):
            return hosts
        found = attachments(route, owner, route.spec.hostnames, self._objects, self.states)
        if not found:
            return hosts
        self._attached[owner] = found
        self._translated[owner] = self._rules(route)
        for attachment in found:
            for there in attachment.listeners:
                if there.state.is_usable:
                    for domain in there.domains:
                        self._of_host[there.state.table, domain].add(owner)
                        hosts.add((there.state.table, domain))
        return hosts

    def _rules(self, route: HTTPRoute | GRPCRoute) -> Translated:
        if isinstance(route, GRPCRoute):
            return grpc_routes.translated(route, self._objects)
        return http_routes.translated(route, self._objects)

    def _write(self, hosts: set[Host], services: set[NamespacedName], proxies: set[str]) -> dict[str, Difference]:
        """Bring the rows of the proxies up to date."""
        proxies = proxies | {found for host in hosts if (found := self._proxy_of(host))}
        changes: dict[str, Difference] = {}
        for proxy, known in self._rows.items():
            used = {row.port.service for row, _ in known.values() if isinstance(row, Endpoints)}
            if services and any(key.name in used for key in services):
                proxies.add(proxy)
        for proxy in sorted(proxies):
            wanted = self._wanted(proxy)
            difference = self._replace(proxy, wanted)
            if difference.upserts or difference.removals:
                changes[proxy] = difference
        return changes

    def _wanted(self, proxy: str) -> dict[Key, Row]:
        wanted: dict[Key, Row] = {}

        def add(row: Row) -> None:
            wanted[rows.keys(row)[0]] = row

        gateways = {key for key, one in self._gateways.items() if one.proxy == proxy}
        for key in gateways:
            for listener in self._gateways[key].listeners:
                add(listener)
            for one in self._gateways[key].certificates:
                add(one)
        owners: set[Owner] = set()
        for host in {*self._bases, *self._of_host}:
            if self._gateway_of(host) in gateways:
                add(self._virtual_host(host))
                owners |= self._of_host.get(host, set())
        for owner in owners:
            for cluster in self._translated[owner].clusters:
                add(cluster)
                if (authorities := self._authorities(cluster)) is not None:
                    add(authorities)
        for port in {row.port for row in wanted.values() if isinstance(row, Cluster)}:
            add(endpoints(port, self._objects))
        return wanted

    def _authorities(self, cluster: Cluster) -> Authorities | None:
        if cluster.tls is None or not cluster.tls.authorities:
            return None
        service = NamespacedName(cluster.port.namespace, cluster.port.service)
        return authorities_of(service, cluster.tls.authorities, self._objects)

    def _virtual_host(self, host: Host) -> VirtualHost:
        shares, port = [], int(host[0].split(":")[2])
        for owner in self._of_host.get(host, ()):
            created = self._objects.routes[owner].metadata.creation_timestamp or ""
            routes = tuple(http_routes.at_port(one, port) for one in self._translated[owner].routes)
            shares.append(((created, owner.namespace, owner.name), routes))
        misdirected = self._bases[host][1] if host in self._bases else False
        return virtual_hosts.virtual_host(*host, shares, misdirected=misdirected)

    def _replace(self, proxy: str, wanted: dict[Key, Row]) -> Difference:
        known = self._rows[proxy]
        upserts: list[Resource] = []
        removals: list[Key] = []
        for key in known.keys() - wanted.keys():
            removals += [one.key for one in known.pop(key)[1]]
        for key, row in wanted.items():
            before = known.get(key)
            if before is not None and before[0] == row:
                continue
            made = rows.resources(row)
            known[key] = (row, made)
            upserts += made
            if before is not None:
                removals += [one.key for one in before[1] if one.key not in {new.key for new in made}]
        return Difference(tuple(upserts), tuple(removals))

    def _gateway_of(self, host: Host) -> NamespacedName:
        namespace, name = host[0].split(":")[:2]
        return NamespacedName(namespace, name)

    def _proxy_of(self, host: Host) -> str:
        found = self._gateways.get(self._gateway_of(host))
        return found.proxy if found is not None else ""


def ports_of(states: Iterable[ListenerState]) -> frozenset[GatewayPort]:
    """Return the ports that a Gateway's Service has: those of its usable listeners."""
    return frozenset(one.gateway_port for one in states if one.is_usable)


def _chain(state: ListenerState) -> FilterChain:
    if state.protocol == "HTTP":
        return FilterChain(f"http-{state.port}", HttpChain(state.table))
    names = () if state.hostname == "*" else (state.hostname,)
    return FilterChain(state.chain, HttpChain(state.table), names, state.tls)
