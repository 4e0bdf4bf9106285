"""Endpoints of a Service's port: none leads to the Envoy itself or to its node's own services."""

from __future__ import annotations

import msgspec
import pytest

from podwire.edge.gateway.endpoints import endpoints
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.backends import ServicePort
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service

METADATA = {"name": "web", "namespace": "shop"}
PORT = ServicePort("shop", "web", 80)


def found(family: int, *addresses: str) -> list[str]:
    """Return the addresses that a Service with this slice has; all are ready."""
    objects = Objects()
    families = [f"IPv{family}"]
    objects.put("Service", msgspec.convert({"metadata": METADATA, "spec": {"ports": [{"port": 80}]}}, Service))
    slice_ = {
        "metadata": {**METADATA, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": families[0],
        "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in addresses],
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    }
    objects.put("EndpointSlice", msgspec.convert(slice_, EndpointSlice))
    return [one.address for one in endpoints(PORT, objects).endpoints]


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (4, "127.0.0.1"),
        (4, "127.9.9.9"),
        (4, "169.254.169.254"),
        (4, "0.0.0.0"),
        (4, "224.0.0.1"),
        (4, "no-address"),
        (6, "::1"),
        (6, "fe80::1"),
        (6, "::"),
        (6, "ff02::1"),
        (6, "::ffff:127.0.0.1"),
        (6, "::ffff:169.254.169.254"),
    ],
)
def test_an_address_of_the_node_itself_is_left_out(family: int, address: str) -> None:
    good = "10.0.0.1" if family == 4 else "fd00::1"
    assert found(family, good, address) == [good]
    assert found(family, address) == []
