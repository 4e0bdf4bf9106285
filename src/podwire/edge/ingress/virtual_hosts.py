"""The virtual hosts of a server: one on the port of plain HTTP, one on that of HTTPS. Pure.

Source: Kubernetes "Ingress", hostname wildcards: `*` is one label, where a domain of Envoy has any number of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.ingress import location_routes
from podwire.edge.ingress.escaped_slashes import guards
from podwire.edge.ingress.location_routes import PERMANENT_REDIRECT
from podwire.edge.ingress.missing import Missing
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import ANY_HOST, Server
from podwire.edge.model.backends import Cluster, NamedHost
from podwire.edge.model.choice import AUTHORITY
from podwire.edge.model.filters import Header, HeaderChanges, Redirect
from podwire.edge.model.matches import Match, ValueMatch, ValueType
from podwire.edge.model.routes import RedirectTo, Route, RouteName, VirtualHost
from podwire.edge.model.tls import Authorities, Certificate
from podwire.kube.meta import NamespacedName

HTTP_TABLE, HTTPS_TABLE = "ingress:http", "ingress:https"
TABLES = (HTTP_TABLE, HTTPS_TABLE)


class Unmet(msgspec.Struct, frozen=True):
    """A reference of an Ingress that resolves to nothing."""

    ingress: NamespacedName
    missing: Missing


class Hosts(msgspec.Struct, frozen=True):
    """The virtual hosts of a server, the clusters that they forward to, and what is missing."""

    hosts: tuple[VirtualHost, ...]
    clusters: tuple[Cluster | NamedHost, ...] = ()
    secrets: tuple[Authorities | Certificate, ...] = ()
    missing: tuple[Unmet, ...] = ()


def virtual_hosts(
    server: Server, references: References, *, has_certificate: bool, others: Server | None = None
) -> Hosts:
    """Return the hosts of a server; `others` is the server of any host, which further labels of a wildcard go to."""
    plain, encrypted = _Table(references), _Table(references)
    further = others.locations if server.host.startswith("*.") and others is not None else ()
    first = tuple(guards((*server.locations, *further)))
    plain.routes += first
    encrypted.routes += first
    plain.add(server, has_certificate=has_certificate, is_plain=True)
    encrypted.add(server, has_certificate=has_certificate, is_plain=False)
    if server.host.startswith("*.") and others is not None:
        plain.add(others, has_certificate=False, is_plain=True)
        encrypted.add(others, has_certificate=False, is_plain=False)
    sent, returned = _of_all(references)
    secure = references.options.strict_transport_security if has_certificate else ""
    strict = (Header("Strict-Transport-Security", secure),) if secure else ()
    hosts = (
        VirtualHost(HTTP_TABLE, server.host, tuple(plain.routes), False, sent, returned),
        VirtualHost(
            HTTPS_TABLE,
            server.host,
            tuple(encrypted.routes),
            False,
            sent,
            msgspec.structs.replace(returned, set=(*returned.set, *strict)),
        ),
    )
    return Hosts(
        hosts,
        tuple(plain.clusters | encrypted.clusters),
        tuple(plain.secrets | encrypted.secrets),
        tuple(plain.missing | encrypted.missing),
    )


def _of_all(references: References) -> tuple[HeaderChanges, HeaderChanges]:
    """Return what options do to the headers of all requests and of all responses."""
    options = references.options
    sent, added = (
        references.headers_of(one, one, one.namespace) if one is not None else ()
        for one in (options.proxy_set_headers, options.add_headers)
    )
    return (
        HeaderChanges(set=() if isinstance(sent, Missing) else sent),
        HeaderChanges(set=() if isinstance(added, Missing) else added, remove=options.hide_headers),
    )


def further_names(server: Server) -> tuple[str, ...]:
    """Return the names that have the same as the host, or are redirected to it, where no Ingress has them."""
    names = dict.fromkeys(one for location in server.locations for one in location.settings.server_alias)
    if (other := www_name(server)) and other not in names:
        names[other] = None
    names.pop(server.host, None)
    return tuple(names)


def www_name(server: Server) -> str:
    """Return the name with or without `www.` that is redirected to the host; empty: no Ingress wants it."""
    desired = any(one.settings.from_to_www_redirect for one in server.locations)
    if not desired or "*" in server.host:
        return ""
    return server.host.removeprefix("www.") if server.host.startswith("www.") else f"www.{server.host}"


def virtual_hosts_of_name(server: Server, found: Hosts, name: str) -> tuple[VirtualHost, ...]:
    """Return the virtual hosts of a further name of a server."""
    if name != www_name(server):
        return tuple(msgspec.structs.replace(one, domain=name) for one in found.hosts)
    first = server.locations[0].ingress
    redirect = RedirectTo(Redirect(hostname=server.host, status=PERMANENT_REDIRECT))
    route = Route(RouteName("Ingress", first.namespace, first.name, -1, -1), Match(), redirect)
    return tuple(VirtualHost(table, name, (route,)) for table in TABLES)


class _Table:
    """The routes of one table, collected."""

    def __init__(self, references: References) -> None:
        self._references = references
        self.routes: list[Route] = []
        self.clusters: dict[Cluster | NamedHost, None] = {}
        self.secrets: dict[Authorities | Certificate, None] = {}
        self.missing: dict[Unmet, None] = {}

    def add(self, server: Server, *, has_certificate: bool, is_plain: bool) -> None:
        server = self._verified(server)
        for location in server.locations:
            found = location_routes.routes(
                location, server, self._references, has_certificate=has_certificate, is_plain=is_plain
            )
            self.routes += _of_one_label(found.routes, server.host)
            self.clusters |= dict.fromkeys(found.clusters)
            self.secrets |= dict.fromkeys(found.secrets)
            self.missing |= dict.fromkeys(Unmet(location.ingress, one) for one in found.missing)

    def _verified(self, server: Server) -> Server:
        """Return the server; it is denied where the authorities of clients' certificates are missing."""
        if server.client is None:
            return server
        named = server.client.settings.auth_tls_secret
        assert named is not None, "a verification has a Secret"
        found = self._references.authorities(named, server.client.ingress.namespace)
        if not isinstance(found, Missing):
            return server
        self.missing[Unmet(server.client.ingress, found)] = None
        return msgspec.structs.replace(server, denied=found.message)


def _of_one_label(routes: Iterable[Route], host: str) -> Iterator[Route]:
    """The routes of a wildcard match hosts with exactly one further label."""
    if host == ANY_HOST or not host.startswith("*."):
        yield from routes
        return
    pattern = rf"(?i:[^.]+{re.escape(host[1:])})(?::[0-9]+)?"
    authority = ValueMatch(AUTHORITY, ValueType.REGEX, pattern)
    for route in routes:
        match = msgspec.structs.replace(route.match, headers=(*route.match.headers, authority))
        yield msgspec.structs.replace(route, match=match)
