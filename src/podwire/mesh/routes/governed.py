"""Routes and hosts with what the policies of Services add to them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.edge.gateway.backend_identity import renamed
from podwire.edge.gateway.backends import HTTP_PROTOCOLS, Unresolved, resolve
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.references import BackendObjectReference
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.backends import Cluster, ServicePort, WeightedBackend
from podwire.edge.model.filters import SessionPersistence
from podwire.edge.model.matches import Match
from podwire.edge.model.routes import Forward, Route, RouteName, VirtualHost
from podwire.kube.hostnames import ANY
from podwire.kube.meta import NamespacedName
from podwire.mesh.routes.attachment import is_carried
from podwire.mesh.routes.frontends import Frontend, has_address
from podwire.mesh.routes.policies import Policies
from podwire.mesh.routes.settings import Settings


def governed(translated: Translated, policies: Policies) -> Translated:
    """Return a route whose clusters are those that the policies of their Services want, and that keeps sessions."""
    found = {one.name: (one, _settings(one.port, policies)) for one in translated.clusters}
    clusters = {name: _cluster(one, settings) for name, (one, settings) in found.items()}
    names = {before: one.name for before, one in clusters.items()}
    sessions = {names[name]: each.session for name, (_, each) in found.items() if each.session is not None}
    routes = tuple(_keeping_sessions(renamed(one, names), sessions) for one in translated.routes)
    return msgspec.structs.replace(translated, routes=routes, clusters=tuple(clusters.values()))


def with_policy(host: VirtualHost, frontend: Frontend, policies: Policies) -> VirtualHost:
    """Return the host of a frontend with the rate and the faults of its Service's policy."""
    settings = policies.settings(frontend.key, frontend.port)
    return msgspec.structs.replace(host, rate=settings.rate, fault=settings.fault)


def policy_frontends(service: NamespacedName, objects: Objects, policies: Policies) -> tuple[Frontend, ...]:
    """Return the ports of a Service that have a policy, and HTTP by their appProtocol: they need no route."""
    found = objects.services.get(service)
    if found is None or not policies.of(service) or not has_address(found):
        return ()
    if not is_carried(service, service.namespace, objects):
        return ()
    ports = [one for one in found.spec.ports if one.protocol == "TCP" and _is_http(one.app_protocol)]
    return tuple(
        Frontend(service.namespace, service.name, one.port)
        for one in ports
        if policies.settings(service, one.port) != Settings()
    )


def policy_host(frontend: Frontend, objects: Objects, policies: Policies) -> tuple[VirtualHost, Cluster] | None:
    """Return a host that leads all requests to the Service itself; None where that cannot be."""
    reference = BackendObjectReference(frontend.service, namespace=frontend.namespace, port=frontend.port)
    cluster = resolve(reference, "spec.targetRefs", Referrer("HTTPRoute", frontend.namespace), objects)
    if isinstance(cluster, Unresolved):
        return None
    name = RouteName("Service", frontend.namespace, frontend.service)
    plain = Route(name, Match(), Forward((WeightedBackend(cluster.name),)))
    whole = governed(Translated((plain,), (cluster,)), policies)
    host = VirtualHost(frontend.table, ANY, whole.routes)
    return with_policy(host, frontend, policies), whole.clusters[0]


def _is_http(protocol: str | None) -> bool:
    return bool(protocol) and (protocol or "").lower() in HTTP_PROTOCOLS


def _settings(port: ServicePort, policies: Policies) -> Settings:
    return policies.settings(NamespacedName(port.namespace, port.service), port.port)


def _cluster(cluster: Cluster, settings: Settings) -> Cluster:
    is_sticky = cluster.is_sticky or settings.session is not None
    return msgspec.structs.replace(cluster, resilience=settings.resilience, is_sticky=is_sticky)


def _keeping_sessions(route: Route, sessions: Mapping[str, SessionPersistence]) -> Route:
    """The session of a route's own rule is in force before that of a policy of its backends, the first one that has."""
    action = route.action
    if not isinstance(action, Forward) or action.session is not None or not sessions:
        return route
    found = next((sessions[one.cluster] for one in action.backends if one.cluster in sessions), None)
    return msgspec.structs.replace(route, action=msgspec.structs.replace(action, session=found))
