"""Ingresses of tests, short to write."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.edge.ingress.annotations.settings import read
from podwire.edge.ingress.kinds import Ingress
from podwire.edge.ingress.servers import Claim

PREFIX = "nginx.ingress.kubernetes.io/"


def backend(service: str, port: int | str = 80) -> dict[str, Any]:
    """A backend as JSON."""
    named = {"name": port} if isinstance(port, str) else {"number": port}
    return {"service": {"name": service, "port": named}}


def path(text: str, service: str = "web", path_type: str = "Prefix") -> dict[str, Any]:
    """A path as JSON."""
    return {"path": text, "pathType": path_type, "backend": backend(service)}


def ingress(
    name: str,
    *paths: dict[str, Any],
    host: str = "app.example.com",
    created: str = "2026-01-01T00:00:00Z",
    default: str = "",
    tls: tuple[dict[str, Any], ...] = (),
    namespace: str = "shop",
    **annotations: str,
) -> Ingress:
    """An Ingress with one rule; the names of annotations have underscores for hyphens."""
    spec: dict[str, Any] = {"tls": list(tls)}
    if paths:
        spec["rules"] = [{"host": host, "http": {"paths": list(paths)}}]
    if default:
        spec["defaultBackend"] = backend(default)
    metadata = {
        "name": name,
        "namespace": namespace,
        "creationTimestamp": created,
        "annotations": {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()},
    }
    return msgspec.convert({"metadata": metadata, "spec": spec}, Ingress)


def claim(item: Ingress) -> Claim:
    """The Ingress with its annotations read."""
    return Claim(item, read(item.metadata.annotations))
