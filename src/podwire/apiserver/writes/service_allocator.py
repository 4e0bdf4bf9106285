"""Addresses and node ports of Services: which are given, which are free.

Source: k8s.io/kubernetes `pkg/registry/core/service/storage/alloc.go`, `ipallocator`, `portallocator`; kubernetes.io
"Service ClusterIP allocation" and "NodePort static subrange".
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors
from podwire.apiserver.base.field_path import Field
from podwire.apiserver.validation import services
from podwire.apiserver.writes import ip_families
from podwire.apiserver.writes.number_pool import Pool, PoolError, static_address_band, static_port_band

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from podwire.apiserver.base.field_errors import Cause

Object = dict[str, Any]

_NODE_PORT_TYPES = {"NodePort", "LoadBalancer"}
_LARGEST_POOL = 1 << 16
"""Addresses taken from one range: an IPv6 range is far larger than anyone needs, upstream stops here too."""


@dataclass(frozen=True, slots=True)
class ServiceRanges:
    """Where addresses and ports come from; the first network is of the cluster's primary family."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    node_ports: range = range(30000, 32768)


@dataclass(frozen=True, slots=True)
class _Hold:
    """One number of one pool: an address of a family, or a node port of a protocol."""

    pool: Pool
    number: int


class Reservation:
    """What one write of a Service took. End it with `confirm` once stored, with `cancel` when it was not (or dry run).

    `causes` is empty when everything could be given; a reservation with causes holds nothing.
    """

    def __init__(self, taken: set[_Hold], unneeded: set[_Hold], refused: tuple[Cause, ...] = ()) -> None:
        self._taken = taken
        self._unneeded = unneeded
        self.causes = refused

    def confirm(self) -> None:
        """The object stands: give back what its former self held and it no longer needs."""
        _give_back(self._unneeded)

    def cancel(self) -> None:
        """The object was not stored: give back what was taken for it."""
        _give_back(self._taken)


class ServiceAddresses:
    """All addresses and node ports held by Services. Lives in the server's process; rebuilt from the store at start."""

    def __init__(self, ranges: ServiceRanges) -> None:
        self._networks = {f"IPv{network.version}": network for network in ranges.networks}
        self._addresses = {family: _address_pool(network) for family, network in self._networks.items()}
        self._ports = {
            protocol: Pool(ranges.node_ports, "port", static_port_band(len(ranges.node_ports)))
            for protocol in services.PROTOCOLS
        }

    def restore(self, stored: Iterable[Object]) -> None:
        """Hold what stored Services have; call once at start."""
        for service in stored:
            for hold in self._holds(service):
                hold.pool.hold(hold.number)

    def reserve(self, service: Object, old: Object | None = None) -> Reservation:
        """Fill a Service's addresses, families and node ports in place, and hold them."""
        spec = service["spec"]
        before = set(self._holds(old)) if old is not None else set()
        taken: set[_Hold] = set()
        refused = ip_families.complete(spec, None if old is None else old["spec"], tuple(self._networks))
        if not refused:
            refused = [*self._take_addresses(spec, before, taken), *self._take_ports(spec, before, taken)]
        if refused:
            _give_back(taken)
            return Reservation(set(), set(), tuple(refused))
        return Reservation(taken, before - set(self._holds(service)))

    def release(self, service: Object) -> None:
        """A Service is gone from the store: all that it held is free again."""
        _give_back(set(self._holds(service)))

    def _holds(self, service: Object) -> Iterator[_Hold]:
        spec = service["spec"]
        for address in spec.get("clusterIPs", ()):
            pool = self._addresses.get(services.family_of(address))
            if address != "None" and pool is not None:
                yield _Hold(pool, int(ip_address(address)))
        for port in spec.get("ports", ()):
            if port.get("nodePort"):
                yield _Hold(self._ports[port["protocol"]], port["nodePort"])
        if spec.get("healthCheckNodePort"):
            yield _Hold(self._ports["TCP"], spec["healthCheckNodePort"])

    def _take_addresses(self, spec: Object, before: set[_Hold], taken: set[_Hold]) -> Iterator[Cause]:
        if spec["type"] == "ExternalName" or spec.get("clusterIP") == "None":
            return
        wanted = list(spec.get("clusterIPs", ()))
        given: list[str] = []
        for position, family in enumerate(spec["ipFamilies"]):
            asked = wanted[position] if position < len(wanted) else ""
            pool = self._addresses[family]
            try:
                number = _take(pool, int(ip_address(asked)) if asked else 0, before, taken)
            except PoolError as error:
                yield self._address_refused(error, asked, family, wanted)
                return
            given.append(asked or str(type(self._networks[family].network_address)(number)))
        spec["clusterIP"], spec["clusterIPs"] = given[0], given

    def _address_refused(self, error: PoolError, asked: str, family: str, wanted: list[str]) -> Cause:
        if error.outside:
            known = ",".join(str(network) for network in self._networks.values() if f"IPv{network.version}" == family)
            why = f"the provided IP ({asked}) is not in the valid range. The range of valid IPs is {known}"
        else:
            why = str(error)
        detail = f"failed to allocate IP {asked}: {why}" if asked else f"failed to allocate a serviceIP: {why}"
        return field_errors.invalid("spec.clusterIPs", wanted, detail)

    def _take_ports(self, spec: Object, before: set[_Hold], taken: set[_Hold]) -> Iterator[Cause]:
        needed = spec["type"] == "NodePort" or (
            spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)
        )
        if spec["type"] in _NODE_PORT_TYPES:
            # First what was asked for by number, so that no free choice takes it away.
            for port in sorted(Field("spec", spec)["ports"], key=lambda entry: not entry["nodePort"]):
                if needed or port["nodePort"]:
                    yield from self._take_port(port, spec, before, taken)
        if spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            health = Field("spec", spec)["healthCheckNodePort"]
            try:
                spec["healthCheckNodePort"] = _take(self._ports["TCP"], health.number, before, taken)
            except PoolError as error:
                yield health.invalid(f"failed to allocate requested HealthCheck NodePort {health.number}: {error}")

    def _take_port(self, port: Field, spec: Object, before: set[_Hold], taken: set[_Hold]) -> Iterator[Cause]:
        protocol = port["protocol"].text
        if protocol not in self._ports:
            return
        # The same number may serve another protocol of the same port, and upstream prefers that.
        twin = next((p.get("nodePort", 0) for p in spec["ports"] if p is not port.value and _twins(p, port.value)), 0)
        asked = port["nodePort"].number
        try:
            port.value["nodePort"] = _take(self._ports[protocol], asked or self._free(protocol, twin), before, taken)
        except PoolError as error:
            known = self._ports[protocol].numbers
            outside = f"provided port is not in the valid range. The range of valid ports is {known[0]}-{known[-1]}"
            yield field_errors.invalid(port["nodePort"].path, asked, outside if error.outside else str(error))

    def _free(self, protocol: str, number: int) -> int:
        """The number where it is free, else 0: any."""
        return number if number and self._ports[protocol].is_free(number) else 0


def _take(pool: Pool, asked: int, before: set[_Hold], taken: set[_Hold]) -> int:
    """One number of a pool, the one asked for unless 0; what the Service holds already costs nothing."""
    if asked and _Hold(pool, asked) in before:
        return asked
    number = pool.take(asked) if asked else pool.take_any()
    taken.add(_Hold(pool, number))
    return number


def _twins(one: Object, other: Object) -> bool:
    return bool(one.get("port") == other.get("port") and one.get("protocol") != other.get("protocol"))


def _give_back(holds: set[_Hold]) -> None:
    for hold in holds:
        hold.pool.give_back(hold.number)


def _address_pool(network: IPv4Network | IPv6Network) -> Pool:
    """All addresses of a network but its first, and for IPv4 its last."""
    usable = network.num_addresses - (2 if network.version == 4 else 1)
    first = int(network.network_address) + 1
    chosen = range(first, first + min(usable, _LARGEST_POOL))
    return Pool(chosen, "IP", static_address_band(network.num_addresses), range(first, first + usable))
