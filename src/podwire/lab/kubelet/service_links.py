"""Environment variables that name the Services of a namespace (`enableServiceLinks`). Pure.

Source: k8s.io/kubernetes `pkg/kubelet/envvars/envvars.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from podwire.kube.services import Service


def service_links(services: Iterable[Service]) -> dict[str, str]:
    """Return the variables of the Services that have a cluster address."""
    values: dict[str, str] = {}
    for service in services:
        if service.addresses and service.spec.ports:
            values |= _of_service(service, service.addresses[0])
    return values


def _of_service(service: Service, address: str) -> dict[str, str]:
    prefix, host = _variable(service.metadata.name), f"[{address}]" if ":" in address else address
    first = service.spec.ports[0]
    values = {
        f"{prefix}_SERVICE_HOST": address,
        f"{prefix}_SERVICE_PORT": str(first.port),
        f"{prefix}_PORT": f"{first.protocol.lower()}://{host}:{first.port}",
    }
    for port in service.spec.ports:
        if port.name:
            values[f"{prefix}_SERVICE_PORT_{_variable(port.name)}"] = str(port.port)
        link = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}"
        values[link] = f"{port.protocol.lower()}://{host}:{port.port}"
        values[f"{link}_PROTO"] = port.protocol.lower()
        values[f"{link}_PORT"] = str(port.port)
        values[f"{link}_ADDR"] = address
    return values


def _variable(name: str) -> str:
    return name.replace("-", "_").upper()
