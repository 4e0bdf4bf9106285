"""Rules of a TLSRoute, TCPRoute or UDPRoute as a route of the model. Pure.

Source: gateway-api v1.6.3 `apis/v1/{tls,tcp,udp}route_types.go`.
"""

from __future__ import annotations

from podwire.edge.gateway.backends import Unresolved, resolve
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.stream_routes import StreamRoute
from podwire.edge.gateway.objects import Objects
from podwire.edge.model import routes as model
from podwire.edge.model.backends import Cluster, Transport, WeightedBackend
from podwire.edge.model.routes import RouteName

TRANSPORTS = {"TLSRoute": Transport.TCP, "TCPRoute": Transport.TCP, "UDPRoute": Transport.UDP}
"""What the proxy speaks to a backend by the kind of the route."""


def translated(kind: str, route: StreamRoute, objects: Objects) -> Translated:
    """Return the route's part of the model; the API allows one rule. `kind` is TLSRoute, TCPRoute or UDPRoute."""
    key, referrer = route.key, Referrer(kind, route.metadata.namespace)
    backends: list[WeightedBackend] = []
    clusters: dict[str, Cluster] = {}
    unresolved: list[Unresolved] = []
    for index, rule in enumerate(route.spec.rules):
        for number, one in enumerate(rule.backend_refs):
            found = resolve(one, f"spec.rules[{index}].backendRefs[{number}]", referrer, objects, TRANSPORTS[kind])
            if isinstance(found, Unresolved):
                unresolved.append(found)
                backends.append(WeightedBackend("", one.weight, problem=found.message))
            else:
                clusters[found.name] = found
                backends.append(WeightedBackend(found.name, one.weight))
    name = RouteName(kind, key.namespace, key.name)
    stream = model.StreamRoute(name, tuple(backends))
    return Translated(stream=stream, clusters=tuple(clusters.values()), unresolved=tuple(unresolved))
