"""Variables that name Services."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.kube.services import Service
from podwire.lab.kubelet.service_links import service_links


def service(name: str, address: str, *ports: dict[str, Any]) -> Service:
    spec = {"clusterIP": address, "clusterIPs": [address], "ports": list(ports)}
    return msgspec.convert({"metadata": {"name": name}, "spec": spec}, Service)


def test_variables_of_a_service() -> None:
    web = service("my-web", "10.96.0.7", {"port": 80, "name": "http-x"}, {"port": 53, "protocol": "UDP", "name": "d"})
    assert service_links([web]) == {
        "MY_WEB_SERVICE_HOST": "10.96.0.7",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP_X": "80",
        "MY_WEB_SERVICE_PORT_D": "53",
        "MY_WEB_PORT": "tcp://10.96.0.7:80",
        "MY_WEB_PORT_80_TCP": "tcp://10.96.0.7:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "10.96.0.7",
        "MY_WEB_PORT_53_UDP": "udp://10.96.0.7:53",
        "MY_WEB_PORT_53_UDP_PROTO": "udp",
        "MY_WEB_PORT_53_UDP_PORT": "53",
        "MY_WEB_PORT_53_UDP_ADDR": "10.96.0.7",
    }


def test_services_without_an_address_have_none() -> None:
    assert service_links([service("none", "None", {"port": 80}), service("later", "", {"port": 80})]) == {}


def test_addresses_of_ipv6_are_bracketed_in_urls() -> None:
    values = service_links([service("six", "fd00::7", {"port": 80})])
    assert (values["SIX_SERVICE_HOST"], values["SIX_PORT"]) == ("fd00::7", "tcp://[fd00::7]:80")
