"""Which health check node ports exist, where they are listened on, and the answers."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest

from podwire.agent.service_health import CheckPort, check_port, listen_addresses, page
from podwire.kube.discovery import HEADLESS_LABEL, PROXY_NAME_LABEL
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.services.node_view import PRIMARY
from tests.announcement.objects import balanced

PORT: dict[str, Any] = {"health_check_node_port": 30100}
DUAL = ("10.96.0.7", "fd00:10:96::7")


@pytest.mark.parametrize(
    ("service", "port"),
    [
        (balanced("web", local=True, **PORT, cluster_ips=DUAL), CheckPort(30100, frozenset({4, 6}))),
        (balanced("web", local=True, **PORT, cluster_ip="10.96.0.7"), CheckPort(30100, frozenset({4}))),
        (balanced("web", local=True, cluster_ips=DUAL), None),
        (balanced("web", **PORT, cluster_ips=DUAL), None),
        (balanced("web", local=True, **PORT, kind="NodePort"), None),
        (balanced("web", local=True, **PORT, labels={PROXY_NAME_LABEL: "x"}), None),
        (balanced("web", local=True, **PORT, labels={HEADLESS_LABEL: ""}), None),
    ],
)
def test_services_of_policy_local_have_a_port(service: Service, port: CheckPort | None) -> None:
    assert check_port(service) == port


@pytest.mark.parametrize(
    ("chosen", "addresses"),
    [
        ((PRIMARY,), ["172.18.0.2", "fd00::2"]),
        (("192.168.0.0/16",), ["192.168.7.7"]),
        ((PRIMARY, "192.168.0.0/16"), ["172.18.0.2", "fd00::2", "192.168.7.7"]),
        (("0.0.0.0/0", "::/0"), ["0.0.0.0", "::"]),
        ((PRIMARY, "0.0.0.0/0"), ["fd00::2", "0.0.0.0"]),
        (("10.0.0.0/8",), []),
    ],
)
def test_it_listens_where_node_ports_are(chosen: tuple[str, ...], addresses: list[str]) -> None:
    internal = [ipaddress.ip_address(text) for text in ("172.18.0.2", "fd00::2")]
    held = [*internal, ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("192.168.7.7")]
    assert [str(one) for one in listen_addresses(chosen, internal, held)] == addresses


@pytest.mark.parametrize(
    ("ready", "healthy", "status"), [(0, True, 503), (1, False, 503), (0, False, 503), (1, True, 200), (3, True, 200)]
)
def test_the_status_needs_an_endpoint_and_a_healthy_proxy(ready: int, healthy: bool, status: int) -> None:
    found = page(NamespacedName("shop", "web"), ready, healthy=healthy)
    assert found.status == status
    assert found.headers == (("X-Load-Balancing-Endpoint-Weight", str(ready)),)
    assert json.loads(found.body) == {
        "service": {"namespace": "shop", "name": "web"},
        "localEndpoints": ready,
        "serviceProxyHealthy": healthy,
    }
