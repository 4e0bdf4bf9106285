"""Allocate addresses and node ports of Services.

Source: k8s.io/kubernetes `pkg/registry/core/service/storage/alloc.go`, `ipallocator`, `portallocator`; kubernetes.io
"Service ClusterIP allocation" and "NodePort static subrange".
"""

from __future__ import annotations

import contextlib
from collections import Counter
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from podwire.apiserver.base import field_errors
from podwire.apiserver.validation import services
from podwire.apiserver.writes import ip_families, node_ports
from podwire.apiserver.writes.ip_addresses import cluster_addresses
from podwire.apiserver.writes.number_pool import (
    NotAllocatedError,
    Pool,
    PoolError,
    static_address_band,
    static_port_band,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.writes.number_pool import Usage

Object = dict[str, Any]

CLUSTER_RANGES = "kubernetes"
"""The name of the ranges that the cluster was started with, and of their ServiceCIDR."""

_PORT = "port"
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
    """One number that is taken: an address of a family, or a node port."""

    space: str
    number: int


class Reservation:
    """What one write of a Service took. End it with `confirm` once stored, with `cancel` when it was not (or dry run).

    `refusal` is None when everything could be given; a reservation with a refusal holds nothing.
    """

    def __init__(
        self,
        give_back: Callable[[set[_Hold]], None],
        taken: set[_Hold],
        unneeded: set[_Hold],
        refusal: NotAllocatedError | None = None,
    ) -> None:
        self._give_back = give_back
        self._taken = taken
        self._unneeded = unneeded
        self.refusal = refusal

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The fields for whose values nothing could be given."""
        return () if self.refusal is None else self.refusal.causes

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
        self._held: dict[str, set[int]] = {space: set() for space in ("IPv4", "IPv6", _PORT)}
        self._repeated: Counter[_Hold] = Counter()
        self._ranges: dict[str, tuple[AddressRange, ...]] = {}
        band = static_port_band(len(ranges.node_ports))
        self._ports = Pool(ranges.node_ports, "port", band, held=self._held[_PORT])
        self.serve(CLUSTER_RANGES, ranges.networks)

    def port_usage(self) -> Usage:
        """How many node ports are taken and free."""
        return self._ports.usage()

    def address_usage(self) -> dict[str, Usage]:
        """How many addresses of each network are taken and free."""
        return {str(one.network): one.pool.usage() for parts in self._ranges.values() for one in parts}

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
            for hold in set(_holds(service)):
                if hold.number in self._held[hold.space]:
                    self._repeated[hold] += 1
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
        spec, before = service["spec"], None if old is None else old["spec"]
        ranges = [one for name, parts in self._ranges.items() if usable(name) for one in parts]
        taken: set[_Hold] = set()
        ports: set[int] = set()
        try:
            ip_families.complete(spec, before, self._families)
            _take_addresses(service, before, ranges, taken)
            node_ports.allocate(spec, before, self._ports, ports)
        except NotAllocatedError as refusal:
            self._give_back(taken | {_Hold(_PORT, number) for number in ports})
            return Reservation(self._give_back, set(), set(), refusal)
        taken |= {_Hold(_PORT, number) for number in ports}
        unneeded = set() if old is None else set(_holds(old)) - set(_holds(service))
        return Reservation(self._give_back, taken, unneeded)

    def release(self, service: Object) -> None:
        """Release all that a Service held that is gone from the store."""
        self._give_back(set(_holds(service)))

    def _give_back(self, holds: set[_Hold]) -> None:
        for hold in holds:
            if self._repeated[hold]:
                self._repeated[hold] -= 1
            else:
                self._held[hold.space].discard(hold.number)


def _holds(service: Object) -> Iterator[_Hold]:
    """What a Service has."""
    for address in cluster_addresses(service):
        yield _Hold(services.family_of(address), int(ip_address(address)))
    for number in node_ports.held(service["spec"]):
        yield _Hold(_PORT, number)


def _take_addresses(service: Object, old: Object | None, ranges: list[AddressRange], taken: set[_Hold]) -> None:
    """Fill clusterIP and clusterIPs where the Service newly needs an address; raises NotAllocatedError."""
    spec = service["spec"]
    first = _first_to_fill(spec, old)
    families = spec.get("ipFamilies", ())
    if first >= len(families):
        return
    desired = list(spec.get("clusterIPs", ()))
    given = desired[:first]
    for position, family in enumerate(families[first:], first):
        requested = desired[position] if position < len(desired) else ""
        of_family = [one for one in ranges if one.family == family]
        try:
            number = _take_address(of_family, int(ip_address(requested)) if requested else 0)
        except PoolError as error:
            raise _address_refused(error, requested, service, desired) from error
        taken.add(_Hold(family, number))
        given.append(requested or str(of_family[0].address(number)))
    spec["clusterIP"], spec["clusterIPs"] = given[0], given


def _first_to_fill(spec: Object, old: Object | None) -> int:
    """The position of the first family that gets an address by this write; past the last one where none does."""
    if spec["type"] == "ExternalName" or spec.get("clusterIP") == "None":
        return len(spec.get("ipFamilies", ()))
    if old is None or old["type"] == "ExternalName":
        return 0
    if old.get("clusterIP") == "None":
        return len(spec["ipFamilies"])
    return len(old.get("ipFamilies", ()))


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


def _address_refused(error: PoolError, requested: str, service: Object, desired: list[str]) -> NotAllocatedError:
    if not requested:
        return NotAllocatedError(
            internal=f'failed to allocate a serviceIP for Service "{service["metadata"]["name"]}": {error}'
        )
    why = "the provided network does not match the current range" if error.outside else str(error)
    return NotAllocatedError(
        field_errors.invalid("spec.clusterIPs", desired, f"failed to allocate IP {requested}: {why}")
    )
