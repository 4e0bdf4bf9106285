"""The connections that a question is about: of each client to each kind of pods behind a Service, or to an address."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.insight.connection import node_ports, points
from podwire.insight.connection.points import Point
from podwire.insight.connection.question import Question
from podwire.insight.connection.report import ServiceLine
from podwire.insight.connection.sides import Way
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot import endpoints
from podwire.insight.snapshot.ends import End, EndError, EndKind, Port
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.kube.addresses import parsed
from podwire.kube.services import EXPOSED_TYPES, Service, ServicePort

IPV4, IPV6 = 4, 6


class Ways(msgspec.Struct, frozen=True):
    """What is to be judged. Without a way nothing can be connected to, for the reasons of the findings."""

    ways: tuple[Way, ...] = ()
    services: tuple[ServiceLine, ...] = ()
    findings: tuple[Finding, ...] = ()


def ways(question: Question, snapshot: Snapshot) -> Ways:
    """Return the connections. Raises EndError where a port must be written.

    A client outside is seen by its own address on the node that its connection comes to, and by that node's address on
    others, where the Service has the policy Cluster. So is a client on one node that connects to the port of another.
    """
    question = node_ports.translated(question, snapshot)
    family = family_of(question, snapshot)
    sources = tuple(sources_of(question.source, family, snapshot))
    sources += tuple(node_ports.passages(question, sources, family, snapshot))
    clients = tuple(_client_findings(question.source, family, snapshot))
    found = _to(question, sources, family, snapshot)
    return msgspec.structs.replace(found, findings=(*clients, *found.findings))


def family_of(question: Question, snapshot: Snapshot) -> int:
    """Return the family of the connection: that of a written address, else IPv4 where both ends may have it."""
    for end in (question.source, question.destination):
        address = end.address or end.network
        if address is not None:
            return address.version
    for end in (question.source, question.destination):
        if end.service is not None and end.service.spec.ip_families[:1] == ("IPv6",):
            return IPV6
        known = {one.version for w in end.workloads for pod in w.pods for one in map(parsed, pod.addresses) if one}
        if known == {IPV6}:
            return IPV6
    only6 = {one.version for one in snapshot.pod_ranges.networks} == {IPV6}
    return IPV6 if only6 else IPV4


def sources_of(end: End, family: int, snapshot: Snapshot) -> Iterator[Point]:
    """Yield what the connections of a client come from; for a Service its pods. Raises EndError for host names."""
    match end.kind:
        case EndKind.HOST:
            raise EndError(f"{end.text}: is no client: write a pod, a workload, a node, an IP address or outside")
        case EndKind.SERVICE:
            assert end.service is not None, "a Service is set"
            for one in endpoints.selected(end.service, snapshot):
                yield points.of_workload(one, None, family, snapshot)
        case _:
            yield from _points(end, family, snapshot)


def _points(end: End, family: int, snapshot: Snapshot) -> Iterator[Point]:
    if end.kind is EndKind.OUTSIDE:
        yield points.outside(family)
    elif end.kind is EndKind.HOST:
        yield points.host(end.host, family, end.requested)
    elif end.node is not None:
        yield points.of_node(end.node, family)
    elif end.workloads:
        yield from (points.of_workload(one, end.pod, family, snapshot) for one in end.workloads)
    elif end.address is not None:
        yield points.of_address(end.address)
    elif end.network is not None:
        yield points.of_network(end.network)


def _client_findings(end: End, family: int, snapshot: Snapshot) -> Iterator[Finding]:
    if end.kind is EndKind.SERVICE and not any(True for _ in sources_of(end, family, snapshot)):
        yield Finding(Severity.ERROR, "NoClient", f"Service {end.text} selects no pod that could connect.")
    for one in end.workloads:
        if not one.replicas:
            yield _without_pods(one)


def _without_pods(one: Workload) -> Finding:
    text = f"{one.owner} has no pods: its replicas are 0."
    return Finding(Severity.WARNING, "NoPods", text, "The answer is for the pods that it would have.")


def _to(question: Question, sources: tuple[Point, ...], family: int, snapshot: Snapshot) -> Ways:
    end = question.destination
    if end.service is not None:
        return _to_service(end.service, question, sources, snapshot)
    targets = tuple(_points(end, family, snapshot))
    found = []
    for target in targets:
        for port in _ports(question, target):
            found += [Way(source, target, port.protocol, int(port.port)) for source in sources]
    findings = [_without_pods(one) for one in end.workloads if not one.replicas]
    findings += list(_not_ready(end.workloads))
    return Ways(tuple(found), (), tuple(findings))


def _ports(question: Question, target: Point) -> Iterator[Port]:
    """Yield the port that is written, as its number; without one each that a container declares."""
    end, given = question.destination, question.port
    if given is None:
        declared = target.workload.ports if target.workload is not None else ()
        if not declared:
            address = end.address or end.network
            shown = f"[{end.text}]" if address is not None and address.version == IPV6 else end.text
            raise EndError(f"{end.text}: write its port, as in {shown}:80: no container declares one")
        yield from dict.fromkeys(Port(one.container_port, one.protocol) for one in declared)
        return
    if isinstance(given.port, int):
        yield given
        return
    number = target.workload.number(given.port, given.protocol) if target.workload is not None else None
    if number is None:
        known = ", ".join(one.name for one in target.workload.ports if one.name) if target.workload else ""
        raise EndError(f"{end.text}: has no {given.protocol} port named {given.port}; named ports: {known or 'none'}")
    yield Port(number, given.protocol)


def _not_ready(workloads: tuple[Workload, ...]) -> Iterator[Finding]:
    for one in workloads:
        known = [pod for pod in one.pods if pod.addresses]
        if known and not any(pod.is_ready for pod in known):
            who = f"{one.owner} is not" if one.owner.kind == "Pod" else f"No pod of {one.owner} is"
            text = f"{who} ready: it may not answer."
            yield Finding(Severity.WARNING, "NotReady", text, "See 'podwire explain service' or kubectl describe pod.")


def _to_service(service: Service, question: Question, sources: tuple[Point, ...], snapshot: Snapshot) -> Ways:
    if service.headless:
        return _to_headless(service, question, sources, snapshot)
    chosen = requested_ports(service, question.port)
    findings = list(_service_findings(service, question, chosen, snapshot))
    found: list[Way] = []
    lines: list[ServiceLine] = []
    for port in chosen:
        behind = endpoints.backings(service, port, snapshot)
        findings += _port_findings(service, port, behind, snapshot)
        lines.append(_line(service, port, behind, snapshot))
        targets = [one for one in behind if one.port is not None and one.is_ready] or [
            one for one in behind if one.port is not None
        ]
        for one in targets:
            found += _through(port, one, sources, question.destination, snapshot)
        family = family_of(question, snapshot)
        found += node_ports.first_ways(question, sources, family, port) if targets else ()
        findings += node_ports.findings(question, sources, behind, snapshot)
    return Ways(tuple(found), tuple(lines), tuple(findings))


def _through(
    port: ServicePort, one: endpoints.Backing, sources: tuple[Point, ...], end: End, snapshot: Snapshot
) -> Iterator[Way]:
    """Yield the connections through a port of a Service to what is behind it."""
    for source in sources:
        for target in _behind(one, source.family, snapshot):
            if node_ports.connects(source, target, end):
                shown, is_forwarded = node_ports.forwarded(source, end), node_ports.is_forwarded(source, end)
                yield Way(shown, target, port.protocol, one.port or 0, port.port, is_forwarded)


def _to_headless(service: Service, question: Question, sources: tuple[Point, ...], snapshot: Snapshot) -> Ways:
    """Return the connections to the pods themselves, whose addresses the name has: nothing translates a port."""
    given = question.port
    if given is None or isinstance(given.port, str):  # SRV records have the pods' ports
        named = msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, cluster_ip=""))
        return _to_service(named, question, sources, snapshot)
    served = next(iter(requested_ports(service, given)), None)
    ports = (served,) if served is not None else service.spec.ports or (ServicePort(given.port, "", given.protocol),)
    every = [(port, endpoints.backings(service, port, snapshot)) for port in ports]
    behind = [one for _, found in every for one in found]
    ready = {(id(one.workload), one.addresses): one for one in behind if one.is_ready}
    ways_ = [
        Way(source, target, given.protocol, given.port)
        for one in ready.values() or behind
        for source in sources
        for target in _behind(one, source.family, snapshot)
    ]
    findings = list(_service_findings(service, question, list(ports), snapshot))
    for port, found in every:
        if not any(one.is_ready for one in found):
            findings += _port_findings(service, port, found, snapshot)
    targets = {one.port for one in behind if one.port is not None} - {given.port}
    if targets and served is not None:
        findings.append(_untranslated(service, served, targets, snapshot))
    return Ways(tuple(ways_), (), tuple(findings))


def _untranslated(service: Service, port: ServicePort, targets: set[int], snapshot: Snapshot) -> Finding:
    index = service.spec.ports.index(port)
    place = snapshot.place("Service", service.key, "spec", "ports", index)
    text = f"Service {service.key} is headless: clients connect to port {port.port} of its pods themselves"
    shown = ", ".join(map(str, sorted(targets)))
    return Finding(
        Severity.WARNING, "HeadlessPort", f"{text}, whose targetPort is {shown} ({place}).", f"Connect to port {shown}."
    )


def requested_ports(service: Service, desired: Port | None) -> list[ServicePort]:
    """Return the ports of a Service that a question is about: by number or name; all where it has none."""
    return [
        one
        for one in service.spec.ports
        if desired is None or (desired.port in (one.port, one.name) and desired.protocol == one.protocol)
    ]


def _behind(one: endpoints.Backing, family: int, snapshot: Snapshot) -> Iterator[Point]:
    if one.workload is not None:
        point = points.of_workload(one.workload, None, family, snapshot)
        named = tuple(each for each in map(parsed, one.addresses) if each is not None and each.version == family)
        yield msgspec.structs.replace(point, addresses=named or point.addresses)
        return
    for address in map(parsed, one.addresses):
        if address is not None:
            yield points.of_address(address)


def _line(
    service: Service, port: ServicePort, behind: tuple[endpoints.Backing, ...], snapshot: Snapshot
) -> ServiceLine:
    index = service.spec.ports.index(port)
    numbers = sorted({one.port for one in behind if one.port is not None})
    named = isinstance(port.target_port, str)
    target = ", ".join(map(str, numbers)) or str(port.target_port or port.port)
    shown = f"{target} ({port.target_port})" if named and numbers else target
    who = dict.fromkeys(str(one.workload.owner) if one.workload else ", ".join(one.addresses) for one in behind)
    return ServiceLine(
        str(service.key), snapshot.place("Service", service.key, "spec", "ports", index), port.port, port.name,
        port.protocol, shown, ", ".join(who) or "nothing",
    )  # fmt: skip


def _service_findings(
    service: Service, question: Question, chosen: list[ServicePort], snapshot: Snapshot
) -> Iterator[Finding]:
    if not chosen:
        ports = ", ".join(
            f"{one.port}/{one.protocol}{f' ({one.name})' if one.name else ''}" for one in service.spec.ports
        )
        text = f"Service {service.key} has no port {question.port}."
        yield Finding(Severity.ERROR, "PortNotServed", text, f"Its ports are {ports or 'none'}.")
    is_outside = question.source.kind in (EndKind.OUTSIDE, EndKind.ADDRESS)
    if is_outside and service.spec.type not in EXPOSED_TYPES and not service.spec.external_ips:
        text = f"Service {service.key} is of type {service.spec.type}: clients outside have no address for it."
        remedy = "Use a Gateway, an Ingress or type LoadBalancer; the rest of the answer is as if there were one."
        yield Finding(Severity.ERROR, "ClusterAddress", text, remedy)
    if service.spec.selector and not any(True for _ in endpoints.selected(service, snapshot)):
        labels = ",".join(f"{key}={value}" for key, value in sorted(service.spec.selector.items()))
        place = snapshot.place("Service", service.key, "spec", "selector")
        text = f"Service {service.key} selects no pod: none of namespace {service.metadata.namespace} has {labels}"
        yield Finding(Severity.ERROR, "SelectsNothing", f"{text} ({place}).", _nearest(service, snapshot))


def _nearest(service: Service, snapshot: Snapshot) -> str:
    """Return the labels of the pods in the namespace that have the most of the selector's keys."""
    own = [one for one in snapshot.workloads if one.namespace == service.metadata.namespace]
    keys = set(service.spec.selector)
    near = sorted(own, key=lambda one: (-len(keys & set(one.labels)), one.name != service.metadata.name, one.name))
    shown = [f"{one.owner} has {','.join(f'{k}={v}' for k, v in sorted(one.labels.items()))}" for one in near[:2]]
    return f"{'; '.join(shown)}." if shown else "The namespace has no pods."


def _port_findings(
    service: Service, port: ServicePort, behind: tuple[endpoints.Backing, ...], snapshot: Snapshot
) -> Iterator[Finding]:
    index = service.spec.ports.index(port)
    place = snapshot.place("Service", service.key, "spec", "ports", index, "targetPort")
    for one in behind:
        if one.port is None and one.workload is not None:
            known = ", ".join(each.name for each in one.workload.ports if each.name) or "none"
            text = (
                f"No container of {one.workload.owner} has a {port.protocol} port named {port.target_port} ({place})."
            )
            yield Finding(Severity.ERROR, "NamedPortMissing", text, f"Its named ports: {known}.")
    if behind and not any(one.is_ready for one in behind):
        text = f"No endpoint of Service {service.key} is ready: connections are refused."
        yield Finding(Severity.ERROR, "NoEndpointReady", text, f"See 'podwire explain service {service.key}'.")
    elif not behind and not service.spec.selector:
        text = f"Service {service.key} has no selector and no EndpointSlices: connections are refused."
        yield Finding(Severity.ERROR, "NoEndpoint", text, "Write an EndpointSlice for it, or a selector.")
    elif not behind and not snapshot.is_planned:
        text = f"Service {service.key} has no endpoint: connections are refused."
        yield Finding(Severity.ERROR, "NoEndpoint", text, f"See 'podwire explain service {service.key}'.")
