"""What each node does with the ports of a Service: its endpoints by each way of access, and the reasons. Pure.

All of it comes from `services.model.entries`, which the proxy programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from podwire.insight.service.objects import ServiceObjects
from podwire.insight.service.report import Access, AccessLine, EndpointLine, NodeLine, NodeName, PortLine, Source
from podwire.kube.addresses import family_of
from podwire.kube.backend_choice import Outcome, Place, Reason, reasons
from podwire.kube.backends import Backend, Member, PortKey, by_port
from podwire.kube.discovery import NOT_PROXIED
from podwire.kube.services import Service, ServicePort
from podwire.services import model
from podwire.services.model import Entry, Pool, Scope
from podwire.services.node_view import NodeView

Members = Mapping[Backend, Member]
Ways = Mapping[Access, tuple[Pool, Source]]


def views(objects: ServiceObjects, settings: NodeView, only: str = "") -> tuple[NodeView, ...]:
    """Return what each node knows of itself, or one node; `settings` has what is the same for all."""
    chosen = [node for node in objects.nodes if only in {"", node.metadata.name}]
    named = sorted(chosen, key=lambda node: node.metadata.name)
    return tuple(msgspec.structs.replace(settings, name=node.metadata.name).followed(node) for node in named)


def members_by_port(objects: ServiceObjects) -> Mapping[PortKey, Members]:
    """Return the endpoints of each port, without slices that are another proxy's."""
    pieces = [piece for piece in objects.slices if not NOT_PROXIED & piece.metadata.labels.keys()]
    return by_port(objects.service, pieces)


def service_ports(service: Service) -> Iterator[tuple[ServicePort, PortKey]]:
    """All ports of a Service, once a family of its cluster addresses."""
    families = sorted({family_of(address) for address in service.addresses})
    for port in service.spec.ports:
        for family in families:
            yield port, PortKey(port.name, port.protocol, family)


def node_lines(objects: ServiceObjects, views: tuple[NodeView, ...]) -> tuple[NodeLine, ...]:
    """Return what each node does; nodes that do the same come together, in the order of their first."""
    found = members_by_port(objects)
    alike: dict[tuple[PortLine, ...], list[NodeName]] = {}
    for view in views:
        ways = ways_by_port(model.entries(objects.service, objects.slices, view))
        ports = tuple(
            _port_line(port, key, ways[key], found.get(key, {}), view.place)
            for port, key in service_ports(objects.service)
            if key in ways
        )
        alike.setdefault(ports, []).append(NodeName(view.name, view.zone, _node_port_addresses(view, ports)))
    return tuple(NodeLine(tuple(names), ports) for ports, names in alike.items() if ports)


def _node_port_addresses(view: NodeView, ports: tuple[PortLine, ...]) -> tuple[str, ...]:
    """Where the node has node ports, in the families of the Service."""
    families = {port.family for port in ports}
    return tuple(one for one in view.nodeport_ranges if ("IPv6" if ":" in one else "IPv4") in families)


def ways_by_port(entries: Iterator[Entry]) -> Mapping[PortKey, Ways]:
    """Return how clients reach each port, where that leads, and what becomes of their address.

    Access from inside to external addresses is left out where it is the same as to the cluster address.
    """
    found: dict[PortKey, dict[Access, tuple[Pool, Source]]] = {}
    for entry in entries:
        ways = found.setdefault(entry.inside.port, {})
        if entry.scope is Scope.CLUSTER:
            ways[Access.CLUSTER] = (entry.inside, Source.KEPT)
            continue
        if Access.CLUSTER not in ways or ways[Access.CLUSTER][0] != entry.inside:
            ways[Access.INSIDE] = (entry.inside, Source.KEPT)
        ways[Access.OUTSIDE] = (entry.outside, Source.KEPT if entry.keeps_source else Source.MASQUERADED)
    return found


def _port_line(port: ServicePort, key: PortKey, ways: Ways, members: Members, place: Place) -> PortLine:
    why = [reasons(members, place, pool.policy, pool.choice) for pool, _ in ways.values()]
    return PortLine(
        port.name,
        port.protocol,
        port.port,
        str(port.target_port or port.port),
        f"IPv{key.family}",
        tuple(_access_line(access, pool, source) for access, (pool, source) in ways.items()),
        tuple(_endpoint_line(backend, members[backend], why) for backend in sorted(members)),
    )


def _access_line(access: Access, pool: Pool, source: Source) -> AccessLine:
    choice = pool.choice
    used = choice.outcome is Outcome.USED
    return AccessLine(
        access,
        pool.policy,
        choice.outcome,
        len(choice.backends),
        source if used else None,
        choice.fallback,
        choice.topology,
    )


def _endpoint_line(backend: Backend, member: Member, why: list[Mapping[Backend, Reason]]) -> EndpointLine:
    return EndpointLine(
        backend.address,
        backend.port,
        str(member.pod or ""),
        member.node,
        member.zone,
        state(member),
        tuple(found[backend] for found in why),
    )


def state(member: Member) -> str:
    """Return the conditions of an endpoint in words."""
    if member.terminating:
        return "terminating, serving" if member.serving else "terminating"
    return "ready" if member.ready else "not ready"
