"""From owners whose objects changed to the resources of each proxy: only what depends on them is derived again.

A Gateway has listeners; a route has a share in the hosts that it is attached to; a port, a host, a route in a Gateway
and a port of a Service each have rows in the table of the Gateway's proxy; rows that differ are the resources to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import cast

import msgspec

from podwire.edge.controller.contests import Contests
from podwire.edge.controller.derivation_faults import DerivationFaults
from podwire.edge.controller.gateway_part import GatewayPart, for_routes, gateway_part
from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.route_shares import NONE, RouteShares, Share, parents_of, share
from podwire.edge.controller.row_table import Difference, RowTable, Source
from podwire.edge.envoy import rows
from podwire.edge.envoy.rows import Row
from podwire.edge.gateway import port_listeners, serving
from podwire.edge.gateway.attached_listeners import Host, ListenerState
from podwire.edge.gateway.attachment import Attachment, attachments
from podwire.edge.gateway.backend_identity import with_identity
from podwire.edge.gateway.backend_tls import authorities_of
from podwire.edge.gateway.endpoints import endpoints
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.objects import ROUTES, Objects
from podwire.edge.gateway.owners import AnyRoute, Owner, owner
from podwire.edge.model.listeners import GatewayPort, Listener, ProxyOptions
from podwire.edge.model.routes import StreamRoute
from podwire.edge.xds.resource import Key, Resource
from podwire.kube.hostnames import ANY, wildcards
from podwire.kube.meta import NamespacedName


class Changes(msgspec.Struct, frozen=True):
    """What came of changed owners.

    Attributes:
        proxies: what is different, by proxy.
        owners: objects whose status may be different.

    """

    proxies: dict[str, Difference]
    owners: frozenset[Owner]


Port = tuple[NamespacedName, int]
"""A Gateway and a number, which is a port for TCP, UDP and QUIC."""


class _Dirty:
    """What is to be derived again, in the order in which it is."""

    def __init__(self, owners: Iterable[Owner]) -> None:
        self.owners = set(owners)
        self.gateways = {one.key for one in self.owners if one.kind == "Gateway"}
        self.routes = {one for one in self.owners if one.kind in ROUTES}
        self.services = {one.key for one in self.owners if one.kind == "Service"}
        self.hosts: set[Host] = set()
        self.ports: set[Port] = set()


class Translation:
    """All rows of the model, by the objects that they come from. `ports` allocates nothing: it is read."""

    def __init__(self, objects: Objects, ports: Callable[[str], ProxyPorts]) -> None:
        self._objects = objects
        self._ports = ports
        self._gateways: dict[NamespacedName, GatewayPart] = {}
        self._contests = Contests()
        self._routes = RouteShares()
        self._tables: dict[str, RowTable] = {}
        self.faults = DerivationFaults()
        self._sources: dict[NamespacedName, set[Source]] = {}
        """What has rows because of a Gateway."""
        self._left: dict[NamespacedName, dict[str, ProxyOptions]] = {}
        """Proxies that a Gateway has left and that serve it still, with their options then."""

    def states(self, gateway: NamespacedName) -> tuple[ListenerState, ...]:
        """Return the listeners of a Gateway; none where it is not this controller's."""
        found = self._gateways.get(gateway)
        return found.states if found is not None else ()

    def attachments(self, route: Owner) -> tuple[Attachment, ...]:
        """Return where a route is attached."""
        return self._routes.of(route).attachments

    def translated(self, route: Owner) -> Translated:
        """Return the rules of a route."""
        return self._routes.of(route).translated

    def attached_routes(self, state: ListenerState) -> int:
        """Return how many routes are attached to a listener."""
        return self._routes.count(state)

    def keys_of(self, state: ListenerState) -> tuple[Key, ...]:
        """Return the resources without which a listener is not served: its own, its table and secrets."""
        gateway = self._gateways.get(state.gateway)
        if gateway is None:
            return ()
        found = self.table(gateway.proxy).rows_of((state.gateway, state.port))
        listeners = [one for one in found if isinstance(one, Listener) and _is_of(one, state)]
        names = {*state.tls.certificates, state.tls.authorities} if state.tls else set()
        needed = (*listeners, *(one for one in gateway.secrets if one.name in names))
        return tuple(key for one in needed for key in rows.keys(one))

    def resources(self, proxy: str) -> tuple[Resource, ...]:
        """Return all resources of a proxy."""
        return self.table(proxy).resources()

    def keys(self, gateway: NamespacedName, proxy: str) -> tuple[Key, ...]:
        """Return all resources that a proxy has because of a Gateway."""
        table = self.table(proxy)
        return tuple(
            key for source in self._sources.get(gateway, ()) for one in table.rows_of(source) for key in rows.keys(one)
        )

    def left(self, gateway: NamespacedName) -> frozenset[str]:
        """Return the proxies that a Gateway has left, and that serve it still."""
        return frozenset(self._left.get(gateway, ()))

    def retire(self, gateway: NamespacedName, proxy: str) -> None:
        """Remove the rows of a Gateway from a proxy that it has left; the next `rows_of` returns what is different."""
        left = self._left.get(gateway, {})
        if left.pop(proxy, None) is not None:
            self._clear(gateway, proxy)
        if not left:
            self._left.pop(gateway, None)

    def remove(self, proxy: str) -> None:
        """Remove a proxy without rows."""
        if proxy in self._tables and not self._tables[proxy].resources():
            del self._tables[proxy]

    def table(self, proxy: str) -> RowTable:
        """Return the rows of a proxy, with what they come from."""
        return self._tables.setdefault(proxy, RowTable(lambda port: endpoints(port, self._objects), self.faults))

    def rows_of(self, owners: Iterable[Owner]) -> Changes:
        """Derive these owners again; return what is different."""
        dirty = _Dirty(owners)
        for one in dirty.owners:
            if one.kind == "ListenerSet":  # which has no part of its own
                dirty.routes.update(self._routes_with(one))
        for key in sorted(dirty.gateways):
            self._derive_gateway(key, dirty)
        self._attach(dirty)
        for route in sorted(dirty.routes):
            self._derive_route(route, dirty)
        for host in self._with_narrower(dirty.hosts):
            self._derive_host(host, dirty)
        for port in dirty.ports:
            self._derive_port(port)
        differences = {}
        for proxy, table in self._tables.items():
            for service in dirty.services:
                table.endpoints_changed(service)
            found = table.difference()
            if found.upserts or found.removals:
                differences[proxy] = found
        return Changes(differences, frozenset(dirty.owners) | self.faults.changed())

    def _derive_gateway(self, key: NamespacedName, dirty: _Dirty) -> None:
        old = self._gateways.pop(key, None)
        new = self.faults.attempt(key, [owner("Gateway", key)], lambda: gateway_part(key, self._objects, old), old)
        if new is None and old is not None:
            for proxy in (old.proxy, *self._left.pop(key, ())):
                self._clear(key, proxy)
            self._sources.pop(key, None)
        if new is not None:
            self._gateways[key] = new
            self._move(key, old, new)
            for proxy, options in self._places(key):
                collector = (options.tracing.collector,) if options.tracing else ()
                self._write(key, owner("Gateway", key), {proxy: (*new.secrets, *collector)})
        for one in filter(None, (old, new)):
            dirty.ports |= {(key, port.port) for port in one.ports}
            dirty.hosts |= one.bases.keys()
        if for_routes(old) != for_routes(new):
            routes = frozenset(self._routes_of(key))
            dirty.routes |= routes
            dirty.hosts |= {host for route in routes for host in self._routes.of(route).hosts}

    def _move(self, key: NamespacedName, old: GatewayPart | None, new: GatewayPart) -> None:
        """Keep the proxy that a Gateway leaves, until `retire`."""
        if old is not None and old.proxy != new.proxy:
            self._left.setdefault(key, {})[old.proxy] = old.options
        if new.proxy in self.left(key):
            del self._left[key][new.proxy]

    def _places(self, gateway: NamespacedName) -> tuple[tuple[str, ProxyOptions], ...]:
        """Return the proxies that serve a Gateway, with their options."""
        found = self._gateways.get(gateway)
        return ((found.proxy, found.options), *self._left.get(gateway, {}).items()) if found is not None else ()

    def _clear(self, gateway: NamespacedName, proxy: str) -> None:
        for source in self._sources.get(gateway, ()):
            self.table(proxy).replace(source, ())

    def _routes_of(self, gateway: NamespacedName) -> Iterator[Owner]:
        yield from self._routes_with(owner("Gateway", gateway))
        for one in self._objects.listener_sets_of(gateway):
            yield from self._routes_with(owner("ListenerSet", one.key))

    def _routes_with(self, parent: Owner) -> Iterator[Owner]:
        return (route for route, _ in self._objects.routes_of(parent.kind, parent.key))

    def _attach(self, dirty: _Dirty) -> None:
        """Find where the routes are attached; others of the Gateways may be attached or not by that."""
        for route in dirty.routes:
            item = self._objects.routes.get(route)
            created = item.metadata.creation_timestamp if item is not None else ""
            found = self.faults.attempt(
                ("attachments", route), [route], partial(self._alone, route, item), self._contests.alone(route)
            )
            self._contests.replace(route, created or "", found)
        dirty.routes |= self._contests.settle()

    def _alone(self, route: Owner, item: AnyRoute | None) -> tuple[Attachment, ...]:
        if item is None:
            return ()
        hostnames = cast("serving.Route", item).spec.hostnames
        return attachments(item, route, hostnames, self._objects, self.states)

    def _derive_route(self, route: Owner, dirty: _Dirty) -> None:
        old = self._routes.of(route)
        new = self.faults.attempt(route, [route], lambda: self._share(route), old)
        dirty.hosts |= self._routes.replace(route, new)
        for gateway in old.gateways | new.gateways:
            translated = new.translated if gateway in new.gateways else Translated()
            self._derive_rows(gateway, (route, gateway), [route], partial(self._backends, gateway, translated))
        if old != new:
            dirty.owners |= {route, *(owner("Gateway", one) for one in parents_of((old, new)))}

    def _share(self, route: Owner) -> Share:
        item, attached = self._objects.routes.get(route), self._contests.attachments(route)
        if item is None or not attached:
            return NONE
        rules = serving.translated(route.kind, cast("serving.Route", item), self._objects)
        return share(item.metadata.creation_timestamp or "", attached, rules)

    def _backends(self, gateway: NamespacedName, translated: Translated) -> Iterator[Row]:
        for cluster in with_identity(translated, self._identity(gateway)).clusters:
            yield cluster
            if cluster.tls is not None and cluster.tls.authorities:
                service = NamespacedName(cluster.port.namespace, cluster.port.service)
                found = authorities_of(service, cluster.tls.authorities, self._objects)
                if found is not None:
                    yield found

    def _derive_host(self, host: Host, dirty: _Dirty) -> None:
        gateway = self._gateways.get(host.gateway)
        if gateway is None:
            return
        states = [one for one in gateway.ports.get(host.port, ()) if one.host(host.domain) == host]
        if any(not one.table for one in states):
            dirty.ports.add((host.gateway, host.port.port))
            self._write(host.gateway, host, {proxy: () for proxy, _ in self._places(host.gateway)})
        else:
            routes = self._routes.owners(host)
            owners = routes or {owner("Gateway", host.gateway)}
            self._derive_rows(host.gateway, host, owners, lambda: self._virtual_hosts(host, gateway, states))

    def _virtual_hosts(self, host: Host, gateway: GatewayPart, states: Sequence[ListenerState]) -> Iterator[Row]:
        """Yield the virtual host of a host that a listener has by itself or that some route is attached to."""
        routes = self._routes.owners(host)
        if host in gateway.bases or routes:
            misdirected = gateway.bases.get(host, False)
            shares = self._shares(host.gateway, routes if misdirected else self._tried_for(host, states))
            yield serving.virtual_host(host, shares, misdirected=misdirected)

    def _derive_port(self, port: Port) -> None:
        gateway = self._gateways.get(port[0])
        if gateway is None:
            return
        for proxy, options in self._places(port[0]):
            listeners = partial(self._listeners, port[1], gateway, proxy, options)
            before = self.table(proxy).rows_of(port)
            made = self.faults.attempt((port, proxy), [owner("Gateway", port[0])], listeners, before)
            self._write(port[0], port, {proxy: made})

    def _listeners(self, port: int, gateway: GatewayPart, proxy: str, options: ProxyOptions) -> tuple[Row, ...]:
        states = [one for known, found in gateway.ports.items() if known.port == port for one in found]
        places = {one.gateway_port for one in states if not one.table}
        hosts = (host for place in places for host in self._routes.hosts(place))
        streams = {host: found for host in hosts if (found := self._stream(host)) is not None}
        return tuple(port_listeners.listener_rows(states, self._ports(proxy).of, options, streams))

    def _tried_for(self, host: Host, states: Iterable[ListenerState]) -> frozenset[Owner]:
        return serving.owners_of(host, states, self._routes.owners, lambda one: self._routes.of(one).translated)

    def _with_narrower(self, hosts: Iterable[Host]) -> frozenset[Host]:
        """Add the hosts for which the routes of wildcards are tried too."""
        found = set(hosts)
        wide: dict[tuple[GatewayPort, str], set[str]] = {}
        for one in found:
            if one.domain.startswith(ANY):
                wide.setdefault((one.port, one.listener), set()).add(one.domain)
        for port in {port for port, _ in wide}:
            for one in self._routes.hosts(port):
                if not wide.get((port, one.listener), frozenset()).isdisjoint(wildcards(one.domain)):
                    found.add(one)
        return frozenset(found)

    def _stream(self, host: Host) -> StreamRoute | None:
        return serving.stream(self._shares(host.gateway, self._routes.owners(host)))

    def _shares(self, gateway: NamespacedName, routes: Iterable[Owner]) -> Iterator[tuple[serving.Route, Translated]]:
        identity = self._identity(gateway)
        for route in routes:
            yield (
                cast("serving.Route", self._objects.routes[route]),
                with_identity(self._routes.of(route).translated, identity),
            )

    def _identity(self, gateway: NamespacedName) -> str:
        found = self._gateways.get(gateway)
        return found.identity if found is not None else ""

    def _derive_rows(
        self, gateway: NamespacedName, source: Source, owners: Iterable[Owner], derive: Callable[[], Iterable[Row]]
    ) -> None:
        """Derive the rows of a source; they stay what they are where that raises."""
        proxies = [proxy for proxy, _ in self._places(gateway)]
        before = next(filter(None, (self.table(one).rows_of(source) for one in proxies)), ())
        made = self.faults.attempt(source, owners, lambda: tuple(derive()), before) if proxies else ()
        self._write(gateway, source, dict.fromkeys(proxies, made))

    def _write(self, gateway: NamespacedName, source: Source, made: Mapping[str, tuple[Row, ...]]) -> None:
        """Make these the rows of a source in each of these proxies of a Gateway."""
        for proxy, found in made.items():
            self.table(proxy).replace(source, found)
        sources = self._sources.setdefault(gateway, set())
        sources.add(source)
        if not any(self.table(proxy).rows_of(source) for proxy, _ in self._places(gateway)):
            sources.discard(source)


def _is_of(row: Listener, state: ListenerState) -> bool:
    """Whether a listener of Envoy, on a port with the state's number, serves it."""
    return row.port.protocol == state.transport or (row.is_quic and state.protocol == "HTTPS")
