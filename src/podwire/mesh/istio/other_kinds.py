"""Istio's kinds that are not converted, and what replaces each. Pure."""

from __future__ import annotations

GROUP_SUFFIX = ".istio.io"
_INSTEAD = {
    "Gateway": "write a Gateway of gateway.networking.k8s.io, class podwire, and HTTPRoutes whose parent it is",
    "ServiceEntry": "write a Service with EndpointSlices, or of type ExternalName; NetworkPolicies restrict egress",
    "WorkloadEntry": "write an EndpointSlice with its address; it gets no identity",
    "WorkloadGroup": "write a Service with EndpointSlices of their addresses; they get no identity",
    "Sidecar": "nothing is needed: nodes have only what their pods need; egress is restricted by NetworkPolicy",
    "EnvoyFilter": "write a route's filters or a BackendPolicy; Envoy's own configuration cannot be given",
    "ProxyConfig": "nothing is needed: a node has one Envoy for all pods",
    "WasmPlugin": "use an ExternalAuth filter of an HTTPRoute, or do it in the application",
    "Telemetry": "nothing is needed: the access log and the metrics of each node's Envoy are always there",
    "IstioOperator": "use 'podwire install --mesh'",
}


def instead(kind: str) -> str:
    """Return what replaces a kind."""
    return _INSTEAD.get(kind, "podwire has nothing in its place: remove it")
