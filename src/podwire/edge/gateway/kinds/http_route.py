"""HTTPRoute. Source: gateway-api v1.6.3 `apis/v1/httproute_types.go` and `shared_types.go`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.edge.gateway.kinds.references import BackendObjectReference, ParentReference
from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, Object, Struct


class HTTPPathMatch(Struct, frozen=True):
    """A path. Absent: the prefix `/`."""

    type: str = "PathPrefix"
    value: str = "/"


class HTTPValueMatch(Struct, frozen=True):
    """A header or a query parameter."""

    name: str = ""
    value: str = ""
    type: str = "Exact"


class HTTPRouteMatch(Struct, frozen=True):
    """All of these must hold."""

    path: HTTPPathMatch = HTTPPathMatch()
    headers: tuple[HTTPValueMatch, ...] = ()
    query_params: tuple[HTTPValueMatch, ...] = ()
    method: str | None = None


class HTTPHeader(Struct, frozen=True):
    """A header's name and value."""

    name: str = ""
    value: str = ""


class HTTPHeaderFilter(Struct, frozen=True):
    """Headers are set, added and removed."""

    set: tuple[HTTPHeader, ...] = ()
    add: tuple[HTTPHeader, ...] = ()
    remove: tuple[str, ...] = ()


class HTTPPathModifier(Struct, frozen=True):
    """A path replaces the whole path, or the prefix that matched."""

    type: str = ""
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


class HTTPRequestRedirectFilter(Struct, frozen=True):
    """The answer is a redirect."""

    scheme: str | None = None
    hostname: str | None = None
    path: HTTPPathModifier | None = None
    port: int | None = None
    status_code: int = 302


class HTTPURLRewriteFilter(Struct, frozen=True):
    """The request goes on with another host or path."""

    hostname: str | None = None
    path: HTTPPathModifier | None = None


class Fraction(Struct, frozen=True):
    """A share of requests."""

    numerator: int = 0
    denominator: int = 100


class HTTPRequestMirrorFilter(Struct, frozen=True):
    """A copy of requests goes to a backend."""

    backend_ref: BackendObjectReference = BackendObjectReference()
    percent: int | None = None
    fraction: Fraction | None = None


class HTTPCORSFilter(Struct, frozen=True):
    """Cross-origin requests."""

    allow_origins: tuple[str, ...] = ()
    allow_credentials: bool | None = None
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int = 5


class GRPCAuth(Struct, frozen=True):
    """Headers that are sent to an authorization service over gRPC."""

    allowed_headers: tuple[str, ...] = msgspec.field(default=(), name="allowedHeaders")


class HTTPAuth(Struct, frozen=True):
    """How an authorization service is called over HTTP."""

    path: str = ""
    allowed_headers: tuple[str, ...] = ()
    allowed_response_headers: tuple[str, ...] = ()


class ForwardBody(Struct, frozen=True):
    """How much of the body is sent to an authorization service."""

    max_size: int = 0


class HTTPExternalAuthFilter(Struct, frozen=True):
    """Requests are authorized by a service (experimental)."""

    protocol: str = ""
    backend_ref: BackendObjectReference = BackendObjectReference()
    grpc: GRPCAuth | None = None
    http: HTTPAuth | None = None
    forward_body: ForwardBody | None = None


class HTTPRouteFilter(Struct, frozen=True):
    """One step of processing; `type` names the field that is set."""

    type: str = ""
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    request_redirect: HTTPRequestRedirectFilter | None = None
    url_rewrite: HTTPURLRewriteFilter | None = None
    cors: HTTPCORSFilter | None = None
    external_auth: HTTPExternalAuthFilter | None = None


class HTTPBackendRef(BackendObjectReference, frozen=True):
    """A backend with its weight."""

    weight: int = 1
    filters: tuple[HTTPRouteFilter, ...] = ()


class HTTPRouteTimeouts(Struct, frozen=True):
    """Durations (GEP-2257)."""

    request: str | None = None
    backend_request: str | None = None


class HTTPRouteRetry(Struct, frozen=True):
    """Further tries (experimental)."""

    codes: tuple[int, ...] = ()
    attempts: int | None = None
    backoff: str | None = None


class CookieConfig(Struct, frozen=True):
    """How long a session's cookie lives: `Session` or `Permanent`."""

    lifetime_type: str = "Session"


class SessionPersistence(Struct, frozen=True):
    """Requests of a session go to one endpoint (experimental)."""

    session_name: str | None = None
    absolute_timeout: str | None = None
    idle_timeout: str | None = None
    type: str = "Cookie"
    cookie_config: CookieConfig | None = None


class HTTPRouteRule(Struct, frozen=True):
    """What is done with requests that one of the matches fits. No matches: all requests."""

    name: str | None = None
    matches: tuple[HTTPRouteMatch, ...] = ()
    filters: tuple[HTTPRouteFilter, ...] = ()
    backend_refs: tuple[HTTPBackendRef, ...] = ()
    timeouts: HTTPRouteTimeouts | None = None
    retry: HTTPRouteRetry | None = None
    session_persistence: SessionPersistence | None = None

    @property
    def all_filters(self) -> Iterator[HTTPRouteFilter]:
        """Those of the rule and of its backends."""
        yield from self.filters
        for backend in self.backend_refs:
            yield from backend.filters


class HTTPRouteSpec(Struct, frozen=True):
    """The desired state."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[HTTPRouteRule, ...] = (HTTPRouteRule(),)
    use_default_gateways: str | None = None


class RouteParentStatus(Struct, frozen=True):
    """What a controller wrote about one parent."""

    parent_ref: ParentReference = ParentReference()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class RouteStatus(Struct, frozen=True):
    """What controllers wrote: each about its own parents."""

    parents: tuple[RouteParentStatus, ...] = ()


class HTTPRoute(Object, frozen=True):
    """Rules for requests of some hostnames."""

    spec: HTTPRouteSpec = HTTPRouteSpec()
    status: RouteStatus = RouteStatus()

    @property
    def backends(self) -> tuple[BackendObjectReference, ...]:
        """All backends of its rules, mirrors and authorization services, as written."""
        found: list[BackendObjectReference] = []
        for rule in self.spec.rules:
            found.extend(rule.backend_refs)
            for one in rule.all_filters:
                if one.request_mirror is not None:
                    found.append(one.request_mirror.backend_ref)
                if one.external_auth is not None:
                    found.append(one.external_auth.backend_ref)
        return tuple(found)


HTTP_ROUTES = Kind(f"{GROUP}/v1", "HTTPRoute", "httproutes", HTTPRoute)
