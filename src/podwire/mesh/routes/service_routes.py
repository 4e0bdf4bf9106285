"""Routes on Services, from objects that changed to rows of the model: only what depends on them is derived again. Pure.

A route is attached to ports of Services; each port, and each namespace with routes of its own on it, has one virtual
host for all hosts: requests are recognised by the address that their connection is to, not by their Host. A port with
a policy and without a route has one, too, that leads all requests to the Service itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import cast

import msgspec

from podwire.edge.controller.derivation_faults import DerivationFaults
from podwire.edge.gateway import http_routes, serving, virtual_hosts
from podwire.edge.gateway.backend_tls import authorities_of
from podwire.edge.gateway.endpoints import endpoints
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.gateway.virtual_hosts import Part
from podwire.edge.model.backends import Cluster, Endpoints, ServicePort
from podwire.edge.model.routes import VirtualHost
from podwire.edge.model.tls import Authorities
from podwire.kube.hostnames import ANY
from podwire.kube.meta import NamespacedName
from podwire.mesh.routes.attachment import KINDS, ServiceAttachment, attachments
from podwire.mesh.routes.frontends import Frontend
from podwire.mesh.routes.governed import governed, policy_frontends, policy_host, with_policy
from podwire.mesh.routes.localities import Place, preferring
from podwire.mesh.routes.policies import KINDS as POLICY_KINDS
from podwire.mesh.routes.policies import Policies

Row = VirtualHost | Cluster | Authorities
Source = Owner | Frontend
"""What rows come from: the clusters of a route, the virtual host of a frontend (and its cluster, without a route)."""


class Changes(msgspec.Struct, frozen=True):
    """What came of changed owners.

    Attributes:
        rows: of each source that was derived again; none: it is gone.
        owners: routes and policies whose status may be different.

    """

    rows: dict[Source, tuple[Row, ...]]
    owners: frozenset[Owner]


class _Share(msgspec.Struct, frozen=True):
    """A route as if it were alone on its Services."""

    attachments: tuple[ServiceAttachment, ...] = ()
    translated: Translated = Translated()

    @property
    def frontends(self) -> frozenset[Frontend]:
        """Where its rules are in force; none where they are not supported."""
        if self.translated.unsupported:
            return frozenset()
        return frozenset(one for each in self.attachments for one in each.frontends)


_NONE = _Share()


class ServiceRoutes:
    """The routes of all Services. A change costs what it touches."""

    def __init__(self, objects: Objects, policies: Policies) -> None:
        self._objects = objects
        self._policies = policies
        self._shares: dict[Owner, _Share] = {}
        self._owners: defaultdict[Frontend, set[Owner]] = defaultdict(set)
        self._by_policy: dict[NamespacedName, tuple[Frontend, ...]] = {}
        """Ports of Services with a policy, whether they have routes or not."""
        self.faults = DerivationFaults()

    def frontends(self, service: NamespacedName) -> tuple[Frontend, ...]:
        """Return those of a Service that have a route in force or a policy, by port and client."""
        shares = (self._shares.get(one, _NONE) for one in self._objects.routes_on(service))
        found = {one for share in shares for one in share.frontends if one.key == service}
        return tuple(sorted({*found, *self._by_policy.get(service, ())}))

    def endpoints(self, port: ServicePort, place: Place) -> Endpoints:
        """Return the endpoints of a port of a Service for clients at a place."""
        settings = self._policies.settings(NamespacedName(port.namespace, port.service), port.port)
        return preferring(endpoints(port, self._objects), settings.prefer, place)

    def attachments(self, route: Owner) -> tuple[ServiceAttachment, ...]:
        """Return where a route is attached beside the others, in the order of its references."""
        share = self._shares.get(route, _NONE)
        if share.translated.unsupported:
            return share.attachments
        return tuple(self._beside_others(route, one) for one in share.attachments)

    def translated(self, route: Owner) -> Translated:
        """Return the rules of a route."""
        return self._shares.get(route, _NONE).translated

    def virtual_host(self, frontend: Frontend) -> VirtualHost | None:
        """Return the routes of a frontend in the order in which they are tried; None where it has none."""
        return next((one for one in self._rows_of(frontend) if isinstance(one, VirtualHost)), None)

    def _rows_of(self, frontend: Frontend) -> tuple[Row, ...]:
        owners = self._owners.get(frontend)
        if not owners and frontend in self._by_policy.get(frontend.key, ()):
            return policy_host(frontend, self._objects, self._policies) or ()
        if not owners:
            return ()
        kind = self._kind(frontend)
        parts = [self._part(one, frontend) for one in sorted(owners) if one.kind == kind]
        host = virtual_hosts.virtual_host(frontend.table, ANY, parts)
        return (with_policy(host, frontend, self._policies),)

    def update(self, owners: Iterable[Owner]) -> Changes:
        """Derive what depends on these owners again."""
        rows: dict[Source, tuple[Row, ...]] = {}
        kinds: dict[Frontend, str] = {}
        owners = frozenset(owners)
        routes = frozenset(one for one in owners if one.kind in KINDS)
        for route in sorted(routes):
            old = self._shares.get(route, _NONE)
            new = self.faults.attempt(route, [route], partial(self._share, route), old)
            for frontend in old.frontends | new.frontends:
                kinds.setdefault(frontend, self._kind(frontend))
            self._replace(route, old, new)
            rows[route] = tuple(self._backends(new))
        for frontend in kinds.keys() | self._with_policies(owners):
            made = self.faults.attempt(frontend, (), partial(self._rows_of, frontend), None)
            if made is not None:
                rows[frontend] = made
        contested = (one for one, before in kinds.items() if before != self._kind(one))
        rivals = {route for one in contested for route in self._owners.get(one, ())}
        policies = {one for one in owners if one.kind in POLICY_KINDS}
        return Changes(rows, routes | rivals | policies | self.faults.changed())

    def _with_policies(self, owners: Iterable[Owner]) -> frozenset[Frontend]:
        """Find the ports with a policy of changed Services again; return those that have one, or had."""
        found: set[Frontend] = set()
        for service in (one.key for one in owners if one.kind == "Service"):
            old = self._by_policy.pop(service, ())
            new = policy_frontends(service, self._objects, self._policies)
            if new:
                self._by_policy[service] = new
            if old or new:
                found |= {*old, *new, *self.frontends(service)}
        return frozenset(found)

    def _share(self, route: Owner) -> _Share:
        item = self._objects.routes.get(route)
        attached = attachments(item, route, self._objects) if item is not None else ()
        if item is None or not attached:
            return _NONE
        rules = serving.translated(route.kind, cast("serving.Route", item), self._objects, needs_grants=False)
        return _Share(attached, governed(rules, self._policies))

    def _replace(self, route: Owner, old: _Share, new: _Share) -> None:
        for frontend in old.frontends - new.frontends:
            self._owners[frontend].discard(route)
            if not self._owners[frontend]:
                del self._owners[frontend]
        for frontend in new.frontends:
            self._owners[frontend].add(route)
        if new == _NONE:
            self._shares.pop(route, None)
        else:
            self._shares[route] = new

    def _part(self, route: Owner, frontend: Frontend) -> Part:
        item = cast("serving.Route", self._objects.routes[route])
        routes = self._shares[route].translated.routes
        return Part(serving.age(item), tuple(http_routes.at_port(one, frontend.port) for one in routes))

    def _backends(self, share: _Share) -> Iterator[Row]:
        for cluster in share.translated.clusters if share.frontends else ():
            yield cluster
            if cluster.tls is not None and cluster.tls.authorities:
                service = NamespacedName(cluster.port.namespace, cluster.port.service)
                found = authorities_of(service, cluster.tls.authorities, self._objects)
                if found is not None:
                    yield found

    def _kind(self, frontend: Frontend) -> str:
        """Return the kind whose routes are in force; empty where there are none."""
        kinds = {one.kind for one in self._owners.get(frontend, ())}
        return next((one for one in KINDS if one in kinds), "")

    def _beside_others(self, route: Owner, attachment: ServiceAttachment) -> ServiceAttachment:
        kept = tuple(one for one in attachment.frontends if self._kind(one) == route.kind)
        if kept or not attachment.frontends:
            return msgspec.structs.replace(attachment, frontends=kept)
        rival = self._kind(attachment.frontends[0])
        ports = ", ".join(str(one.port) for one in attachment.frontends)
        message = f"Service {attachment.service} has a {rival} on port {ports}: use one kind of route on a port"
        return msgspec.structs.replace(attachment, frontends=(), reason="Conflicted", message=message)
