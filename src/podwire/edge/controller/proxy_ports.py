"""Which port of Envoy serves which port of a Gateway: an allocation, kept in the Gateway's Service. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podwire.edge.model.listeners import GatewayPort
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

FIRST, LAST = 10000, 18999


class ProxyPorts:
    """The ports of one proxy. A port is given out once; it is free again when no Envoy listens on it any more."""

    def __init__(self) -> None:
        self._ports: dict[GatewayPort, int] = {}
        self._used: dict[int, GatewayPort] = {}
        self._of: dict[NamespacedName, set[GatewayPort]] = {}
        self._next = FIRST

    def restore(self, gateway: NamespacedName, service: Service) -> None:
        """Take the ports of a Gateway's Service, as this or another process allocated them."""
        for port in service.spec.ports:
            key = GatewayPort(gateway.namespace, gateway.name, port.port, port.protocol)
            target = port.target_port
            if not isinstance(target, int) or not FIRST <= target <= LAST:
                continue  # not written by a controller: it could be a port that Envoy itself has
            if key not in self._ports and target not in self._used:
                self._take(key, target)

    def of(self, port: GatewayPort) -> int | None:
        """Return the port of Envoy; None where it has none."""
        return self._ports.get(port)

    def require(self, desired: Iterable[GatewayPort]) -> Mapping[tuple[int, str], int]:
        """Return the ports of Envoy for these of one Gateway; those that have none get one.

        Raises LookupError where no port is left.
        """
        return {(one.port, one.protocol): self._ports.get(one) or self._allocate(one) for one in sorted(desired)}

    def of_gateway(self, gateway: NamespacedName) -> tuple[GatewayPort, ...]:
        """Return the ports of a Gateway that have one of Envoy."""
        return tuple(sorted(self._of.get(gateway, ())))

    def numbers(self, gateway: NamespacedName) -> Mapping[tuple[int, str], int]:
        """Return the ports of Envoy by those of the Gateway."""
        return {(one.port, one.protocol): self._ports[one] for one in self.of_gateway(gateway)}

    def release(self, port: GatewayPort) -> None:
        """Free a port. No error where it has none."""
        number = self._ports.pop(port, None)
        if number is not None:
            del self._used[number]
            gateway = NamespacedName(port.namespace, port.gateway)
            self._of[gateway].discard(port)
            if not self._of[gateway]:
                del self._of[gateway]

    def _take(self, port: GatewayPort, number: int) -> None:
        self._ports[port], self._used[number] = number, port
        self._of.setdefault(NamespacedName(port.namespace, port.gateway), set()).add(port)

    def _allocate(self, port: GatewayPort) -> int:
        for _ in range(LAST - FIRST + 1):
            number, self._next = self._next, FIRST if self._next == LAST else self._next + 1
            if number not in self._used:
                self._take(port, number)
                return number
        raise LookupError(f"listener port {port.port}: all {LAST - FIRST + 1} ports of the proxy are in use")
