"""TLSRoute, TCPRoute and UDPRoute. Source: gateway-api v1.6.3 `apis/v1/{tls,tcp,udp}route_types.go`."""

from __future__ import annotations

from podwire.edge.gateway.kinds.http_route import RouteStatus
from podwire.edge.gateway.kinds.references import BackendObjectReference, ParentReference
from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct


class BackendRef(BackendObjectReference, frozen=True):
    """A backend with its weight."""

    weight: int = 1


class StreamRouteRule(Struct, frozen=True):
    """Where connections or datagrams go, by weight."""

    name: str | None = None
    backend_refs: tuple[BackendRef, ...] = ()


class StreamRouteSpec(Struct, frozen=True):
    """The desired state; only a TLSRoute has hostnames."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[StreamRouteRule, ...] = ()
    use_default_gateways: str | None = None


class StreamRoute(Object, frozen=True):
    """A route of connections or datagrams; the kind is that of its `Kind`."""

    spec: StreamRouteSpec = StreamRouteSpec()
    status: RouteStatus = RouteStatus()

    @property
    def backends(self) -> tuple[BackendObjectReference, ...]:
        """All backends of its rules, as written."""
        return tuple(one for rule in self.spec.rules for one in rule.backend_refs)


TLS_ROUTES = Kind(f"{GROUP}/v1", "TLSRoute", "tlsroutes", StreamRoute)
TCP_ROUTES = Kind(f"{GROUP}/v1", "TCPRoute", "tcproutes", StreamRoute)
UDP_ROUTES = Kind(f"{GROUP}/v1", "UDPRoute", "udproutes", StreamRoute)
