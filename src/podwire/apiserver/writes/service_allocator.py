"""Allocate addresses and node ports of Services.

Source: k8s.io/kubernetes `pkg/registry/core/service/storage/alloc.go`, `ipallocator`, `portallocator`; kubernetes.io
"Service ClusterIP allocation" and "NodePort static subrange".
"""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from podwire.apiserver.base import field_errors
from podwire.apiserver.base.field_path import Field
from podwire.apiserver.validation import services
from podwire.apiserver.writes import ip_families
from podwire.apiserver.writes.number_pool import Pool, PoolError, static_address_band, static_port_band

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from podwire.apiserver.base.field_errors import Cause

Object = dict[str, Any]

CLUSTER_RANGES = "kubernetes"
"""The name of the ranges that the cluster was started with, and of their ServiceCIDR."""

_NODE_PORT_TYPES = {"NodePort", "LoadBalancer"}
_LARGEST_POOL = 1 << 16
"""Addresses chosen from one range: IPv6 ranges are far larger, and upstream has the same limit."""


class ServiceRanges(msgspec.Struct, frozen=True):
    """The ranges of addresses and ports; the first network is of the cluster's primary family."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    node_ports: range = range(30000, 32768)


class AddressRange(NamedTuple):
    """One network whose addresses are given: all but its first, and for IPv4 its last."""

    network: IPv4Network | IPv6Network
    pool: Pool

    @classmethod
    def of(cls, network: IPv4Network | IPv6Network, held: set[int]) -> AddressRange:
        """Return the range of a network; `held` are the addresses of its family that are taken."""
        usable = max(network.num_addresses - (2 if network.version == 4 else 1), 0)
        first = int(network.network_address) + 1
        chosen, band = range(first, first + min(usable, _LARGEST_POOL)), static_address_band(network.num_addresses)
        return cls(network, Pool(chosen, "IP", min(band, len(chosen)), range(first, first + usable), held))

    @property
    def family(self) -> str:
        """IPv4 or IPv6."""
        return f"IPv{self.network.version}"

    def address(self, number: int) -> IPv4Address | IPv6Address:
        """The address that is this number."""
        return type(self.network.network_address)(number)


class _Hold(NamedTuple):
    """One number that is taken: an address of a family, or a node port of a protocol."""

    space: str
    number: int


class Reservation:
    """What one write of a Service took. End it with `confirm` once stored, with `cancel` when it was not (or dry run).

    `causes` is empty when everything could be given; a reservation with causes holds nothing.
    """

    def __init__(
        self, give_back: Callable[[set[_Hold]], None], taken: set[_Hold], unneeded: set[_Hold], refused: list[Cause]
    ) -> None:
        self._give_back = give_back
        self._taken = taken
        self._unneeded = unneeded
        self.causes = tuple(refused)

    def confirm(self) -> None:
        """Release what the Service held before and does not need any longer."""
        self._give_back(self._unneeded)

    def cancel(self) -> None:
        """Release what was taken, as the object was not stored."""
        self._give_back(self._taken)


class ServiceAddresses:
    """All addresses and node ports held by Services. Lives in the server's process; rebuilt from the store at start.

    Addresses come from named ranges, which may overlap: those of the cluster, and of further ServiceCIDR objects.
    """

    def __init__(self, ranges: ServiceRanges) -> None:
        self._families = tuple(f"IPv{network.version}" for network in ranges.networks)
        self._held: dict[str, set[int]] = {name: set() for name in ("IPv4", "IPv6", *services.PROTOCOLS)}
        self._ranges: dict[str, tuple[AddressRange, ...]] = {}
        self._ports = {
            protocol: Pool(
                ranges.node_ports, "port", static_port_band(len(ranges.node_ports)), held=self._held[protocol]
            )
            for protocol in services.PROTOCOLS
        }
        self.serve(CLUSTER_RANGES, ranges.networks)

    def serve(self, name: str, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        """Give addresses of these networks from now on, in place of those that the name had."""
        self._ranges[name] = tuple(
            AddressRange.of(network, self._held[f"IPv{network.version}"]) for network in networks
        )

    def withdraw(self, name: str) -> None:
        """Give no more addresses of a range; those that are held stay held."""
        self._ranges.pop(name, None)

    def restore(self, stored: Iterable[Object]) -> None:
        """Hold what stored Services have; call once at start."""
        for service in stored:
            for hold in self._holds(service):
                self._held[hold.space].add(hold.number)

    def hold(self, address: str) -> None:
        """Mark an address as taken that an IPAddress of another owner has."""
        self._held[services.family_of(address)].add(int(ip_address(address)))

    def free(self, address: str) -> None:
        """Free an address."""
        self._held[services.family_of(address)].discard(int(ip_address(address)))

    def reserve(
        self, service: Object, old: Object | None = None, usable: Callable[[str], bool] = lambda _: True
    ) -> Reservation:
        """Fill a Service's addresses, families and node ports in place, and hold them.

        `usable` returns whether a range, by its name, may give addresses.
        """
        spec = service["spec"]
        before = set(self._holds(old)) if old is not None else set()
        taken: set[_Hold] = set()
        refused = ip_families.complete(spec, None if old is None else old["spec"], self._families)
        if not refused:
            ranges = [one for name, parts in self._ranges.items() if usable(name) for one in parts]
            refused = [*self._take_addresses(spec, ranges, before, taken), *self._take_ports(spec, before, taken)]
        if refused:
            self._give_back(taken)
            return Reservation(self._give_back, set(), set(), refused)
        return Reservation(self._give_back, taken, before - set(self._holds(service)), [])

    def release(self, service: Object) -> None:
        """Release all that a Service held that is gone from the store."""
        self._give_back(set(self._holds(service)))

    def _give_back(self, holds: set[_Hold]) -> None:
        for hold in holds:
            self._held[hold.space].discard(hold.number)

    def _holds(self, service: Object) -> Iterator[_Hold]:
        spec = service["spec"]
        for address in spec.get("clusterIPs", ()):
            if address != "None":
                yield _Hold(services.family_of(address), int(ip_address(address)))
        for port in spec.get("ports", ()):
            if port.get("nodePort"):
                yield _Hold(port["protocol"], port["nodePort"])
        if spec.get("healthCheckNodePort"):
            yield _Hold("TCP", spec["healthCheckNodePort"])

    def _take_addresses(
        self, spec: Object, ranges: list[AddressRange], before: set[_Hold], taken: set[_Hold]
    ) -> Iterator[Cause]:
        if spec["type"] == "ExternalName" or spec.get("clusterIP") == "None":
            return
        wanted = list(spec.get("clusterIPs", ()))
        given: list[str] = []
        for position, family in enumerate(spec["ipFamilies"]):
            requested = wanted[position] if position < len(wanted) else ""
            number = int(ip_address(requested)) if requested else 0
            if requested and _Hold(family, number) in before:
                given.append(requested)
                continue
            of_family = [one for one in ranges if one.family == family]
            try:
                number = _take_address(of_family, number)
            except PoolError as error:
                yield _address_refused(error, requested, of_family, wanted)
                return
            taken.add(_Hold(family, number))
            given.append(requested or str(of_family[0].address(number)))
        spec["clusterIP"], spec["clusterIPs"] = given[0], given

    def _take_ports(self, spec: Object, before: set[_Hold], taken: set[_Hold]) -> Iterator[Cause]:
        needed = spec["type"] == "NodePort" or (
            spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)
        )
        if spec["type"] in _NODE_PORT_TYPES:
            # Requested numbers first, so that none of them is chosen for another port.
            for port in sorted(Field("spec", spec)["ports"], key=lambda entry: not entry["nodePort"]):
                if needed or port["nodePort"]:
                    yield from self._take_port(port, spec, before, taken)
        if spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            health = Field("spec", spec)["healthCheckNodePort"]
            try:
                spec["healthCheckNodePort"] = self._take_number("TCP", health.number, before, taken)
            except PoolError as error:
                yield health.invalid(f"failed to allocate requested HealthCheck NodePort {health.number}: {error}")

    def _take_port(self, port: Field, spec: Object, before: set[_Hold], taken: set[_Hold]) -> Iterator[Cause]:
        protocol = port["protocol"].text
        if protocol not in self._ports:
            return
        # The same number may serve another protocol of the same port, and upstream prefers that.
        twin = next((p.get("nodePort", 0) for p in spec["ports"] if p is not port.value and _twins(p, port.value)), 0)
        requested = port["nodePort"].number
        wanted = requested or self._free(protocol, twin)
        try:
            port.value["nodePort"] = self._take_number(protocol, wanted, before, taken)
        except PoolError as error:
            known = self._ports[protocol].numbers
            outside = f"provided port is not in the valid range. The range of valid ports is {known[0]}-{known[-1]}"
            yield field_errors.invalid(port["nodePort"].path, requested, outside if error.outside else str(error))

    def _take_number(self, protocol: str, requested: int, before: set[_Hold], taken: set[_Hold]) -> int:
        """Take a port, the requested one unless 0; one that the Service holds already is kept."""
        if requested and _Hold(protocol, requested) in before:
            return requested
        pool = self._ports[protocol]
        number = pool.take(requested) if requested else pool.take_any()
        taken.add(_Hold(protocol, number))
        return number

    def _free(self, protocol: str, number: int) -> int:
        """The number where it is free, else 0: any."""
        return number if number and self._ports[protocol].is_free(number) else 0


def _take_address(ranges: list[AddressRange], requested: int) -> int:
    """Take one address of these ranges, the requested one unless 0; raises PoolError."""
    if requested:
        inside = next((one for one in ranges if requested in one.pool), None)
        if inside is None:
            raise PoolError("not in the valid range", outside=True)
        return inside.pool.take(requested)
    for one in ranges:
        with contextlib.suppress(PoolError):
            return one.pool.take_any()
    raise PoolError("range is full")


def _address_refused(error: PoolError, requested: str, ranges: list[AddressRange], wanted: list[str]) -> Cause:
    if error.outside:
        known = ",".join(str(one.network) for one in ranges)
        why = f"the provided IP ({requested}) is not in the valid range. The range of valid IPs is {known}"
    else:
        why = str(error)
    detail = f"failed to allocate IP {requested}: {why}" if requested else f"failed to allocate a serviceIP: {why}"
    return field_errors.invalid("spec.clusterIPs", wanted, detail)


def _twins(one: Object, other: Object) -> bool:
    return bool(one.get("port") == other.get("port") and one.get("protocol") != other.get("protocol"))
