"""Hosts of Istio's objects as Services. Pure."""

from __future__ import annotations

from podwire.kube.meta import NamespacedName
from podwire.mesh.istio.written import ConversionError


def service_of(host: str, namespace: str) -> NamespacedName:
    """Return the Service that a host names in this namespace. Raises ConversionError for another host."""
    parts = host.split(".")
    if "*" in host or not host or not (len(parts) == 1 or len(parts) == 2 or parts[2] == "svc"):
        raise ConversionError(f"{host!r} is no Service of the cluster: name one, NAME.NAMESPACE.svc.cluster.local")
    return NamespacedName(parts[1] if len(parts) > 1 else namespace, parts[0])
