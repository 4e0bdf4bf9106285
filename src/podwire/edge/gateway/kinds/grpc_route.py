"""GRPCRoute. Source: gateway-api v1.6.3 `apis/v1/grpcroute_types.go`."""

from __future__ import annotations

from podwire.edge.gateway.kinds.http_route import (
    HTTPBackendRef,
    HTTPRouteFilter,
    HTTPValueMatch,
    RouteStatus,
    SessionPersistence,
)
from podwire.edge.gateway.kinds.references import BackendObjectReference, ParentReference
from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct


class GRPCMethodMatch(Struct, frozen=True):
    """A service, a method, or both."""

    type: str = "Exact"
    service: str | None = None
    method: str | None = None


class GRPCRouteMatch(Struct, frozen=True):
    """All of these must hold."""

    method: GRPCMethodMatch | None = None
    headers: tuple[HTTPValueMatch, ...] = ()


class GRPCRouteRule(Struct, frozen=True):
    """What is done with requests that one of the matches fits. No matches: all requests."""

    name: str | None = None
    matches: tuple[GRPCRouteMatch, ...] = ()
    filters: tuple[HTTPRouteFilter, ...] = ()
    backend_refs: tuple[HTTPBackendRef, ...] = ()
    session_persistence: SessionPersistence | None = None


class GRPCRouteSpec(Struct, frozen=True):
    """The desired state."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[GRPCRouteRule, ...] = (GRPCRouteRule(),)
    use_default_gateways: str | None = None


class GRPCRoute(Object, frozen=True):
    """Rules for gRPC requests of some hostnames."""

    spec: GRPCRouteSpec = GRPCRouteSpec()
    status: RouteStatus = RouteStatus()

    @property
    def backends(self) -> tuple[BackendObjectReference, ...]:
        """All backends of its rules and mirrors, as written."""
        found: list[BackendObjectReference] = []
        for rule in self.spec.rules:
            found.extend(rule.backend_refs)
            filters = (*rule.filters, *(one for share in rule.backend_refs for one in share.filters))
            found.extend(one.request_mirror.backend_ref for one in filters if one.request_mirror)
        return tuple(found)


GRPC_ROUTES = Kind(f"{GROUP}/v1", "GRPCRoute", "grpcroutes", GRPCRoute)
