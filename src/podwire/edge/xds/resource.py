"""Resources of Envoy as rows: a name, a version, the bytes, and what must be in place first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

_PREFIX = "type.googleapis.com/envoy."
CLUSTER = f"{_PREFIX}config.cluster.v3.Cluster"
ENDPOINTS = f"{_PREFIX}config.endpoint.v3.ClusterLoadAssignment"
SECRET = f"{_PREFIX}extensions.transport_sockets.tls.v3.Secret"
LISTENER = f"{_PREFIX}config.listener.v3.Listener"
ROUTES = f"{_PREFIX}config.route.v3.RouteConfiguration"
VIRTUAL_HOST = f"{_PREFIX}config.route.v3.VirtualHost"

ORDER = (CLUSTER, ENDPOINTS, SECRET, LISTENER, ROUTES, VIRTUAL_HOST)
"""Types in the order in which additions are sent: make before break (Envoy, xds_protocol.rst, "Eventual consistency
considerations")."""

USERS = {
    CLUSTER: (LISTENER, ROUTES, VIRTUAL_HOST),
    ENDPOINTS: (CLUSTER,),
    SECRET: (CLUSTER, LISTENER),
    LISTENER: (),
    ROUTES: (LISTENER,),
    VIRTUAL_HOST: (ROUTES,),
}
"""By type: the types whose resources need one of it."""

Key = tuple[str, str]
"""Type URL and name."""


class Resource(msgspec.Struct, frozen=True):
    """One resource.

    Attributes:
        type_url: its type.
        name: unique in its type; a virtual host's is that of its route configuration, a slash, and its own.
        version: differs where the bytes differ, and only there; the same in every replica.
        body: the serialised message.
        requires: resources that must be in place before this one is sent: clusters of a route. One that is not wanted
            at all is not waited for.
        warms: resources that an Envoy requests because of this one, and without which it has no effect yet: the
            endpoints of a cluster.

    """

    type_url: str
    name: str
    version: str
    body: bytes
    requires: tuple[Key, ...] = ()
    warms: tuple[Key, ...] = ()

    @property
    def key(self) -> Key:
        """Type and name."""
        return self.type_url, self.name


class Snapshot:
    """The resources that each Envoy of a group should hold."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._resources: dict[Key, Resource] = {one.key: one for one in resources}
        self._names: dict[str, set[str]] = {}
        for type_url, name in self._resources:
            self._names.setdefault(type_url, set()).add(name)

    def apply(self, upserts: Iterable[Resource], removals: Iterable[Key] = ()) -> tuple[Key, ...]:
        """Replace and remove resources; returns the keys under which something is different now."""
        changed: dict[Key, None] = {}
        for key in removals:
            if self._resources.pop(key, None) is not None:
                self._names[key[0]].discard(key[1])
                changed[key] = None
        for resource in upserts:
            before = self._resources.get(resource.key)
            self._resources[resource.key] = resource
            self._names.setdefault(resource.type_url, set()).add(resource.name)
            if before != resource:
                changed[resource.key] = None
        return tuple(changed)

    def get(self, key: Key) -> Resource | None:
        """The wanted resource; None where there should be none."""
        return self._resources.get(key)

    def names(self, type_url: str) -> frozenset[str]:
        """Names of all wanted resources of a type."""
        return frozenset(self._names.get(type_url, ()))

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def __len__(self) -> int:
        return len(self._resources)


class Request(msgspec.Struct, frozen=True):
    """A DeltaDiscoveryRequest (envoy/service/discovery/v3/discovery.proto)."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = {}
    nonce: str = ""
    error: str = ""
    """What Envoy refuses in the response with this nonce; empty for an acknowledgement."""


class Response(msgspec.Struct, frozen=True):
    """A DeltaDiscoveryResponse."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()
