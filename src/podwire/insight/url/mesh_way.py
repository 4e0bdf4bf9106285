"""The way of a pod's request to a Service with routes: the Envoy of the client's node decides. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.edge.gateway.owners import Owner
from podwire.edge.model import choice
from podwire.edge.model.backends import Cluster
from podwire.edge.model.routes import VirtualHost
from podwire.insight.service.report import Finding, Severity
from podwire.insight.url import backend_lines, connections, findings
from podwire.insight.url.changes import changes_of
from podwire.insight.url.connections import Connection
from podwire.insight.url.cut_off import reached
from podwire.insight.url.gateway_lines import dns_line
from podwire.insight.url.mesh_judgements import judged, request_of
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.outcome import outcome
from podwire.insight.url.passage import End, Passage
from podwire.insight.url.question import Question
from podwire.insight.url.report import BackendLine, Kind, Outcome, Report, RouteLine
from podwire.insight.url.route_lines import tried_lines
from podwire.insight.url.steps import steps
from podwire.kube.core import Pod
from podwire.kube.services import Service
from podwire.mesh.routes.policies import Policies
from podwire.mesh.routes.service_routes import ServiceRoutes
from podwire.redirection.enrolment import enrolled, pod_enrolled


class RoutedPort(msgspec.Struct, frozen=True):
    """A port of a Service as the client sees it.

    Attributes:
        refused: routes that refer to the Service and are not in force there, with why.

    """

    service: Service
    host: VirtualHost
    clusters: dict[str, Cluster]
    refused: tuple[tuple[Owner, str], ...]


def routed_port(question: Question, service: Service, objects: UrlObjects) -> RoutedPort | None:
    """Return the routes for the request; None where the client is not enrolled, or the port has none."""
    clients = connections.clients(question, objects)
    if not clients or not all(_is_enrolled(one, objects) for one in clients):
        return None
    namespace = clients[0].metadata.namespace
    routes = ServiceRoutes(objects.edge, Policies(objects.edge))
    routes.update(objects.edge.routes)
    there = [one for one in routes.frontends(service.key) if one.port == question.port]
    frontend = next((one for one in there if one.client == namespace), next(iter(there), None))
    host = routes.virtual_host(frontend) if frontend is not None and frontend.client in ("", namespace) else None
    if host is None:
        return None
    owners = objects.edge.routes_on(service.key)
    clusters = {one.name: one for owner in owners for one in routes.translated(owner).clusters}
    return RoutedPort(service, host, clusters, tuple(_refused(owners, routes, service)))


def is_restricted(question: Question, objects: UrlObjects) -> bool:
    """Whether policies restrict the egress of the client: its requests are not routed then."""
    view = connections.view_of(objects)
    return any(connections.is_egress_restricted(one, view) for one in connections.clients(question, objects))


def no_routes(question: Question, service: Service) -> Iterator[Finding]:
    """Yield that routes do not count for the client."""
    text = f"Routes of Service {service.key} do not count for {question.client}: a policy restricts its egress."
    remedy = "The node chooses an endpoint of the Service itself. Routes need a client whose egress no policy selects."
    yield Finding(Severity.WARNING, "NoRoutesForClient", text, remedy)


def report(question: Question, port: RoutedPort, objects: UrlObjects) -> Report:
    """Return what becomes of the request."""
    view = connections.view_of(objects)
    way = _passage(question, port)
    clients = connections.clients(question, objects)
    lines: list[BackendLine] = []
    made: list[Connection] = []
    request = request_of(question, way.taken.route) if way.taken is not None else None
    for line in backend_lines.backend_lines(way.shares or (), port.clusters, objects):
        own = judged(connections.to_endpoints(clients, line, view), objects, request) if line.weight else ()
        made += own
        lines.append(reached(line, own))
    to_dns = tuple(connections.to_dns(question, objects, view))
    every = (*to_dns, *made)
    refused = (
        RouteLine(f"{one.kind} {one.key}", "", "", text, place=objects.places.get(one, ""))
        for one, text in port.refused
    )
    return Report(
        question.url,
        question.request.method,
        question.client,
        outcome(question, way, tuple(lines), ()),
        dns_line(question, None, objects),
        host=f"* of Service {port.service.key}",
        routes=(*tried_lines(way, objects), *refused),
        steps=tuple(steps(way.taken.route, question)) if way.taken is not None else (),
        backends=tuple(lines),
        policies=connections.lines(every, objects),
        findings=(*_findings(way), *findings.of_connections(every), *findings.of_reading(objects)),
        is_planned=objects.is_planned,
        changes=changes_of(every, objects),
    )


def _passage(question: Question, port: RoutedPort) -> Passage:
    tried = tuple(choice.tried(port.host, question.request))
    if any(one.is_taken for one in tried):
        return Passage(host=port.host, tried=tried)
    text = f"404: no route of Service {port.service.key} matches"
    end = End("NoRoute", Outcome(Kind.ANSWERED, text, 404), "Change the request, or a match of these routes.")
    return Passage(host=port.host, tried=tried, ends=end)


def _refused(owners: tuple[Owner, ...], routes: ServiceRoutes, service: Service) -> Iterator[tuple[Owner, str]]:
    for owner in owners:
        if unsupported := routes.translated(owner).unsupported:
            yield owner, f"not accepted: {unsupported}"
            continue
        for one in routes.attachments(owner):
            if one.service == service.key and one.reason != "Accepted":
                yield owner, f"not attached ({one.reason}): {one.message}"


def _findings(way: Passage) -> Iterator[Finding]:
    if way.ends is not None:
        yield Finding(Severity.ERROR, way.ends.reason, f"{way.ends.outcome.text}.", way.ends.remedy)


def _is_enrolled(pod: Pod, objects: UrlObjects) -> bool:
    namespace = pod.metadata.namespace
    selectors = (
        one.spec.selector
        for one in objects.edge.services.values()
        if one.metadata.namespace == namespace and enrolled(one.metadata.labels)
    )
    return pod_enrolled(pod.metadata.labels, objects.edge.namespace_labels(namespace), selectors)
