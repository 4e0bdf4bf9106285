from __future__ import annotations

import pytest

from podwire.edge.controller import proxy_ports
from podwire.edge.controller.proxy_ports import FIRST, LAST, ProxyPorts
from podwire.edge.model.listeners import GatewayPort
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.services import Service, ServicePort, ServiceSpec

A, B = NamespacedName("shop", "a"), NamespacedName("shop", "b")


def port(gateway: NamespacedName, number: int, protocol: str = "TCP") -> GatewayPort:
    return GatewayPort(gateway.namespace, gateway.name, number, protocol)


def service(gateway: NamespacedName, **targets: int) -> Service:
    ports = tuple(ServicePort(port=int(name[1:]), target_port=target) for name, target in targets.items())
    return Service(metadata=ObjectMeta(namespace=gateway.namespace, name=gateway.name), spec=ServiceSpec(ports=ports))


def test_a_port_is_allocated_once_and_unique_in_the_proxy() -> None:
    ports = ProxyPorts()

    first = ports.require([port(A, 80), port(A, 443)])
    other = ports.require([port(B, 80)])

    assert len({*first.values(), *other.values()}) == 3
    assert ports.require([port(A, 80)]) == {(80, "TCP"): first[80, "TCP"]}
    assert ports.of(port(B, 443)) is None


def test_allocations_are_read_back_and_not_given_to_another() -> None:
    ports = ProxyPorts()

    ports.restore(A, service(A, p80=FIRST))

    assert ports.of(port(A, 80)) == FIRST
    assert ports.require([port(B, 80)])[80, "TCP"] != FIRST


def test_a_target_port_that_another_gateway_has_is_not_taken() -> None:
    ports = ProxyPorts()
    ports.restore(A, service(A, p80=FIRST))

    ports.restore(B, service(B, p80=FIRST))

    assert ports.of(port(B, 80)) is None


def test_a_target_port_outside_of_the_range_is_not_taken() -> None:
    ports = ProxyPorts()

    ports.restore(A, service(A, p80=19001, p443=LAST))

    assert ports.of(port(A, 80)) is None
    assert ports.of(port(A, 443)) == LAST


def test_a_changed_service_does_not_move_an_allocation() -> None:
    ports = ProxyPorts()
    ports.restore(A, service(A, p80=FIRST))

    ports.restore(A, service(A, p80=FIRST + 5))

    assert ports.of(port(A, 80)) == FIRST


def test_a_released_port_is_given_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_ports, "LAST", FIRST + 1)
    ports = ProxyPorts()
    ports.require([port(A, 80), port(A, 81)])
    with pytest.raises(LookupError, match="listener port 80"):
        ports.require([port(B, 80)])

    ports.release(port(A, 81))

    assert ports.require([port(B, 80)]) == {(80, "TCP"): FIRST + 1}
    assert ports.of_gateway(A) == (port(A, 80),)
