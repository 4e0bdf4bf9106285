"""Addresses and node ports of Services: which are given, which are free.

Source: k8s.io/kubernetes `pkg/registry/core/service/storage/alloc.go`, `ipallocator`, `portallocator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.apiserver.causes import Cause

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceRanges:
    """Where addresses and ports come from; the first network is of the cluster's primary family."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    node_ports: range = range(30000, 32768)


class Reservation:
    """What one write of a Service took. End it with `confirm` once stored, with `cancel` when it was not (or dry run).

    `causes` is empty when everything could be given; a reservation with causes holds nothing.
    """

    def __init__(self, causes: tuple[Cause, ...] = ()) -> None:
        self.causes = causes

    def confirm(self) -> None:
        """The object stands: give back what its former self held and it no longer needs."""

    def cancel(self) -> None:
        """The object was not stored: give back what was taken for it."""


class ServiceAddresses:
    """All addresses and node ports held by Services. Lives in the server's process; rebuilt from the store at start."""

    def __init__(self, ranges: ServiceRanges) -> None:
        self._ranges = ranges

    def restore(self, services: Iterable[Object]) -> None:
        """Hold what stored Services have; call once at start."""

    def reserve(self, service: Object, old: Object | None = None) -> Reservation:
        """Fill type-dependent fields of a Service in place (clusterIP, clusterIPs, ipFamilies, nodePorts) and hold them."""
        return Reservation()

    def release(self, service: Object) -> None:
        """A Service is gone from the store: all that it held is free again."""
