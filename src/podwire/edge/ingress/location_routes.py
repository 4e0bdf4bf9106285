"""The routes of a location, on the port of plain HTTP and on that of HTTPS. Pure.

Source: kubernetes/ingress-nginx v1.15.1 `nginx.tmpl`, `lua_ingress.lua` (redirects) and `balancer.lua` (canary): a
redirect comes before the redirect to HTTPS, that before access control.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from podwire.edge.ingress.annotations import expression, grammar
from podwire.edge.ingress.annotations.settings import DEFAULTS, Settings
from podwire.edge.ingress.kinds import IngressBackend
from podwire.edge.ingress.locations import Location, path_match
from podwire.edge.ingress.references import Missing, References
from podwire.edge.model.backends import Cluster, WeightedBackend
from podwire.edge.model.filters import (
    ClientRanges,
    Cors,
    Header,
    HeaderChanges,
    RateLimit,
    Redirect,
    Retry,
    Rewrite,
    SessionPersistence,
    Substitution,
    Timeouts,
)
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import Answer, Forward, RedirectTo, Route, RouteName

ACME = "/.well-known/acme-challenge"
"""Paths that certificates are proven by: they are never redirected to HTTPS (RFC 8555, 8.3)."""
PERMANENT_REDIRECT = 308
NO_BACKEND = 503
NO_CONTENT = 204
MOST_TRIES = 100
MOST_BUFFERED = 16 << 20
"""Bytes."""
_ANY_URI = r"^(/.*)$"


class Routes(msgspec.Struct, frozen=True):
    """The routes of a location, and the clusters that they lead to."""

    routes: tuple[Route, ...]
    clusters: tuple[Cluster, ...] = ()
    missing: tuple[Missing, ...] = ()


def routes(location: Location, references: References, *, by_expression: bool, to_https: bool) -> Routes:
    """Return the routes of a location; `to_https`: requests came in plain text and are redirected."""
    match = Match(path_match(location, by_expression=by_expression))
    base = Route(_name(location), match, Answer(NO_BACKEND))
    preflight = tuple(_preflight(base, location))
    if redirect := _redirect(location.settings):
        return Routes((*preflight, msgspec.structs.replace(base, action=RedirectTo(redirect))))
    first = (*_app_root(base, location), *preflight)
    if location.denied:
        return Routes((*first, base))
    work = _Forwarding(location, references)
    forwarded = tuple(work.routes(base))
    if to_https:
        https = RedirectTo(Redirect(scheme="https", status=PERMANENT_REDIRECT))
        forwarded = (*_acme(forwarded, match.path), msgspec.structs.replace(base, action=https))
    return Routes((*first, *forwarded), tuple(work.clusters), tuple(work.missing))


def redirects_to_https(settings: Settings, *, has_certificate: bool) -> bool:
    """Whether plain requests are redirected."""
    return settings.force_ssl_redirect or (settings.ssl_redirect and has_certificate)


def _name(location: Location) -> RouteName:
    key = location.ingress
    return RouteName("Ingress", key.namespace, key.name, location.rule, location.index)


def _redirect(settings: Settings) -> Redirect | None:
    """A temporary redirect is preferred to a permanent one."""
    if settings.temporal_redirect is not None:
        return _to(settings.temporal_redirect, settings.temporal_redirect_code)
    if settings.permanent_redirect is not None:
        return _to(settings.permanent_redirect, settings.permanent_redirect_code)
    return None


def _to(target: grammar.Location, status: int) -> Redirect:
    made = Redirect(scheme=target.scheme, hostname=target.hostname, port=target.port, status=status)
    if target.keeps_uri:
        if not target.path:
            return made
        kept = Substitution(_ANY_URI, target.path.replace("\\", "\\\\") + r"\1")
        return msgspec.structs.replace(made, substitution=kept)
    return msgspec.structs.replace(made, full_path=target.path or "/", keeps_query=False)


def _app_root(base: Route, location: Location) -> Iterator[Route]:
    root = location.settings.app_root
    if root and not location.denied:
        redirect = Redirect(full_path=root, status=302, keeps_query=False)
        match = Match(PathMatch(PathType.EXACT, "/"))
        yield msgspec.structs.replace(base, match=match, action=RedirectTo(redirect))


def _preflight(base: Route, location: Location) -> Iterator[Route]:
    """Where every origin is allowed, OPTIONS is answered without a backend, and before any check."""
    if not location.denied and (headers := tuple(_open_cors(location.settings))):
        match = msgspec.structs.replace(base.match, method="OPTIONS")
        yield msgspec.structs.replace(
            base, match=match, action=Answer(NO_CONTENT), response_headers=HeaderChanges(set=headers)
        )


def _acme(forwarded: tuple[Route, ...], path: PathMatch) -> Iterator[Route]:
    """The routes for the paths under `ACME` that the location has."""
    if path.type in {PathType.PREFIX, PathType.TEXT} and f"{ACME}/".startswith(path.value):
        for one in forwarded:
            below = msgspec.structs.replace(one.match, path=PathMatch(PathType.PREFIX, ACME))
            yield msgspec.structs.replace(one, match=below)


class _Forwarding:
    """Clusters and missing backends are collected while routes are made."""

    def __init__(self, location: Location, references: References) -> None:
        self._location = location
        self._settings = location.settings
        self._references = references
        self.clusters: dict[Cluster, None] = {}
        self.missing: list[Missing] = []

    def routes(self, base: Route) -> Iterator[Route]:
        """Yield the routes in the order in which they are tried: those of a canary's headers come first."""
        settings = self._settings
        checked = self._protected(base)
        if checked is None:
            yield base
            return
        base = checked
        main = self._cluster(self._location.backend, settings)
        canary = self._location.canary
        if canary is None:
            yield msgspec.structs.replace(base, action=self._action((main, 1)))
            return
        other = self._cluster(canary.backend, settings)
        for one, to_canary in _canary_matches(canary.settings):
            match = msgspec.structs.replace(base.match, headers=(*base.match.headers, one))
            yield msgspec.structs.replace(base, match=match, action=self._action((other if to_canary else main, 1)))
        total = canary.settings.canary_weight_total
        weight = min(canary.settings.canary_weight, total)
        yield msgspec.structs.replace(base, action=self._action((main, total - weight), (other, weight)))

    def _cluster(self, backend: IngressBackend, settings: Settings) -> Cluster | None:
        found = self._references.cluster(backend, self._location.ingress.namespace, settings)
        if isinstance(found, Missing):
            self.missing.append(found)
            return None
        self.clusters[found] = None
        return found

    def _protected(self, base: Route) -> Route | None:
        """Return the route with what is checked before a backend; None where a check is not possible."""
        settings, namespace = self._settings, self._location.ingress.namespace
        users = self._references.users(namespace, settings)
        headers = self._references.response_headers(namespace, settings)
        if isinstance(headers, Missing):
            self.missing.append(headers)
            headers = ()
        if isinstance(users, Missing):
            self.missing.append(users)
            return None
        return msgspec.structs.replace(
            base,
            cors=_cors(settings),
            clients=_clients(settings),
            rate=_rate(settings),
            users=users,
            max_body=_max_body(settings),
            request_headers=HeaderChanges(
                set=tuple(_request_headers(settings, self._location)),
                remove=("Authorization",) if users else (),
            ),
            response_headers=HeaderChanges(set=(*_open_cors(settings), *headers)),
        )

    def _action(self, *shares: tuple[Cluster | None, int]) -> Forward | Answer:
        """A share without a backend is left to the others; without any the answer is 503."""
        backends = tuple(WeightedBackend(one.name, weight) for one, weight in shares if one is not None and weight > 0)
        if not backends:
            return Answer(NO_BACKEND)
        settings = self._settings
        return Forward(
            backends=backends,
            rewrite=_rewrite(settings, self._location.path),
            timeouts=Timeouts(idle=max(settings.proxy_read_timeout, settings.proxy_send_timeout)),
            retry=_retry(settings),
            session=_session(settings),
            is_websocket=not settings.backend_protocol.startswith("GRPC"),
        )


def _canary_matches(settings: Settings) -> Iterator[tuple[ValueMatch, bool]]:
    """Yield what decides before the weights do, and whether it leads to the canary."""
    header, cookie = settings.canary_by_header.lower(), settings.canary_by_cookie
    if header and settings.canary_by_header_value:
        yield ValueMatch(header, ValueType.EXACT, settings.canary_by_header_value), True
    elif header and settings.canary_by_header_pattern:
        yield ValueMatch(header, ValueType.REGEX, expression.containing(settings.canary_by_header_pattern)), True
    elif header:
        yield ValueMatch(header, ValueType.EXACT, "always"), True
        yield ValueMatch(header, ValueType.EXACT, "never"), False
    if cookie:
        for value, to_canary in (("always", True), ("never", False)):
            pattern = rf"(?:.*;)?[ \t]*{re.escape(cookie)}={value}[ \t]*(?:;.*)?"
            yield ValueMatch("cookie", ValueType.REGEX, pattern), to_canary


def _rewrite(settings: Settings, path: str) -> Rewrite | None:
    target = settings.rewrite_target
    substitution = None
    if target and target != path:
        substitution = Substitution(*expression.substitution(path, target))
    if substitution is None and not settings.upstream_vhost:
        return None
    return Rewrite(hostname=settings.upstream_vhost, substitution=substitution)


def _request_headers(settings: Settings, location: Location) -> Iterator[Header]:
    target = settings.rewrite_target
    if settings.x_forwarded_prefix and target and target != location.path:
        yield Header("X-Forwarded-Prefix", settings.x_forwarded_prefix)


def _retry(settings: Settings) -> Retry | None:
    """Failures before anything was sent are repeated for every method, statuses only where they are named.

    By default the policy of the cluster does the same.
    """
    if not settings.has_own_retries:
        return None
    wanted = set(settings.proxy_next_upstream)
    tries = settings.proxy_next_upstream_tries or MOST_TRIES
    if "off" in wanted or tries == 1:
        return None
    codes = tuple(sorted(int(one.removeprefix("http_")) for one in wanted if one.startswith("http_")))
    connection = bool(wanted & {"error", "timeout"})
    return Retry(tries - 1, codes, on_connection_error=connection) if codes or connection else None


def _session(settings: Settings) -> SessionPersistence | None:
    if settings.affinity != "cookie":
        return None
    return SessionPersistence(
        "Cookie", settings.session_cookie_name, float(settings.session_cookie_max_age), settings.session_cookie_path
    )


def _rate(settings: Settings) -> RateLimit | None:
    """The limit by the second counts where both are given: it is the tighter one in practice.

    nginx admits one request and, without delay, as many more as its burst.
    """
    if settings.limit_rps:
        return RateLimit(settings.limit_rps, 1.0, settings.limit_rps * settings.limit_burst_multiplier + 1)
    if settings.limit_rpm:
        return RateLimit(settings.limit_rpm, 60.0, settings.limit_rpm * settings.limit_burst_multiplier + 1)
    return None


def _max_body(settings: Settings) -> int | None:
    """Bodies within a limit are kept in memory, so larger limits than `MOST_BUFFERED` are none; None: the default."""
    if settings.proxy_body_size == DEFAULTS.proxy_body_size:
        return None  # the listener has it: an Envoy reads every route again for a change of one
    return settings.proxy_body_size if settings.proxy_body_size <= MOST_BUFFERED else 0


def _clients(settings: Settings) -> ClientRanges | None:
    found = ClientRanges(settings.allowlist_source_range, settings.denylist_source_range)
    return found if found.allowed or found.denied else None


def _open_cors(settings: Settings) -> Iterator[Header]:
    """Yield the headers of every response where every origin is allowed.

    The answer is `*`, for which browsers send no credentials: an echoed origin would hand every site what a user may
    read.
    """
    if not settings.enable_cors or "*" not in settings.cors_allow_origin:
        return
    yield Header("Access-Control-Allow-Origin", "*")
    if settings.cors_allow_credentials:
        yield Header("Access-Control-Allow-Credentials", "true")
    yield Header("Access-Control-Allow-Methods", ", ".join(settings.cors_allow_methods))
    yield Header("Access-Control-Allow-Headers", ",".join(settings.cors_allow_headers))
    if settings.cors_expose_headers:
        yield Header("Access-Control-Expose-Headers", ",".join(settings.cors_expose_headers))
    yield Header("Access-Control-Max-Age", str(settings.cors_max_age))


def _cors(settings: Settings) -> Cors | None:
    """Listed origins are compared by the proxy."""
    if not settings.enable_cors or "*" in settings.cors_allow_origin:
        return None
    return Cors(
        origins=settings.cors_allow_origin,
        methods=settings.cors_allow_methods,
        headers=settings.cors_allow_headers,
        expose=settings.cors_expose_headers,
        credentials=settings.cors_allow_credentials,
        max_age=settings.cors_max_age,
        as_nginx=True,
    )
