"""Istio's DestinationRule as a BackendPolicy. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podwire.mesh.istio.durations import duration
from podwire.mesh.istio.hosts import service_of
from podwire.mesh.istio.surroundings import Surroundings
from podwire.mesh.istio.written import ConversionError, Converted, Object, made, namespace_of

_OUTLIER = {
    "consecutive5xxErrors": "consecutiveErrors",
    "consecutiveGatewayErrors": "consecutiveGatewayErrors",
    "interval": "interval",
    "baseEjectionTime": "baseEjectionTime",
    "maxEjectionPercent": "maxEjectionPercent",
    "minHealthPercent": "panicThresholdPercent",
}
_TIMES = ("interval", "baseEjectionTime")
_LIMITS = {
    ("tcp", "maxConnections"): "maxConnections",
    ("http", "http1MaxPendingRequests"): "maxPendingRequests",
    ("http", "http2MaxRequests"): "maxRequests",
    ("http", "maxRetries"): "maxRetries",
}
_EVEN = ("ROUND_ROBIN", "RANDOM", "LEAST_REQUEST", "LEAST_CONN", "UNSPECIFIED")
"""Ways to balance that give all endpoints about the same number of requests."""


def converted(source: Mapping[str, Any], around: Surroundings) -> Converted:
    """Return a Service for each subset, and a policy of all where something of it has a counterpart."""
    spec = source.get("spec") or {}
    namespace = namespace_of(source)
    try:
        service = service_of(str(spec.get("host", "")), namespace)
    except ConversionError as error:
        return Converted((), (("spec.host", str(error)),))
    if service.namespace != namespace:
        return Converted(
            (), (("spec.host", f"a policy is in the namespace of its Service: move it to {service.namespace}"),)
        )
    policy = spec.get("trafficPolicy") or {}
    lost = list(_not_the_default(policy))
    subsets = []
    for number, one in enumerate(spec.get("subsets") or ()):
        try:
            subsets.append(around.subset_service(service, str(one.get("name", ""))))
        except ConversionError as error:
            lost.append((f"spec.subsets[{number}]", str(error)))
    names = (service.name, *(one["metadata"]["name"] for one in subsets))
    targets = [{"group": "", "kind": "Service", "name": name} for name in names]
    settings = _settings(policy)
    policies = (made("BackendPolicy", source, {"targetRefs": targets, **settings}),) if settings else ()
    return Converted((*subsets, *policies), tuple(lost))


def _settings(policy: Mapping[str, Any]) -> Object:
    pool = policy.get("connectionPool") or {}
    limits = {name: pool[part][field] for (part, field), name in _LIMITS.items() if field in (pool.get(part) or {})}
    outlier = policy.get("outlierDetection") or {}
    found: Object = {}
    if limits:
        found["circuitBreaker"] = limits
    if settings := {name: outlier[field] for field, name in _OUTLIER.items() if field in outlier}:
        times = {name: duration(str(settings[name])) for name in _TIMES if name in settings}
        found["outlierDetection"] = {**settings, **times}
    return found


def _not_the_default(policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the modes that are not what the mesh does in any case."""
    mode = (policy.get("tls") or {}).get("mode")
    if mode not in (None, "ISTIO_MUTUAL"):
        yield "spec.trafficPolicy.tls.mode", f"{mode}: enrolled pods always use mutual TLS; to others: BackendTLSPolicy"
    balancer = (policy.get("loadBalancer") or {}).get("simple")
    if balancer not in (None, *_EVEN):
        yield "spec.trafficPolicy.loadBalancer.simple", f"{balancer} has no counterpart: endpoints get equal shares"
