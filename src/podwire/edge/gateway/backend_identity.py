"""The backends of a route as a Gateway with a certificate of its own connects to them. Pure.

A cluster shows one certificate, so Gateways that show different ones have clusters of their own. Source: GEP-3155.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from podwire.edge.gateway.http_routes import Translated
from podwire.edge.model.backends import Cluster, WeightedBackend
from podwire.edge.model.filters import ExternalAuth, Mirror
from podwire.edge.model.routes import Forward, Route

UserT = TypeVar("UserT", WeightedBackend, Mirror, ExternalAuth)


def with_identity(translated: Translated, certificate: str) -> Translated:
    """Return the route with clusters that show this certificate where they use TLS; empty: the route as it is."""
    if not certificate or not any(one.tls for one in translated.clusters):
        return translated
    clusters = {one.name: _showing(one, certificate) for one in translated.clusters}
    names = {before: one.name for before, one in clusters.items()}
    routes = tuple(renamed(one, names) for one in translated.routes)
    return msgspec.structs.replace(translated, routes=routes, clusters=tuple(clusters.values()))


def _showing(cluster: Cluster, certificate: str) -> Cluster:
    if cluster.tls is None:
        return cluster
    digest = hashlib.blake2b(certificate.encode(), digest_size=8).hexdigest()
    tls = msgspec.structs.replace(cluster.tls, certificate=certificate, version=f"{cluster.tls.version}-{digest}")
    return msgspec.structs.replace(cluster, tls=tls)


def renamed(route: Route, names: Mapping[str, str]) -> Route:
    """Return the route with other names of clusters; a name that is none of a cluster is left."""
    action, auth = route.action, route.auth
    if isinstance(action, Forward):
        action = msgspec.structs.replace(
            action,
            backends=tuple(_to(one, names) for one in action.backends),
            mirrors=tuple(_to(one, names) for one in action.mirrors),
        )
    return msgspec.structs.replace(route, action=action, auth=_to(auth, names) if auth is not None else None)


def _to(user: UserT, names: Mapping[str, str]) -> UserT:
    return msgspec.structs.replace(user, cluster=names.get(user.cluster, user.cluster))
