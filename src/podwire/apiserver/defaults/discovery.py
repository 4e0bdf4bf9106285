"""Kinds of the group discovery.k8s.io. Source: k8s.io/kubernetes `pkg/apis/discovery/v1/defaults.go`."""

from __future__ import annotations

from typing import Any


def endpoint_slice(obj: dict[str, Any]) -> None:
    """An EndpointSlice; absent conditions stay absent, they mean something else than false."""
    for port in obj.get("ports", ()):
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")
