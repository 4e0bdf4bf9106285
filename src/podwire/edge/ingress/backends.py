"""What a backend of an Ingress leads to: a cluster, or a reason why there is none. Pure.

Source: Kubernetes "Ingress", backends; kubernetes/ingress-nginx `backend-protocol`.
"""

from __future__ import annotations

import msgspec

from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations.settings import Settings
from podwire.edge.ingress.kinds import IngressBackend
from podwire.edge.model.backends import CONNECT_SECONDS, Cluster, ServicePort, Transport
from podwire.edge.model.tls import BackendTls
from podwire.kube import services
from podwire.kube.meta import NamespacedName

_TRANSPORTS = {
    "HTTP": (Transport.HTTP1, False),
    "HTTPS": (Transport.HTTP1, True),
    "GRPC": (Transport.H2C, False),
    "GRPCS": (Transport.H2C, True),
}


class NoBackend(msgspec.Struct, frozen=True):
    """Why a backend gets no requests: they are answered by 503."""

    reason: str
    message: str


def cluster(backend: IngressBackend, namespace: str, settings: Settings, objects: Objects) -> Cluster | NoBackend:
    """Return the cluster of a backend of an Ingress in this namespace, or why there is none."""
    if backend.service is None:
        kind = backend.resource.kind if backend.resource else "nothing"
        return NoBackend("UnsupportedBackend", f"a backend of kind {kind} is not served: name a Service")
    key = NamespacedName(namespace, backend.service.name)
    service = objects.services.get(key)
    if service is None:
        return NoBackend("ServiceNotFound", f"Service {key} does not exist: create it, or correct the name")
    if service.spec.type == "ExternalName":
        return NoBackend("UnsupportedBackend", f"Service {key} is of type ExternalName, which could lead anywhere")
    port = _port(service, backend)
    if port is None:
        names = ", ".join(f"{one.name} ({one.port})" if one.name else str(one.port) for one in service.spec.ports)
        return NoBackend(
            "PortNotFound", f"Service {key} has no TCP port {backend.service.port}: its ports are {names or 'none'}"
        )
    transport, encrypted = _TRANSPORTS[settings.backend_protocol]
    return Cluster(
        port=ServicePort(namespace, key.name, port),
        transport=transport,
        tls=BackendTls("", version="unverified", is_verified=False) if encrypted else None,
        is_sticky=settings.affinity == "cookie",
        connect_timeout=settings.proxy_connect_timeout or CONNECT_SECONDS,
    )


def _port(service: services.Service, backend: IngressBackend) -> int | None:
    assert backend.service is not None
    wanted = backend.service.port
    for one in service.spec.ports:
        if one.protocol == "TCP" and (one.name == wanted.name if wanted.name else one.port == wanted.number):
            return one.port
    return None
