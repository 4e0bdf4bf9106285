"""Find, at start, what stored Services hold and should not: numbers of others, or of no range. Each is an Event.

Nothing is taken away, as clients may use it: the Service has to be created again. Source: k8s.io/kubernetes
`pkg/registry/core/service/portallocator/controller/repair.go`, `ipallocator/controller/repairip.go`.
"""

from __future__ import annotations

import hashlib
import logging
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.writes import node_ports
from podwire.apiserver.writes.ip_addresses import cluster_addresses
from podwire.apiserver.writes.options import WriteOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from podwire.apiserver.kinds.resources import Registry
    from podwire.apiserver.writes.writer import Writer

    Network = IPv4Network | IPv6Network

Object = dict[str, Any]

log = logging.getLogger(__name__)

_PORTS = "PortAllocation"
_ADDRESSES = "ClusterIPAllocation"
_REPORTERS = {_PORTS: "portallocator-repair-controller", _ADDRESSES: "ipallocator-repair-controller"}
_AUTHOR = WriteOptions(author="allocation-conflicts")


class Conflict(msgspec.Struct, frozen=True):
    """Something that a Service holds and should not. Reason, action and message are upstream's."""

    service: Object
    reason: str
    action: str
    message: str


def find(services: Iterable[Object], networks: Iterable[Network], known: range) -> Iterator[Conflict]:
    """Return the conflicts of stored Services; of several that hold one number the oldest has it rightly.

    `networks` are those of all ServiceCIDRs, `known` is the range of node ports.
    """
    ranges = tuple(networks)
    ports: set[int] = set()
    given: set[str] = set()
    for service in sorted(services, key=_age):
        for number in sorted(node_ports.held(service["spec"])):
            if number not in known:
                outside = f"Port {number} is not within the port range {known[0]}-{known[-1]}; please recreate service"
                yield Conflict(service, "PortOutOfRange", _PORTS, outside)
            elif number in ports:
                again = f"Port {number} was assigned to multiple services; please recreate service"
                yield Conflict(service, "PortAlreadyAllocated", _PORTS, again)
            ports.add(number)
        for address in sorted(cluster_addresses(service)):
            family = f"IPv{ip_address(address).version}"
            if not any(ip_address(address) in network for network in ranges):
                outside = f"Cluster IP [{family}]: {address} is not within any configured Service CIDR"
                yield Conflict(service, "ClusterIPOutOfRange", _ADDRESSES, f"{outside}; please recreate service")
            elif address in given:
                again = f"Cluster IP [{family}]:{address} was assigned to multiple services; please recreate service"
                yield Conflict(service, "ClusterIPAlreadyAllocated", _ADDRESSES, again)
            given.add(address)


async def report(writer: Writer, registry: Registry, found: Iterable[Conflict], now: datetime) -> None:
    """Log each conflict and store an Event of its Service, one however often the server starts."""
    events = registry.by_kind("v1", "Event")
    for conflict in found:
        about = conflict.service["metadata"]
        log.warning("Service %s/%s: %s", about["namespace"], about["name"], conflict.message)
        if events is None:
            continue
        try:
            await writer.create(events, about["namespace"], _event(conflict, now), _AUTHOR)
        except StatusError as error:
            if error.code != 409:
                log.warning("the Event of Service %s/%s is not stored: %s", about["namespace"], about["name"], error)


def _event(conflict: Conflict, now: datetime) -> Object:
    about = conflict.service["metadata"]
    digest = hashlib.blake2b(f"{about['uid']} {conflict.message}".encode(), digest_size=8).hexdigest()
    reporter = _REPORTERS[conflict.action]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about['name']}.{digest}", "namespace": about["namespace"]},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Service",
            **{k: about[k] for k in ("namespace", "name", "uid")},
        },
        "type": "Warning",
        "reason": conflict.reason,
        "action": conflict.action,
        "message": conflict.message,
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "reportingComponent": reporter,
        "reportingInstance": reporter,
    }


def _age(service: Object) -> tuple[str, str, str]:
    about = service["metadata"]
    return about.get("creationTimestamp", ""), about["namespace"], about["name"]
