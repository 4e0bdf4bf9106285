"""Who may send requests to a location, and how many: addresses, users, authorization, certificates, rates. Pure.

Source: kubernetes/ingress-nginx v1.15.1 `nginx.tmpl`; nginx's phases.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl

import msgspec

from podwire.edge.ingress.annotations.settings import Settings
from podwire.edge.ingress.locations import Location
from podwire.edge.ingress.missing import Missing
from podwire.edge.ingress.options.options import Options
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import Server
from podwire.edge.ingress.targets import Target, target
from podwire.edge.model.backends import Cluster, NamedHost
from podwire.edge.model.filters import BasicAuth, ClientRanges, Rate, RateLimit
from podwire.edge.model.script import AnswerCache, AuthRequest, ClientCertificate, Part, Passwords, SetHeader, Template

ACME = "/.well-known/acme-challenge"
"""Paths that certificates are proven by: they are never redirected to HTTPS or checked (RFC 8555, 8.3)."""


class Access(msgspec.Struct, frozen=True):
    """What is checked before a backend, and the clusters that it needs."""

    users: BasicAuth | None = None
    passwords: Passwords | None = None
    auth: AuthRequest | None = None
    clusters: tuple[Cluster | NamedHost, ...] = ()


def access(location: Location, server: Server, references: References) -> Access | Missing:
    """Return who may send requests to a location, or what is missing to decide it."""
    settings, namespace = location.settings, location.ingress.namespace
    if not _is_checked(location, references.options):
        return Access()
    users = references.users(namespace, settings)
    if isinstance(users, Missing):
        return users
    found = _authorization(location, server, references)
    if isinstance(found, Missing):
        return found
    if isinstance(users, BasicAuth):
        return msgspec.structs.replace(found, users=users)
    return msgspec.structs.replace(found, passwords=users)


def client_certificate(settings: Settings) -> ClientCertificate:
    """Return what a client's certificate must be."""
    return ClientCertificate(
        required=settings.auth_tls_verify_client == "on",
        verified=settings.auth_tls_verify_client != "optional_no_ca",
        error_page=settings.auth_tls_error_page,
        passes=settings.auth_tls_pass_certificate_to_upstream,
    )


def clients(location: Location, options: Options) -> ClientRanges | None:
    """Return the addresses of clients; None: any.

    Where one check is enough, an address that is only not denied is none (nginx `ngx_http_access_module`).
    """
    allowed, denied = location.settings.allowlist_source_range, location.settings.denylist_source_range
    chooses = any_suffices(location, options)
    if chooses and not allowed:
        return None
    return ClientRanges(allowed, denied, only_marks=chooses) if allowed or denied else None


def any_suffices(location: Location, options: Options) -> bool:
    """Whether one of several checks is enough; where users are not checked, addresses are the only one."""
    settings = location.settings
    has_users = bool(settings.auth_type or settings.auth_url) and _is_checked(location, options)
    return settings.satisfy == "any" and has_users


def _is_checked(location: Location, options: Options) -> bool:
    """Whether users are checked: not in the paths of `no-auth-locations`."""
    return not location.path.startswith(options.no_auth_locations)


def rate(settings: Settings, options: Options) -> RateLimit | None:
    """Return how many requests a client may send; None: any number.

    nginx admits one request and, without delay, as many more as its burst.
    """
    burst = settings.limit_burst_multiplier
    given = ((settings.limit_rps, 1.0), (settings.limit_rpm, 60.0))
    rates = tuple(Rate(number, seconds, number * burst + 1) for number, seconds in given if number)
    return RateLimit(rates, settings.limit_allowlist, options.limit_req_status_code) if rates else None


def located(template: Template, location: Location) -> Template:
    """Return a text whose variables of the location are replaced by what they are."""
    known = variables(location)
    return tuple(Part(known[one.variable]) if one.variable in known else one for one in template)


def variables(location: Location) -> dict[str, str]:
    """Return the variables of nginx that a location sets."""
    service = location.backend.service
    return {
        "namespace": location.ingress.namespace,
        "ingress_name": location.ingress.name,
        "service_name": service.name if service else "",
        "service_port": str(service.port) if service else "",
        "location_path": location.path,
    }


def _authorization(location: Location, server: Server, references: References) -> Access | Missing:
    settings, namespace = location.settings, location.ingress.namespace
    if settings.auth_url is None:
        common = references.options.global_auth if settings.enable_global_auth else None
        if common is None:
            return Access()
        location = msgspec.structs.replace(location, settings=common)
        settings = common
    assert settings.auth_url is not None, "there is a service"
    found = target(settings.auth_url, location, server, references)
    headers = references.headers(settings.auth_proxy_set_headers, namespace)
    if isinstance(found, Missing):
        return found
    if isinstance(headers, Missing):
        return headers
    given = tuple(SetHeader(one.name, one.value) for one in headers)
    return Access(auth=_auth_request(location, server, found, given), clusters=(found.cluster,))


def _auth_request(location: Location, server: Server, to: Target, headers: tuple[SetHeader, ...]) -> AuthRequest:
    settings = location.settings
    assert settings.auth_url is not None, "there is a service"
    cache = None
    if settings.auth_cache_key:
        scope = f"{server.host} {location.ingress} {location.path}"
        cache = AnswerCache(scope, located(settings.auth_cache_key, location), dict(settings.auth_cache_duration))
    return AuthRequest(
        cluster=to.cluster.name,
        authority=to.authority,
        path=located(settings.auth_url.path, location),
        method=settings.auth_method,
        headers=headers,
        response_headers=settings.auth_response_headers,
        signin=located(tuple(_signin(settings)), location),
        original_request=located(settings.auth_request_redirect, location),
        always_sets_cookie=settings.auth_always_set_cookie,
        cache=cache,
    )


def _signin(settings: Settings) -> Iterator[Part]:
    """The URL of the page, with the URL of the request in a parameter where the page has no such parameter."""
    url = settings.auth_signin
    if not url:
        return
    yield from url
    query = "".join(one.text or "x" for one in url).partition("?")[2]
    name = settings.auth_signin_redirect_param
    if name not in dict(parse_qsl(query)):
        yield Part(f"{'&' if query else '?'}{name}=")
        yield Part(variable="scheme")
        yield Part("://")
        yield Part(variable="http_host")
        yield Part(variable="escaped_request_uri")
