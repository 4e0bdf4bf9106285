"""Istio's DestinationRule as a BackendPolicy. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podwire.mesh.istio.hosts import service_of
from podwire.mesh.istio.written import ConversionError, Converted, Object, made, namespace_of

_OUTLIER = {
    "consecutive5xxErrors": "consecutiveErrors",
    "consecutiveGatewayErrors": "consecutiveGatewayErrors",
    "interval": "interval",
    "baseEjectionTime": "baseEjectionTime",
    "maxEjectionPercent": "maxEjectionPercent",
    "minHealthPercent": "panicThresholdPercent",
}
_LIMITS = {
    ("tcp", "maxConnections"): "maxConnections",
    ("http", "http1MaxPendingRequests"): "maxPendingRequests",
    ("http", "http2MaxRequests"): "maxRequests",
    ("http", "maxRetries"): "maxRetries",
}


def converted(source: Mapping[str, Any]) -> Converted:
    """Return the policy; none where nothing of the rule has a counterpart."""
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
    pool = policy.get("connectionPool") or {}
    limits = {name: pool[part][field] for (part, field), name in _LIMITS.items() if field in (pool.get(part) or {})}
    outlier = policy.get("outlierDetection") or {}
    found: Object = {}
    if limits:
        found["circuitBreaker"] = limits
    if settings := {name: outlier[field] for field, name in _OUTLIER.items() if field in outlier}:
        found["outlierDetection"] = settings
    if not found:
        return Converted()
    target = {"group": "", "kind": "Service", "name": service.name}
    return Converted((made("BackendPolicy", source, {"targetRefs": [target], **found}),))
