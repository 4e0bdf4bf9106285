"""Metrics of the numbers that Services take from their ranges, under upstream's names.

Source: k8s.io/kubernetes `pkg/registry/core/service/portallocator/metrics.go`, `ipallocator/metrics.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from podwire.apiserver.writes.number_pool import Usage
    from podwire.apiserver.writes.service_allocator import ServiceAddresses

_PORTS = "kube_apiserver_nodeport_allocator"
_ADDRESSES = "kube_apiserver_clusterip_allocator"


class Gauge(NamedTuple):
    """A gauge as the metrics of the server take it: values by the value of the label, where it has one."""

    name: str
    help_text: str
    label: str
    values: Callable[[], Mapping[str, int]]


def gauges(addresses: ServiceAddresses) -> Iterator[Gauge]:
    """How many node ports and cluster addresses are taken and free; counted when they are read."""
    yield from _both(_PORTS, "ports", "", lambda: {"": addresses.port_usage()})
    yield from _both(_ADDRESSES, "ips", "cidr", addresses.address_usage)


def _both(prefix: str, noun: str, label: str, usage: Callable[[], Mapping[str, Usage]]) -> Iterator[Gauge]:
    def taken() -> dict[str, int]:
        return {name: one.taken for name, one in usage().items()}

    def free() -> dict[str, int]:
        return {name: one.free for name, one in usage().items()}

    yield Gauge(f"{prefix}_allocated_{noun}", f"Allocated {noun} of Services.", label, taken)
    yield Gauge(f"{prefix}_available_{noun}", f"Available {noun} of Services.", label, free)
