"""URLs that a proxy sends requests to: a port of a Service, the backend of a path of the same host, or a name. Pure.

Source: kubernetes/ingress-nginx v1.15.1 annotations `auth-url` and `mirror-target`, whose hosts nginx resolves itself.
"""

from __future__ import annotations

import msgspec

from podwire.edge.ingress.annotations.templates import Url, service_of
from podwire.edge.ingress.locations import Location, path_match
from podwire.edge.ingress.missing import Missing
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import ANY_HOST, Server
from podwire.edge.model.backends import Cluster, NamedHost
from podwire.edge.model.choice import Request, mismatches
from podwire.edge.model.matches import Match
from podwire.edge.model.script import Part, Template


class Target(msgspec.Struct, frozen=True):
    """A cluster, and the Host that requests to it have."""

    cluster: Cluster | NamedHost
    authority: Template


def target(url: Url, location: Location, server: Server, references: References) -> Target | Missing:
    """Return where requests to a URL go, or why they go nowhere."""
    if not url.host:
        return _of_own_host(url, location, server, references)
    is_usual = url.port == (443 if url.is_encrypted else 80)
    authority = (Part(url.host if is_usual else f"{url.host}:{url.port}"),)
    service = service_of(url)
    if service is None:
        return Target(NamedHost(url.host, url.port, url.is_encrypted), authority)
    cluster = references.service(service, url.port, is_encrypted=url.is_encrypted)
    return cluster if isinstance(cluster, Missing) else Target(cluster, authority)


def _of_own_host(url: Url, location: Location, server: Server, references: References) -> Target | Missing:
    """The request is not sent to the proxy itself again, but to the backend of the path."""
    host = server.host if server.host != ANY_HOST else "any"
    request = Request(host, url.fixed_path)
    for one in server.locations:
        match = Match(path_match(one, by_expression=server.by_expression))
        if not tuple(mismatches(match, request)):
            cluster = references.cluster(one.backend, one.ingress.namespace, one.settings)
            return cluster if isinstance(cluster, Missing) else Target(cluster, (Part(variable="http_host"),))
    message = f"no path of host {server.host} is for {url.fixed_path}: add one for the service, or name the Service"
    return Missing("InvalidAuthUrl" if url == location.settings.auth_url else "InvalidMirror", message)
