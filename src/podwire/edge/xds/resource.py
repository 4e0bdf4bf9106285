"""Resources of Envoy as rows: a name, a version, the bytes, and what must be in place first."""

from __future__ import annotations

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
        name: unique in its type; a virtual host's is that of its route configuration, a slash, and its own. The name of
            a route configuration has no slash.
        version: differs where the bytes differ, and only there; the same in every replica.
        body: the serialised message.
        requires: resources that must be in place before this one is sent: clusters of a route. One that is not in the
            snapshot is not waited for.
        warms: resources that an Envoy requests because of this one, and without which it has no effect yet: the
            endpoints of a cluster.
        follows: resources that an Envoy may not hold in an older version than the desired one when this one is sent;
            where it refuses the desired one, this one waits. They need none of this.

    """

    type_url: str
    name: str
    version: str
    body: bytes
    requires: tuple[Key, ...] = ()
    warms: tuple[Key, ...] = ()
    follows: tuple[Key, ...] = ()

    @property
    def key(self) -> Key:
        """Type and name."""
        return self.type_url, self.name


def configuration_of(virtual_host: str) -> str:
    """Return the route configuration of a virtual host."""
    return virtual_host.partition("/")[0]


def no_host_of(configuration: str) -> str:
    """Return a name that no virtual host has: its removal informs Envoy that the route configuration has no hosts."""
    return f"{configuration}/"
