"""The part of `podwire status` about Services: how to reach them in the world and from the host. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from podwire.kube.meta import NamespacedName
from podwire.kube.services import EXPOSED_TYPES, Service
from podwire.lab.base.text_columns import table
from podwire.lab.relay.forwards import Forward, Network, forwards_of, internal_addresses
from podwire.lab.relay.table import Table

Kind = Literal["LoadBalancer", "NodePort", "ClusterIP", "Published"]

NodesOf = Callable[[Forward], Sequence[str]]

INTERNAL = "internal: nodes and pods only"
PENDING = "no address yet"
OPENING = "opening"


class ServiceLine(msgspec.Struct, frozen=True):
    """One way to a port of a Service; 0 for a published port that leads nowhere.

    `address` and `host` are ADDRESS:PORT in the world, where the outside host reaches it, and on this machine; empty
    where there is none. `note` has the reason.
    """

    namespace: str
    name: str
    port: int
    kind: Kind
    protocol: str
    address: str = ""
    host: str = ""
    note: str = ""


def lines(
    services: Sequence[Service], nodes: NodesOf, internal: Sequence[Network], opened: Table
) -> tuple[ServiceLine, ...]:
    """Return the ways to all Services that clients outside of the cluster use, and to those that are published.

    `nodes` returns the addresses of the nodes where a node port answers: it is shown at the first one.
    """
    hosts = {entry.forward.key: entry for entry in opened.entries}
    found: list[ServiceLine] = []
    for service in sorted(services, key=lambda one: (one.key.namespace, one.key.name)):
        for forward in forwards_of(service, internal):
            entry = hosts.get(forward.key)
            host = join(entry.host, entry.port) if entry is not None and entry.host else ""
            note = entry.note if entry is not None else OPENING
            found.append(_line(forward, nodes, host, note))
        found += _others(service, internal)
    return (*found, *_published(opened, nodes))


def text(found: Sequence[ServiceLine]) -> list[str]:
    """Return the lines as a table; none where there is nothing to show."""
    if not found:
        return []
    shown = table([("SERVICE", "BY", "PROTOCOL", "IN THE WORLD", "ON THIS HOST"), *map(_cells, found)])
    notes = [f"  ({one.note})" if one.note else "" for one in found]
    return [shown[0], *(row + note for row, note in zip(shown[1:], notes, strict=True))]


def _cells(one: ServiceLine) -> tuple[str, ...]:
    name = f"{one.namespace}/{one.name}" + (f":{one.port}" if one.port else "")
    return name, one.kind, one.protocol, one.address or "-", one.host or "-"


def join(address: str, port: int) -> str:
    """ADDRESS:PORT, with brackets around an IPv6 address."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _line(forward: Forward, nodes: NodesOf, host: str, note: str) -> ServiceLine:
    return ServiceLine(
        namespace=forward.service.namespace,
        name=forward.service.name,
        port=forward.service_port,
        kind=forward.kind,
        protocol=forward.protocol,
        address=_in_world(forward, nodes),
        host=host,
        note=note,
    )


def _in_world(forward: Forward, nodes: NodesOf) -> str:
    if forward.address:
        return join(forward.address, forward.port)
    usable = [one for one in nodes(forward) if ("IPv6" if ":" in one else "IPv4") in forward.families]
    return join(usable[0], forward.port) if usable else ""


def _others(service: Service, internal: Sequence[Network]) -> Iterator[ServiceLine]:
    """Internal addresses, and load balancers that have none yet."""
    if service.spec.type not in EXPOSED_TYPES:
        return
    for address in internal_addresses(service, internal):
        for port in service.spec.ports:
            where = join(address, port.port)
            yield ServiceLine(*_name(service.key), port.port, "LoadBalancer", port.protocol, where, note=INTERNAL)
    if service.spec.type == "LoadBalancer" and not service.status.load_balancer.ingress:
        for port in service.spec.ports:
            yield ServiceLine(*_name(service.key), port.port, "LoadBalancer", port.protocol, note=PENDING)


def _published(opened: Table, nodes: NodesOf) -> Iterator[ServiceLine]:
    for entry in opened.published:
        where = _in_world(entry.forward, nodes) if entry.forward is not None else ""
        host = join("127.0.0.1", entry.port)
        port = entry.forward.service_port if entry.forward is not None else 0
        yield ServiceLine(entry.namespace, entry.name, port, "Published", entry.protocol, where, host, entry.note)


def _name(key: NamespacedName) -> tuple[str, str]:
    return key.namespace, key.name
