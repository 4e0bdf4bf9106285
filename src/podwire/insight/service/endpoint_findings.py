"""What the EndpointSlices of a Service lack, and which nodes have no endpoint to use. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from podwire.controllers.endpoints.traffic_distribution import Distribution, distribution
from podwire.insight.service.choices import members_by_port, service_ports
from podwire.insight.service.objects import ServiceObjects
from podwire.insight.service.pod_findings import names
from podwire.insight.service.report import Access, Finding, NodeLine, Severity
from podwire.kube.addresses import canonical
from podwire.kube.backend_choice import Outcome, Topology, TrafficPolicy
from podwire.kube.backends import PortKey


def findings(objects: ServiceObjects, nodes: Sequence[NodeLine]) -> Iterator[Finding]:
    """Return all of it."""
    yield from _slices(objects)
    yield from _addresses(objects)
    yield from _fallback(nodes)
    yield from _local(objects, nodes)
    yield from _topology(objects, nodes)


def _slices(objects: ServiceObjects) -> Iterator[Finding]:
    service = objects.service
    if "endpointslices" in objects.unreadable:
        return
    if not objects.slices:
        if not service.spec.selector:
            yield Finding(
                Severity.ERROR,
                "NoEndpointSlice",
                "The Service has no selector, and no EndpointSlice names it: connections are refused.",
                f"Add spec.selector, or an EndpointSlice with the label kubernetes.io/service-name:"
                f" {service.metadata.name}.",
            )
        elif any(pod.ready for pod in objects.selected):
            yield Finding(
                Severity.ERROR,
                "NoEndpointSlice",
                "The selected pods are ready, but no EndpointSlice exists: the EndpointSlice controller is behind.",
                "See the log of the controllers.",
            )
        return
    found = members_by_port(objects)
    for port, key in service_ports(service):
        if key not in found:
            yield _absent(objects, port.name or str(port.port), key)


def _absent(objects: ServiceObjects, name: str, key: PortKey) -> Finding:
    """A port that no slice of its family has, by name and protocol."""
    address_type = f"IPv{key.family}"
    pieces = [piece for piece in objects.slices if piece.address_type == address_type]
    if not pieces:
        text = f"Port {name} ({key.protocol}) has no endpoint in {address_type}: no EndpointSlice of this family exists"
        return Finding(
            Severity.WARNING,
            "NoEndpointOfFamily",
            f"{text}, and connections to the {address_type} address are refused.",
            f"Give pods {address_type} addresses, or take {address_type} out of spec.ipFamilies.",
        )
    there = sorted({f"{port.name or '(no name)'} ({port.protocol})" for piece in pieces for port in piece.ports})
    return Finding(
        Severity.ERROR,
        "PortInNoSlice",
        f"Port {name} ({key.protocol}) is in no {address_type} EndpointSlice: connections to it are refused.",
        f"Ports are joined by name and protocol; the slices have {', '.join(there) or 'none'}."
        if not objects.service.spec.selector
        else "",
    )


def _addresses(objects: ServiceObjects) -> Iterator[Finding]:
    for piece in objects.slices:
        bad = [one.addresses[0] for one in piece.endpoints if one.addresses and not canonical(one.addresses[0])]
        if bad and piece.address_type != "FQDN":
            yield Finding(
                Severity.WARNING,
                "AddressNotAllowed",
                f"EndpointSlice {piece.metadata.name}: {names(bad)} is ignored: no Service may lead to loopback,"
                " link-local, multicast or unspecified addresses.",
                "Write the address of a pod or of another host.",
            )


def _fallback(nodes: Sequence[NodeLine]) -> Iterator[Finding]:
    ports = (port for line in nodes for port in line.ports if any(way.fallback for way in port.access))
    for name in sorted({port.name or str(port.port) for port in ports}):
        yield Finding(
            Severity.WARNING,
            "OnlyTerminating",
            f"Port {name}: no endpoint is ready; those that still serve while they terminate are used.",
            "Start other pods before the last one ends.",
        )


def _local(objects: ServiceObjects, nodes: Sequence[NodeLine]) -> Iterator[Finding]:
    """Nodes that drop, because a policy is Local and no endpoint is on them."""
    dropping: defaultdict[Access, set[str]] = defaultdict(set)
    for line in nodes:
        for port in line.ports:
            for way in port.access:
                if way.outcome is Outcome.DROP:
                    dropping[way.access].update(node.name for node in line.nodes)
    fields = {Access.CLUSTER: "internalTrafficPolicy", Access.OUTSIDE: "externalTrafficPolicy"}
    for access, field in fields.items():
        if dropping[access]:
            yield _drops(objects, field, sorted(dropping[access]))


def _drops(objects: ServiceObjects, field: str, found: Sequence[str]) -> Finding:
    external = field == "externalTrafficPolicy"
    health = objects.service.spec.health_check_node_port
    text = f"{field} is Local, and {names(found)} {'has' if len(found) == 1 else 'have'} no endpoint"
    if external:
        text += ": connections from outside to these nodes are dropped"
        text += f"; load balancers see that by port {health}." if health else "."
    else:
        text += ": connections from their pods are dropped."
    remedy = "Run a pod on each of these nodes (a DaemonSet does), or set the policy to Cluster."
    return Finding(Severity.NOTE if external and health else Severity.WARNING, "NoLocalEndpoint", text, remedy)


def _topology(objects: ServiceObjects, nodes: Sequence[NodeLine]) -> Iterator[Finding]:
    """Where a preference has no effect, and why."""
    desired = distribution(objects.service)
    if desired is Distribution.NONE:
        return
    field = objects.service.spec.traffic_distribution
    what = "topology-mode is Auto" if desired is Distribution.AUTO else f"trafficDistribution is {field}"
    anywhere = [
        node.name
        for line in nodes
        for node in line.nodes
        if any(way.policy is TrafficPolicy.CLUSTER and way.outcome is Outcome.USED and not way.fallback
               and way.topology is Topology.NONE for port in line.ports for way in port.access)
    ]  # fmt: skip
    if not anywhere:
        return
    without = [node.name for line in nodes for node in line.nodes if not node.zone and node.name in anywhere]
    hints = [one.hints for piece in objects.slices for one in piece.endpoints if one.ready]
    if desired is not Distribution.SAME_NODE and without:
        why, remedy = f"{names(without)} has no zone", "Set the label topology.kubernetes.io/zone on these nodes."
    elif not all(hint.for_zones or hint.for_nodes for hint in hints):
        why, remedy = "a ready endpoint has no hint", "The EndpointSlice controller gives hints when zones are known."
    else:
        why, remedy = "no endpoint is meant for these nodes", "Run a pod there, if the way matters."
    yield Finding(
        Severity.NOTE,
        "TopologyIgnored",
        f"{what}, but {names(anywhere)} use all ready endpoints: {why}.",
        remedy,
    )
