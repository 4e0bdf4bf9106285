"""What a reference to a backend resolves to: a cluster, or a reason why there is none. Pure.

Source: gateway-api v1.6.3 `httproute_types.go` HTTPBackendRef and `shared_types.go` RouteReasonBackendNotFound.
"""

from __future__ import annotations

import msgspec

from podwire.edge.gateway import grants
from podwire.edge.gateway.backend_tls import policy_for, policy_state
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.kinds.references import BackendObjectReference
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.backends import Cluster, ServicePort, Transport
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

HTTP_PROTOCOLS = {
    "": Transport.HTTP1,
    "http": Transport.HTTP1,
    "kubernetes.io/ws": Transport.HTTP1,
    "https": Transport.HTTP1,
    "kubernetes.io/wss": Transport.HTTP1,
    "kubernetes.io/h2c": Transport.H2C,
    "h2c": Transport.H2C,
    "http2": Transport.H2C,
    "grpc": Transport.H2C,
}
"""What the proxy speaks to a port of a Service by its appProtocol, for HTTPRoutes."""

GRPC_PROTOCOLS = dict.fromkeys(("", "http", "http2", "grpc", "h2c", "kubernetes.io/h2c", "https"), Transport.H2C)
"""The same for GRPCRoutes."""

ENCRYPTED_PROTOCOLS = frozenset(("https", "kubernetes.io/wss"))
"""Those that need a BackendTLSPolicy, which has the name and the authorities of the certificate."""

_BY_KIND = {
    "HTTPRoute": (HTTP_PROTOCOLS, "kubernetes.io/h2c, kubernetes.io/ws"),
    "GRPCRoute": (GRPC_PROTOCOLS, "grpc, kubernetes.io/h2c"),
}

STREAM_PROTOCOLS = {Transport.TCP: "TCP", Transport.UDP: "UDP"}
"""The protocol that a Service's port must have."""


class Unresolved(msgspec.Struct, frozen=True):
    """Why a backend is not used: reason and message of ResolvedRefs=False."""

    reason: str
    message: str


def resolve(
    reference: BackendObjectReference,
    field: str,
    referrer: Referrer,
    objects: Objects,
    stream: Transport | None = None,
) -> Cluster | Unresolved:
    """Return the cluster of a backend, or why there is none: its message names field, object and remedy.

    `stream` is what a route of connections or datagrams speaks; None: HTTP, by the port's appProtocol.
    """
    if not reference.is_service:
        kind = f"{reference.backend_group or 'core'}/{reference.backend_kind}"
        return Unresolved("InvalidKind", f"{field}: kind {kind} is not supported: refer to a Service")
    key = reference.key(referrer.namespace)
    if not grants.permits(objects.grants_of(key.namespace), referrer, "Service", key):
        remedy = grants.remedy(referrer, "Service", key)
        return Unresolved("RefNotPermitted", f"{field}: Service {key} is in another namespace: {remedy}")
    service = objects.services.get(key)
    if service is None:
        return Unresolved("BackendNotFound", f"{field}: Service {key} does not exist: create it or change the name")
    found = _port(referrer.kind, service, key, reference.port, field, stream)
    return found if isinstance(found, Unresolved) or stream is not None else _encrypted(found, service, field, objects)


def _encrypted(cluster: Cluster, service: Service, field: str, objects: Objects) -> Cluster | Unresolved:
    """Return the cluster with the TLS of its BackendTLSPolicy; a policy that is not valid lets no request through."""
    desired = (cluster.port.port, cluster.port.protocol)
    port = next(one for one in service.spec.ports if (one.port, one.protocol) == desired)
    policy = policy_for(service.key, port.name, objects)
    if policy is None and (port.app_protocol or "").lower() in ENCRYPTED_PROTOCOLS:
        text = f"port {port.port} of Service {service.key} has appProtocol {port.app_protocol}"
        return Unresolved("UnsupportedProtocol", f"{field}: {text}: create a BackendTLSPolicy for the Service")
    if policy is None:
        return cluster
    state = policy_state(policy, objects)
    if state.tls is None:
        return Unresolved(state.resolved, f"{field}: BackendTLSPolicy {policy.key}: {state.message}")
    return msgspec.structs.replace(cluster, tls=state.tls)


def _port(
    kind: str, service: Service, key: NamespacedName, port: int | None, field: str, stream: Transport | None
) -> Cluster | Unresolved:
    if service.spec.type == "ExternalName":
        text = (
            "is of type ExternalName, which could lead anywhere: refer to a Service with a selector or EndpointSlices"
        )
        return Unresolved("BackendNotFound", f"{field}: Service {key} {text}")
    desired = STREAM_PROTOCOLS[stream] if stream is not None else "TCP"
    ports_of = [one for one in service.spec.ports if stream is None or one.protocol == desired]
    same = [one for one in ports_of if one.port == port]  # TCP and UDP may have one number
    found = next((one for one in same if one.protocol == desired), same[0] if same else None)
    if found is None:
        ports = ", ".join(str(one.port) for one in ports_of) or "none"
        return Unresolved("BackendNotFound", f"{field}.port: Service {key} has no port {port}: its ports are {ports}")
    if stream is not None:
        return Cluster(ServicePort(key.namespace, key.name, found.port, found.protocol), stream)
    protocol = (found.app_protocol or "").lower()
    protocols, names = _BY_KIND[kind]
    transport = protocols.get(protocol) if found.protocol == "TCP" else None
    if transport is None:
        text = f"port {port} of Service {key} has protocol {found.protocol}, appProtocol {protocol or 'none'}"
        remedy = f"needs TCP and appProtocol http, {names}, or https with a BackendTLSPolicy, for this kind of route"
        return Unresolved("UnsupportedProtocol", f"{field}: {text}: {remedy}")
    return Cluster(ServicePort(key.namespace, key.name, found.port), transport)
