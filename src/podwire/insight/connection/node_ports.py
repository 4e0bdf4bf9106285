"""The node ports of Services: which node translates a connection, and which address it goes on with. Pure.

The node whose port it is translates it, after the client's own node has judged its egress by the address of that node.
It goes on to pods of the node with the client's address, to other pods with the node's, by externalTrafficPolicy
Cluster; by Local it goes to pods of the node only. Clients on the node itself reach all of them by their own address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from podwire.insight.connection import points
from podwire.insight.connection.points import Point
from podwire.insight.connection.question import Question
from podwire.insight.connection.sides import Way
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot.endpoints import Backing
from podwire.insight.snapshot.ends import End, EndKind, Port
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.addresses import parsed
from podwire.kube.services import EXPOSED_TYPES, Service, ServicePort

LOCAL = "Local"


def translated(question: Question, snapshot: Snapshot) -> Question:
    """Return the question with the Service in place of a node with the node port of one; any other as it is."""
    end, port = question.destination, question.port
    if end.node is None or port is None:
        return question
    for service in snapshot.services:
        for one in service.spec.ports if service.spec.type in EXPOSED_TYPES else ():
            if one.node_port and (one.node_port, one.protocol) == (port.port, port.protocol):
                address = end.address or next(iter(map(parsed, end.node.internal_addresses)), None)
                found = End(end.text, EndKind.SERVICE, service=service, node=end.node, address=address)
                return msgspec.structs.replace(question, destination=found, port=Port(one.port, one.protocol))
    return question


def passages(question: Question, sources: Iterable[Point], family: int, snapshot: Snapshot) -> Iterator[Point]:
    """Yield the nodes that may forward a connection to another node by their own address; of a node port its node."""
    end, service = question.destination, question.destination.service
    exposed = service is not None and (service.spec.type in EXPOSED_TYPES or bool(service.spec.external_ips))
    clients = {_shown(one) for one in sources if is_elsewhere(one, end)}
    if not exposed or service is None or is_local(service) or not clients:
        return
    who = clients.pop() if len(clients) == 1 else "clients elsewhere"
    for one in points.nodes(snapshot, family):
        if end.node is None or end.node.metadata.name in ("", one.node):
            yield msgspec.structs.replace(one, name=f"{who}, {one.name}")


def _shown(source: Point) -> str:
    return "outside" if source.kind in (points.Kind.OUTSIDE, points.Kind.ADDRESS) else source.name


def is_local(service: Service) -> bool:
    """Whether nodes lead clients elsewhere to their own pods only."""
    return service.spec.external_traffic_policy == LOCAL


def is_elsewhere(source: Point, destination: End) -> bool:
    """Whether a client is not on the node that translates its connection, as far as it is known."""
    if source.kind in (points.Kind.OUTSIDE, points.Kind.ADDRESS):
        return True
    return destination.node is not None and bool(source.node) and source.node != destination.node.metadata.name


def connects(source: Point, target: Point, destination: End) -> bool:
    """Whether pods are reached by this source: those of the client's node by its own address, others by a passage's."""
    if not target.node:
        return True
    if source.is_passage:
        return source.node != target.node
    is_own = destination.node is None or destination.node.metadata.name == target.node
    return is_own or not is_elsewhere(source, destination)


def forwarded(source: Point, destination: End) -> Point:
    """Return a pod with the way that its connection takes; any other client as it is."""
    if not is_forwarded(source, destination) or destination.node is None:
        return source
    return msgspec.structs.replace(source, name=f"{source.name}, through node {destination.node.metadata.name}")


def is_forwarded(source: Point, destination: End) -> bool:
    """Whether another node than that of the pod translates its connection."""
    return source.kind is points.Kind.POD and is_elsewhere(source, destination)


def first_ways(question: Question, sources: Iterable[Point], family: int, port: ServicePort) -> Iterator[Way]:
    """Yield the connections of pods to the node port of another node, which the policies of their egress judge."""
    node = question.destination.node
    for one in sources if node is not None and port.node_port else ():
        if node is not None and is_forwarded(one, question.destination):
            yield Way(one, points.of_node(node, family), port.protocol, port.node_port or 0)


def findings(
    question: Question, sources: Iterable[Point], behind: Sequence[Backing], snapshot: Snapshot
) -> Iterator[Finding]:
    """Yield why a node leads clients elsewhere to nothing."""
    end, service = question.destination, question.destination.service
    if end.node is None or service is None or not is_local(service):
        return
    if not any(is_elsewhere(one, end) for one in sources):
        return
    own, nodes = end.node.metadata.name, {node for one in behind if one.is_ready for node in _nodes(one)}
    field = f"externalTrafficPolicy: Local ({snapshot.place('Service', service.key, 'spec', 'externalTrafficPolicy')})"
    if not nodes or own in nodes:
        return
    if "" in nodes:
        text = f"Service {service.key} has {field}: a node without a pod of it drops what comes from elsewhere."
        yield Finding(Severity.NOTE, "LocalOnly", text, "On which nodes its pods will be is not known.")
        return
    text = f"No ready endpoint of Service {service.key} is on {own}, and it has {field}"
    remedy = f"Connect to {' or '.join(sorted(nodes))}, or set externalTrafficPolicy: Cluster."
    yield Finding(Severity.ERROR, "NoLocalEndpoint", f"{text}: {own} drops what comes from elsewhere.", remedy)


def _nodes(one: Backing) -> Iterator[str]:
    """Yield the nodes of endpoints; an empty text for one whose node is not known."""
    if one.workload is None or not one.workload.pods:
        yield ""
        return
    for pod in one.workload.pods:
        if not one.addresses or not set(one.addresses).isdisjoint(pod.addresses):
            yield pod.node
