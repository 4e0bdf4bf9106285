"""The routes of a location, on the port of plain HTTP and on that of HTTPS. Pure.

Source: kubernetes/ingress-nginx v1.15.1 `nginx.tmpl`, `lua_ingress.lua` (redirects) and `balancer.lua` (canary): a
redirect comes before the redirect to HTTPS, that before access control.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.ingress import access, canaries, cors, scripts, sessions
from podwire.edge.ingress.access import ACME, located
from podwire.edge.ingress.annotations import expression, grammar, templates
from podwire.edge.ingress.annotations.settings import DEFAULTS, Settings
from podwire.edge.ingress.kinds import IngressBackend
from podwire.edge.ingress.locations import Location, path_match
from podwire.edge.ingress.missing import Missing
from podwire.edge.ingress.options.options import Options
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import Server
from podwire.edge.model.backends import Cluster, NamedHost, WeightedBackend
from podwire.edge.model.filters import (
    Header,
    HeaderChanges,
    Mirror,
    Redirect,
    Retry,
    Rewrite,
    Substitution,
    Timeouts,
)
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import Answer, Forward, RedirectTo, Route, RouteName
from podwire.edge.model.script import Script
from podwire.edge.model.tls import Authorities, Certificate
from podwire.edge.model.tracing import RouteTracing

PERMANENT_REDIRECT = 308
NO_BACKEND = 503
NO_CONTENT = 204
MOST_TRIES = 100
MOST_BUFFERED = 16 << 20
"""Bytes."""
STATUSES = (301, 302, 303, 307, 308)
"""Of redirects that a proxy can make."""
_ANY_URI = r"^(/.*)$"


class Routes(msgspec.Struct, frozen=True):
    """The routes of a location, the clusters that they forward to, and the secrets that these need."""

    routes: tuple[Route, ...]
    clusters: tuple[Cluster | NamedHost, ...] = ()
    secrets: tuple[Authorities | Certificate, ...] = ()
    missing: tuple[Missing, ...] = ()


def routes(
    location: Location, server: Server, references: References, *, has_certificate: bool, is_plain: bool
) -> Routes:
    """Return the routes of a location on the port of plain HTTP (`is_plain`) or on that of HTTPS."""
    match = Match(path_match(location, by_expression=server.by_expression))
    base = Route(_name(location), match, Answer(NO_BACKEND))
    if location.denied or server.denied:
        return Routes((base,))
    if not is_plain:  # what the proxy answers itself is for clients that the host lets in, too
        script = Script(certificate=scripts.certificate(server))
        base = msgspec.structs.replace(base, script=script, subject=_subject(server))
    preflight = tuple(_preflight(base, location))
    if moved := _moved(base, location):
        return Routes((*preflight, moved))
    first = (*_app_root(base, location), *preflight)
    work = _Forwarding(location, server, references, is_plain=is_plain)
    forwarded = tuple(work.routes(base))
    if is_plain and redirects_to_https(location.settings, has_certificate=has_certificate):
        https = RedirectTo(Redirect(scheme="https", status=references.options.http_redirect_code))
        secure = _came_by_https(forwarded) if references.options.use_forwarded_headers else ()
        forwarded = (*_acme(forwarded, match.path), *secure, msgspec.structs.replace(base, action=https))
    return Routes((*first, *forwarded), tuple(work.clusters), tuple(work.secrets), tuple(work.missing))


def redirects_to_https(settings: Settings, *, has_certificate: bool) -> bool:
    """Whether plain requests are redirected."""
    return settings.force_ssl_redirect or (settings.ssl_redirect and has_certificate)


def _name(location: Location) -> RouteName:
    key = location.ingress
    return RouteName("Ingress", key.namespace, key.name, location.rule, location.index)


def _moved(base: Route, location: Location) -> Route | None:
    """The route of a redirect: a temporary one is preferred. What a proxy cannot make is made by the script."""
    settings = location.settings
    found, status = settings.temporal_redirect, settings.temporal_redirect_code
    if not found:
        found, status = settings.permanent_redirect, settings.permanent_redirect_code
    if not found:
        return None
    plain = templates.location(found)
    if plain is None or status not in STATUSES:
        script = msgspec.structs.replace(base.script, redirect_status=status, redirect=located(found, location))
        return msgspec.structs.replace(base, script=script)
    return msgspec.structs.replace(base, action=RedirectTo(_to(plain, status)))


def _to(target: grammar.Location, status: int) -> Redirect:
    made = Redirect(scheme=target.scheme, hostname=target.hostname, port=target.port, status=status)
    if target.keeps_uri:
        if not target.path:
            return made
        kept = Substitution(_ANY_URI, target.path.replace("\\", "\\\\") + r"\1")
        return msgspec.structs.replace(made, substitution=kept)
    return msgspec.structs.replace(made, full_path=target.path or "/", keeps_query=False)


def _app_root(base: Route, location: Location) -> Iterator[Route]:
    if root := location.settings.app_root:
        redirect = Redirect(full_path=root, status=302, keeps_query=False)
        match = Match(PathMatch(PathType.EXACT, "/"))
        yield msgspec.structs.replace(base, match=match, action=RedirectTo(redirect))


def _preflight(base: Route, location: Location) -> Iterator[Route]:
    """Where every origin is allowed, OPTIONS is answered without a backend, and before any check."""
    if headers := tuple(cors.open_headers(location.settings)):
        match = msgspec.structs.replace(base.match, method="OPTIONS")
        yield msgspec.structs.replace(
            base, match=match, action=Answer(NO_CONTENT), response_headers=HeaderChanges(set=headers)
        )


def _came_by_https(forwarded: Iterable[Route]) -> Iterator[Route]:
    """The routes for requests that a proxy in front has received by HTTPS."""
    by_https = ValueMatch("x-forwarded-proto", ValueType.EXACT, "https")
    return (_where(one, by_https, one.action) for one in forwarded)


def _acme(forwarded: tuple[Route, ...], path: PathMatch) -> Iterator[Route]:
    """The routes for the paths under `ACME` that the location has."""
    if path.type in {PathType.PREFIX, PathType.TEXT} and f"{ACME}/".startswith(path.value):
        for one in forwarded:
            below = msgspec.structs.replace(one.match, path=PathMatch(PathType.PREFIX, ACME))
            yield msgspec.structs.replace(one, match=below)


class _Forwarding:
    """Clusters, their secrets and missing objects are collected while routes are made."""

    def __init__(self, location: Location, server: Server, references: References, *, is_plain: bool) -> None:
        self._location = location
        self._server = server
        self._settings = location.settings
        self._references = references
        self._is_plain = is_plain
        self.clusters: dict[Cluster | NamedHost, None] = {}
        self.secrets: dict[Authorities | Certificate, None] = {}
        self.missing: list[Missing] = []
        self._mirrors: tuple[Mirror, ...] = ()

    def routes(self, base: Route) -> Iterator[Route]:
        """Yield the routes in the order in which they are tried: those of a canary's headers come first."""
        checked = self._protected(base)
        if checked is None:
            yield base
            return
        base = checked
        main = self._cluster(self._location.backend, self._settings)
        canary = self._location.canary
        if canary is None:
            yield msgspec.structs.replace(base, action=self._action((main, 1)))
            return
        other = self._cluster(canary.backend, _of_canary(self._settings, canary.settings))
        side = canaries.side_cookie(self._settings)
        if side:
            for name, cluster in zip(canaries.SIDES, (main, other), strict=True):
                yield _where(base, canaries.cookie_match(side, name), self._action((cluster, 1)))
        for one, to_canary in canaries.matches(canary.settings):
            shares = ((None, 0), (other, 1)) if to_canary else ((main, 1),)
            yield _where(base, one, self._action(*shares, side=side))
        total = canary.settings.canary_weight_total
        weight = min(canary.settings.canary_weight, total)
        yield msgspec.structs.replace(base, action=self._action((main, total - weight), (other, weight), side=side))

    def _cluster(self, backend: IngressBackend, settings: Settings) -> Cluster | None:
        found = self._references.cluster(backend, self._location.ingress.namespace, settings)
        if isinstance(found, Missing):
            self.missing.append(found)
            return None
        self.clusters[found] = None
        self.secrets |= dict.fromkeys(self._references.secrets(found, settings))
        return found

    def _protected(self, base: Route) -> Route | None:
        """Return the route with what is checked before a backend; None where a check is not possible."""
        settings, namespace = self._settings, self._location.ingress.namespace
        found = access.access(self._location, self._server, self._references)
        headers = self._references.response_headers(namespace, settings)
        if isinstance(headers, Missing):
            self.missing.append(headers)
            headers = ()
        if isinstance(found, Missing):
            self.missing.append(found)
            return None
        server = self._server
        if self._is_plain and self._location.path.startswith(access.ACME):
            server = msgspec.structs.replace(server, client=None)  # a certificate is renewed by requests in plain text
        scripted = scripts.scripted(self._location, server, found, self._references)
        self.missing += scripted.missing
        self.clusters |= dict.fromkeys(scripted.clusters)
        self._mirrors = scripted.mirrors
        return msgspec.structs.replace(
            base,
            cors=cors.listed(settings),
            clients=access.clients(self._location, self._references.options),
            rate=access.rate(settings, self._references.options),
            users=found.users,
            max_body=_max_body(settings),
            buffers_body=_buffers_body(settings),
            tracing=_tracing(settings, self._references.options),
            script=scripted.script,
            subject=_subject(server),
            request_headers=HeaderChanges(
                set=tuple(_request_headers(settings, self._location)),
                remove=("Authorization",) if settings.auth_type else (),
            ),
            response_headers=HeaderChanges(set=(*cors.open_headers(settings), *headers)),
        )

    def _action(self, *shares: tuple[Cluster | None, int], side: str = "") -> Forward | Answer:
        """A share without a backend is left to the others; without any the answer is 503."""
        settings = self._settings
        backends = tuple(
            WeightedBackend(one.name, weight, response_headers=self._side_cookie(side, number))
            for number, (one, weight) in enumerate(shares)
            if one is not None and weight > 0
        )
        if not backends:
            return Answer(NO_BACKEND)
        return Forward(
            backends=backends,
            rewrite=_rewrite(settings, self._location.path),
            mirrors=self._mirrors,
            timeouts=Timeouts(idle=max(settings.proxy_read_timeout, settings.proxy_send_timeout)),
            retry=_retry(settings),
            session=sessions.session(self._location, is_plain=self._is_plain),
            is_websocket=not settings.backend_protocol.startswith("GRPC"),
            hash_keys=settings.upstream_hash_by,
        )

    def _side_cookie(self, name: str, number: int) -> HeaderChanges:
        if not name:
            return HeaderChanges()
        text = sessions.side_cookie(self._location, name, canaries.SIDES[number])
        return HeaderChanges(add=(Header("Set-Cookie", text),))


def _where(base: Route, match: ValueMatch, action: Forward | Answer | RedirectTo) -> Route:
    """A route for a part of the requests of another."""
    narrower = msgspec.structs.replace(base.match, headers=(*base.match.headers, match))
    return msgspec.structs.replace(base, match=narrower, action=action)


def _of_canary(main: Settings, canary: Settings) -> Settings:
    """Of a canary's annotations only those of balancing count."""
    return msgspec.structs.replace(main, load_balance=canary.load_balance, upstream_hash_by=canary.upstream_hash_by)


def _tracing(settings: Settings, options: Options) -> RouteTracing | None:
    desired, name = settings.enable_opentelemetry, settings.opentelemetry_operation_name
    if not options.otlp_collector_host or (desired is None and not name):
        return None
    is_on = options.enable_opentelemetry if desired is None else desired
    return RouteTracing(options.percent_traced if is_on else 0.0, name)


def _subject(server: Server) -> str:
    pattern = server.client.settings.auth_tls_match_cn if server.client is not None else ""
    return expression.containing(pattern) if pattern else ""


def _max_body(settings: Settings) -> int | None:
    """Return the limit of bodies; None: the listener has it. An Envoy reads every route again for a change of one."""
    is_usual = settings.proxy_body_size == DEFAULTS.proxy_body_size and _buffers_body(settings)
    return None if is_usual else settings.proxy_body_size


def _buffers_body(settings: Settings) -> bool:
    """Whether bodies are complete before a backend is connected: they are kept in memory then."""
    return settings.proxy_request_buffering == "on" and settings.proxy_body_size <= MOST_BUFFERED


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
    """Failures before anything was sent are repeated for every method; the script adds those after that.

    By default the policy of the cluster does the first.
    """
    if not settings.has_own_retries:
        return None
    desired = set(settings.proxy_next_upstream)
    tries = settings.proxy_next_upstream_tries or MOST_TRIES
    if "off" in desired or tries == 1:
        return None
    return Retry(tries - 1, on_connection_error=bool(desired & {"error", "timeout"}))
