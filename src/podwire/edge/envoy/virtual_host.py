"""A virtual host with its routes: a resource of its own (VHDS)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2
from envoy.extensions.http.stateful_session.cookie.v3 import cookie_pb2
from envoy.extensions.http.stateful_session.header.v3 import header_pb2
from envoy.type.http.v3 import cookie_pb2 as http_cookie_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2

from podwire.edge.envoy import (
    basic_auth,
    body_limit,
    client_ranges,
    external_auth,
    fault,
    headers,
    rate_limit,
    route_action,
    script,
    subject,
    tracing,
)
from podwire.edge.envoy.message import duration, extension, packed, resource
from podwire.edge.envoy.route_match import route_match
from podwire.edge.model.filters import Cors, SessionPersistence
from podwire.edge.model.matches import Match
from podwire.edge.model.routes import Answer, Forward, RedirectTo, Route, VirtualHost
from podwire.edge.model.script import NOTHING
from podwire.edge.xds.resource import CLUSTER, VIRTUAL_HOST, Key, Resource

CORS_FILTER = "envoy.filters.http.cors"
BUFFER_FILTER = "envoy.filters.http.buffer"
SESSION_FILTER = "envoy.filters.http.stateful_session"
MISDIRECTED = 421


def virtual_host(host: VirtualHost) -> Resource:
    """Return the resource; it requires the clusters that its routes forward to."""
    name = key(host)[1]
    routes = [_route(one) for one in host.routes]
    if host.misdirected:
        everything = route_match(Match())
        routes = [route_components_pb2.Route(match=everything, **route_action.answer(Answer(MISDIRECTED)))]
    message = route_components_pb2.VirtualHost(
        name=name,
        domains=[host.domain],
        routes=routes,
        **headers.request(host.request_headers),
        **headers.response(host.response_headers),
    )
    for filter_name, settings in _filters_of_host(host):
        message.typed_per_filter_config[filter_name].CopyFrom(packed(settings))
    found = sorted({one for route in host.routes for one in _clusters(route) if one})
    return resource(VIRTUAL_HOST, name, message, requires=tuple((CLUSTER, one) for one in found))


def key(host: VirtualHost) -> Key:
    """Return type and name of the resource."""
    return VIRTUAL_HOST, f"{host.table}/{host.domain}"


def _clusters(route: Route) -> Iterator[str]:
    if isinstance(route.action, Forward):
        yield from (one.cluster for one in route.action.backends)
        yield from (one.cluster for one in route.action.mirrors)
    if route.auth:
        yield route.auth.cluster
    for used in (route.script.auth, route.script.errors, route.script.copy):
        if used is not None:
            yield used.cluster


def _route(route: Route) -> Any:
    made = route_components_pb2.Route(
        name=str(route.name),
        match=route_match(route.match),
        **_action(route),
        **headers.request(route.request_headers),
        **headers.response(route.response_headers),
    )
    if route.tracing is not None:
        made.tracing.CopyFrom(tracing.of_route(route.tracing))
        if route.tracing.operation:
            made.decorator.operation = route.tracing.operation
    for name, settings in _filters(route):
        made.typed_per_filter_config[name].CopyFrom(packed(settings))
    return made


def _filters_of_host(host: VirtualHost) -> Iterator[tuple[str, Any]]:
    """Yield the configurations of filters for all routes, by the filters' names."""
    if host.rate:
        yield rate_limit.FILTER, rate_limit.per_route(host.rate)
    if host.fault:
        yield fault.FILTER, fault.per_host(host.fault)


def _filters(route: Route) -> Iterator[tuple[str, Any]]:
    """Yield the configurations of filters for this route, by the filters' names."""
    if route.match.is_grpc or route.max_body is not None:
        yield BUFFER_FILTER, _buffer(0 if route.match.is_grpc or not route.buffers_body else route.max_body or 0)
    if route.max_body and not route.buffers_body:
        yield body_limit.FILTER, body_limit.per_route(route.max_body)
    if route.script != NOTHING:
        yield script.FILTER, script.per_route(route.script)
    if route.subject:
        yield subject.FILTER, subject.per_route(route.subject)
    if route.clients:
        yield client_ranges.FILTER, client_ranges.per_route(route.clients)
    if route.rate:
        yield rate_limit.FILTER, rate_limit.per_route(route.rate)
    if route.users:
        yield basic_auth.FILTER, basic_auth.per_route(route.users)
    if route.cors:
        yield CORS_FILTER, _cors(route.cors)
    if route.auth and route.auth.cluster:
        yield external_auth.per_route(route.auth)
    if isinstance(route.action, Forward) and route.action.session:
        yield SESSION_FILTER, _session(route.action.session)


def _buffer(most: int) -> Any:
    """The streams of gRPC have no end that could be waited for."""
    if not most:
        return buffer_pb2.BufferPerRoute(disabled=True)
    return buffer_pb2.BufferPerRoute(buffer=buffer_pb2.Buffer(max_request_bytes={"value": most}))


def _action(route: Route) -> dict[str, Any]:
    if route.auth and not route.auth.cluster:
        return route_action.answer(Answer(503 if route.match.is_grpc else 500))
    if isinstance(route.action, Forward):
        return route_action.forward(route.action, route.match, route.request_headers)
    if isinstance(route.action, RedirectTo):
        return route_action.redirect(route.action.redirect, route.match)
    return route_action.answer(route.action)


def _cors(cors: Cors) -> Any:
    """Envoy itself repeats what was requested for `*`, and answers preflights of other origins."""
    made = cors_pb2.CorsPolicy(
        allow_origin_string_match=[_origin(one, as_nginx=cors.as_nginx) for one in cors.origins],
        allow_methods=", ".join(cors.methods),
        allow_headers=", ".join(cors.headers),
        expose_headers=", ".join(cors.expose),
        max_age=str(cors.max_age),
    )
    made.allow_credentials.value = cors.credentials
    made.forward_not_matching_preflights.value = cors.as_nginx
    return made


def _origin(origin: str, *, as_nginx: bool) -> Any:
    if origin == "*" or "*" not in origin:
        return string_pb2.StringMatcher(exact=origin, ignore_case=as_nginx)
    before, _, after = origin.partition("*")
    label = "[A-Za-z0-9-]+" if as_nginx else ".+"
    pattern = f"{'(?i)' if as_nginx else ''}{re.escape(before)}{label}{re.escape(after)}"
    return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=pattern))


def _session(session: SessionPersistence) -> Any:
    if session.kind == "Header":
        state = extension("envoy.http.stateful_session.header", header_pb2.HeaderBasedSessionState(name=session.name))
    else:
        attributes = [http_cookie_pb2.CookieAttribute(name=one.name, value=one.value) for one in session.attributes]
        cookie = http_cookie_pb2.Cookie(name=session.name, path=session.path, attributes=attributes)
        if session.absolute_timeout:
            cookie.ttl.CopyFrom(duration(session.absolute_timeout))
        state = extension("envoy.http.stateful_session.cookie", cookie_pb2.CookieBasedSessionState(cookie=cookie))
    whole = stateful_session_pb2.StatefulSession(session_state=state)
    return stateful_session_pb2.StatefulSessionPerRoute(stateful_session=whole)
