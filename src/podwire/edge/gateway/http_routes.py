"""An HTTPRoute in the terms of the model. Pure.

Source: gateway-api v1.6.3 `httproute_types.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.gateway.backends import Unresolved, resolve
from podwire.edge.gateway.durations import seconds
from podwire.edge.gateway.expressions import expression_problem
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.http_filters import Filters, Unsupported, filters_of
from podwire.edge.gateway.http_matches import matches_of
from podwire.edge.gateway.kinds.http_route import (
    GRPCAuth,
    HTTPAuth,
    HTTPBackendRef,
    HTTPExternalAuthFilter,
    HTTPRequestMirrorFilter,
    HTTPRoute,
    HTTPRouteRetry,
    HTTPRouteRule,
    HTTPRouteTimeouts,
    SessionPersistence,
)
from podwire.edge.gateway.kinds.references import BackendObjectReference
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.model import filters as model
from podwire.edge.model.backends import Cluster, Transport, WeightedBackend
from podwire.edge.model.matches import Match, PathType, ValueType
from podwire.edge.model.routes import Forward, RedirectTo, Route, RouteName, StreamRoute

_BACKOFF = 0.025


class Translated(msgspec.Struct, frozen=True):
    """A route of any kind in the terms of the model.

    Attributes:
        routes: of an HTTPRoute or GRPCRoute, in the order of the rules and their matches.
        clusters: those that the routes forward to.
        unresolved: references that lead nowhere, in the order of the rules.
        unsupported: why the route is not accepted, whatever its parents; it has no routes then.
        unsupported_reason: the reason of that.
        dropped: why some rules are left out, while others are served: the message of PartiallyInvalid.
        stream: of a TLSRoute, TCPRoute or UDPRoute, which has nothing else but clusters and unresolved references.

    """

    routes: tuple[Route, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    unsupported: str = ""
    unsupported_reason: str = ""
    dropped: str = ""
    stream: StreamRoute | None = None


def translated(route: HTTPRoute, objects: Objects, *, needs_grants: bool = True) -> Translated:
    """Return the route's part of the model, with what is wrong with it; `at_port` completes its redirects."""
    rules = [(rule, matches_of(rule)) for rule in route.spec.rules]
    return translated_rules(owner("HTTPRoute", route.key), rules, objects, needs_grants=needs_grants)


def at_port(route: Route, port: int) -> Route:
    """Return the route at a listener's port, which a redirect without port and scheme names."""
    if not isinstance(route.action, RedirectTo) or route.action.redirect.port:
        return route
    redirect = msgspec.structs.replace(route.action.redirect, port=port)
    return msgspec.structs.replace(route, action=RedirectTo(redirect))


def translated_rules(
    route: Owner,
    rules: Iterable[tuple[HTTPRouteRule, tuple[Match, ...]]],
    objects: Objects,
    *,
    needs_grants: bool = True,
) -> Translated:
    """Return the part of the model of an HTTPRoute or GRPCRoute, from its rules and their matches."""
    work = _Translation(route, objects, Referrer(route.kind, route.namespace, needs_grant=needs_grants))
    found: list[Route] = []
    refused: list[Unsupported] = []
    for index, (rule, matches) in enumerate(rules):
        try:
            found.extend(work.rule(rule, matches, index))
        except Unsupported as problem:
            refused.append(problem)
    unresolved, messages = tuple(work.unresolved), "; ".join(one.message for one in refused)
    if refused and (not found or any(one.rejects_route for one in refused)):
        first = next((one for one in refused if one.rejects_route), refused[0])
        return Translated(unresolved=unresolved, unsupported=messages, unsupported_reason=first.reason)
    dropped = f"Dropped Rule: {messages}" if refused else ""
    return Translated(tuple(found), tuple(work.clusters), unresolved, dropped=dropped)


class ClusterKind(msgspec.Struct, frozen=True):
    """What a rule requires of the clusters that it forwards to: see `Cluster`."""

    is_sticky: bool = False
    has_own_retries: bool = False


PLAIN = ClusterKind()


class _Translation:
    """Clusters and unresolved references are collected while rules are translated."""

    def __init__(self, route: Owner, objects: Objects, referrer: Referrer) -> None:
        self._route = route
        self._objects = objects
        self._referrer = referrer
        self.clusters: dict[Cluster, None] = {}
        self.unresolved: list[Unresolved] = []

    def rule(self, rule: HTTPRouteRule, matches: tuple[Match, ...], index: int) -> Iterator[Route]:
        """Yield a route for each match. Raises Unsupported."""
        field = f"spec.rules[{index}]"
        filters = filters_of(rule.filters, f"{field}.filters")
        _check_prefix(matches, filters, field)
        _check_expressions(matches, field)
        auth = self._auth(filters.auth, f"{field}.filters") if filters.auth else None
        action = RedirectTo(filters.redirect) if filters.redirect else self._forward(rule, filters, field)
        for number, match in enumerate(matches):
            yield Route(
                name=RouteName(
                    self._route.kind, self._route.namespace, self._route.name, index, number, rule.name or ""
                ),
                match=match,
                action=action,
                request_headers=filters.request_headers,
                response_headers=filters.response_headers,
                cors=filters.cors,
                auth=auth,
            )

    def _forward(self, rule: HTTPRouteRule, filters: Filters, field: str) -> Forward:
        session = _session(rule.session_persistence, self._route.name, field)
        timeouts, retry = _timeouts(rule.timeouts), _retry(rule.retry)
        kind = ClusterKind(session is not None, retry is not None or bool(timeouts.backend))
        shares = [
            self._share(one, f"{field}.backendRefs[{index}]", kind) for index, one in enumerate(rule.backend_refs)
        ]
        mirrors = [self._mirror(one, f"{field}.filters") for one in filters.mirrors]
        return Forward(
            backends=tuple(shares),
            rewrite=filters.rewrite,
            mirrors=tuple(one for one in mirrors if one is not None),
            timeouts=timeouts,
            retry=retry,
            session=session,
            is_websocket=self._route.kind == "HTTPRoute",
        )

    def _share(self, backend: HTTPBackendRef, field: str, kind: ClusterKind) -> WeightedBackend:
        filters = filters_of(backend.filters, f"{field}.filters")
        path = filters.rewrite and (filters.rewrite.full_path, filters.rewrite.prefix) != (None, None)
        if filters.mirrors or filters.cors or filters.redirect or filters.auth or path:
            remedy = "move the others to the rule's filters"
            message = f"{field}.filters: a backend may have changes of headers and of the hostname: {remedy}"
            raise Unsupported("UnsupportedValue", message)
        cluster, problem = self._cluster(backend, field, kind)
        return WeightedBackend(
            cluster=cluster,
            weight=backend.weight,
            request_headers=filters.request_headers,
            response_headers=filters.response_headers,
            rewrite=filters.rewrite,
            problem=problem,
        )

    def _mirror(self, mirror: HTTPRequestMirrorFilter, field: str) -> model.Mirror | None:
        """Return None where the backend is not resolved: its copies are not sent."""
        cluster, _ = self._cluster(mirror.backend_ref, f"{field}.requestMirror.backendRef")
        if not cluster:
            return None
        if mirror.fraction:
            return model.Mirror(cluster, mirror.fraction.numerator, mirror.fraction.denominator)
        return model.Mirror(cluster, 100 if mirror.percent is None else mirror.percent)

    def _auth(self, auth: HTTPExternalAuthFilter, field: str) -> model.ExternalAuth:
        """Without a cluster, requests are answered by 500."""
        transport = Transport.H2C if auth.protocol == "GRPC" else None
        cluster, _ = self._cluster(auth.backend_ref, f"{field}.externalAuth.backendRef", transport=transport)
        http, grpc = auth.http or HTTPAuth(), auth.grpc or GRPCAuth()
        return model.ExternalAuth(
            cluster=cluster,
            protocol=auth.protocol,
            path=http.path,
            request_headers=http.allowed_headers if auth.protocol == "HTTP" else grpc.allowed_headers,
            response_headers=http.allowed_response_headers,
            max_body=auth.forward_body.max_size if auth.forward_body else 0,
        )

    def _cluster(
        self,
        reference: BackendObjectReference,
        field: str,
        kind: ClusterKind = PLAIN,
        transport: Transport | None = None,
    ) -> tuple[str, str]:
        """Return the cluster's name, or empty and what is wrong. `transport` replaces that of the appProtocol."""
        found = resolve(reference, field, self._referrer, self._objects)
        if isinstance(found, Unresolved):
            self.unresolved.append(found)
            return "", found.message
        cluster = msgspec.structs.replace(
            found,
            is_sticky=kind.is_sticky,
            has_own_retries=kind.has_own_retries,
            transport=transport or found.transport,
        )
        self.clusters[cluster] = None
        return cluster.name, ""


def _check_expressions(matches: Iterable[Match], field: str) -> None:
    """A proxy would refuse all routes of the domain for one expression that is not of RE2."""
    for match in matches:
        found = [match.path.value] if match.path.type is PathType.REGEX else []
        found += [one.value for one in (*match.headers, *match.query) if one.type is ValueType.REGEX]
        for problem in filter(None, map(expression_problem, found)):
            message = f"{field}.matches: the regular expression {problem}: write one of RE2"
            raise Unsupported("UnsupportedValue", message)


def _check_prefix(matches: tuple[Match, ...], filters: Filters, field: str) -> None:
    replaced = [one.prefix for one in (filters.redirect, filters.rewrite) if one is not None]
    if all(one is None for one in replaced):
        return
    if any(one.path.type is not PathType.PREFIX for one in matches):
        message = f"{field}: ReplacePrefixMatch needs matches of type PathPrefix only: change the matches or the filter"
        raise Unsupported("UnsupportedValue", message, rejects_route=True)


def _timeouts(timeouts: HTTPRouteTimeouts | None) -> model.Timeouts:
    if timeouts is None:
        return model.Timeouts()
    return model.Timeouts(seconds(timeouts.request), seconds(timeouts.backend_request))


def _retry(retry: HTTPRouteRetry | None) -> model.Retry | None:
    if retry is None:
        return None
    attempts = 1 if retry.attempts is None else retry.attempts
    return model.Retry(attempts, retry.codes, seconds(retry.backoff, _BACKOFF)) if attempts > 0 else None


def _session(session: SessionPersistence | None, route: str, field: str) -> model.SessionPersistence | None:
    if session is None:
        return None
    if session.idle_timeout is not None:
        message = f"{field}.sessionPersistence.idleTimeout is not supported: use absoluteTimeout"
        raise Unsupported("UnsupportedValue", message)
    if session.type == "Header" and session.absolute_timeout is not None:
        message = f"{field}.sessionPersistence.absoluteTimeout is not supported for type Header: use type Cookie"
        raise Unsupported("UnsupportedValue", message)
    name = session.session_name or f"podwire-session-{route}"
    return model.SessionPersistence(session.type, name, seconds(session.absolute_timeout))
