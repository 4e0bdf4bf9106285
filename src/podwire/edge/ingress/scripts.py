"""What of a location's annotations the script does: everything that no filter of a proxy does. Pure."""

from __future__ import annotations

import msgspec

from podwire.edge.ingress.access import Access, any_suffices, client_certificate, located, variables
from podwire.edge.ingress.annotations.settings import Settings
from podwire.edge.ingress.locations import Location
from podwire.edge.ingress.missing import Missing
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import Server
from podwire.edge.ingress.targets import target
from podwire.edge.model.backends import Cluster, NamedHost
from podwire.edge.model.filters import Mirror
from podwire.edge.model.script import (
    ClientCertificate,
    Copy,
    ErrorPages,
    Part,
    Replacement,
    Retries,
    Script,
    SessionCookie,
    SetHeader,
)
from podwire.kube.meta import NamespacedName

UNAVAILABLE = "503"
_OF_PAGES = {
    "X-Namespace": "namespace",
    "X-Ingress-Name": "ingress_name",
    "X-Service-Name": "service_name",
    "X-Service-Port": "service_port",
}


class Scripted(msgspec.Struct, frozen=True):
    """The script of a location, the copies of requests that the proxy itself sends, and what both need."""

    script: Script = Script()
    mirrors: tuple[Mirror, ...] = ()
    clusters: tuple[Cluster | NamedHost, ...] = ()
    missing: tuple[Missing, ...] = ()


def scripted(location: Location, server: Server, access: Access, references: References) -> Scripted:
    """Return what the script does for a location that forwards to a backend."""
    settings = location.settings
    errors, copied = _error_pages(location, references), _copy(location, server, references)
    chooses = any_suffices(location, references.options)
    script = Script(
        scope=str(location.ingress) if settings.limit_connections else "",
        certificate=certificate(server),
        connections=settings.limit_connections,
        connections_status=references.options.limit_conn_status_code if settings.limit_connections else 0,
        connections_exempt=settings.limit_allowlist if settings.limit_connections else (),
        any_suffices=chooses,
        has_addresses=chooses and bool(settings.allowlist_source_range),
        passwords=access.passwords,
        auth=access.auth,
        retries=_retries(settings),
        copy=copied.script.copy,
        errors=errors.script.errors,
        location=_location(location),
        cookie_domain=_located(settings.proxy_cookie_domain, location),
        cookie_path=_located(settings.proxy_cookie_path, location),
        session=_session(settings),
        logged=settings.enable_access_log,
    )
    clusters = (*access.clusters, *errors.clusters, *copied.clusters)
    return Scripted(script, copied.mirrors, clusters, (*errors.missing, *copied.missing))


def certificate(server: Server) -> ClientCertificate | None:
    """Return what certificates of clients of a host must be; None: anything."""
    return client_certificate(server.client.settings) if server.client is not None else None


def _error_pages(location: Location, references: References) -> Scripted:
    settings, namespace = location.settings, location.ingress.namespace
    key = settings.default_backend
    if key is None:
        if not settings.custom_http_errors:
            return Scripted()
        message = "custom-http-errors has no effect without default-backend, the Service of the pages: add it"
        return Scripted(missing=(Missing("InvalidDefaultBackend", message),))
    if key.namespace not in {"", namespace}:
        message = f"default-backend: Service {key} is in another namespace: name one of {namespace}"
        return Scripted(missing=(Missing("InvalidDefaultBackend", message),))
    cluster = references.first_port(NamespacedName(namespace, key.name))
    if isinstance(cluster, Missing):
        return Scripted(missing=(cluster,))
    statuses = tuple(str(one) for one in settings.custom_http_errors)
    own = settings.disable_proxy_intercept_errors
    known = variables(location)
    pages = ErrorPages(
        cluster.name,
        () if own else statuses,
        own_only=(UNAVAILABLE, *(statuses if own else ())),
        headers=tuple(SetHeader(name, known[variable]) for name, variable in _OF_PAGES.items()),
    )
    return Scripted(Script(errors=pages), clusters=(cluster,))


def _copy(location: Location, server: Server, references: References) -> Scripted:
    """With its body a request is copied by the proxy itself, without it by the script."""
    settings = location.settings
    url = settings.mirror_target
    if url is None:
        return Scripted()
    found = target(url, location, server, references)
    if isinstance(found, Missing):
        return Scripted(missing=(found,))
    host = settings.mirror_host or url.host
    if settings.mirror_request_body:
        return Scripted(Script(), (Mirror(found.cluster.name, hostname=host),), (found.cluster,))
    authority = (Part(host),) if host else (Part(variable="http_host"),)
    copied = Copy(found.cluster.name, authority, located(url.path, location))
    return Scripted(Script(copy=copied), clusters=(found.cluster,))


def _retries(settings: Settings) -> Retries | None:
    """Failures after a backend may have seen the request; those before are in the policy of the route."""
    desired = set(settings.proxy_next_upstream)
    if not settings.has_own_retries or "off" in desired or settings.proxy_next_upstream_tries == 1:
        return None
    statuses = tuple(sorted(one.removeprefix("http_") for one in desired if one.startswith("http_")))
    conditions: tuple[str, ...] = ("reset",) if desired & {"error", "invalid_header"} else ()
    if statuses:
        conditions = (*conditions, "retriable-status-codes")
    return Retries(conditions, statuses, every_method="non_idempotent" in desired) if conditions else None


def _location(location: Location) -> Replacement | None:
    settings = location.settings
    if not settings.proxy_redirect_from or not settings.proxy_redirect_to:
        return None
    return _located(Replacement(settings.proxy_redirect_from, settings.proxy_redirect_to), location)


def _located(found: Replacement | None, location: Location) -> Replacement | None:
    return found and Replacement(located(found.before, location), located(found.after, location))


def _session(settings: Settings) -> SessionCookie | None:
    spares = settings.session_cookie_conditional_samesite_none and settings.session_cookie_samesite == "None"
    if settings.affinity != "cookie" or not (spares or settings.session_cookie_expires):
        return None
    return SessionCookie(settings.session_cookie_name, settings.session_cookie_expires, spares)
