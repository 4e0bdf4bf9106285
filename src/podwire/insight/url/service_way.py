"""The way of a request to a Service, without a Gateway: from a pod, by a name or cluster address. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.model.backends import ServicePort
from podwire.insight.service.report import Finding, Severity
from podwire.insight.url import backend_lines, connections, findings, gateways
from podwire.insight.url.changes import changes_of
from podwire.insight.url.connections import Connection
from podwire.insight.url.cut_off import REFUSED
from podwire.insight.url.gateway_lines import dns_line
from podwire.insight.url.mesh_judgements import judged, request_of
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import OUTSIDE, Question
from podwire.insight.url.report import BackendLine, Kind, Outcome, Report
from podwire.kube.services import Service


def service_of(question: Question, objects: UrlObjects) -> Service | None:
    """Return the Service that the URL's host means, by its name in the cluster's DNS or its address."""
    found = gateways.cluster_name(question, objects.edge)
    if found is not None or not question.is_address:
        return found
    services = (one for _, one in sorted(objects.edge.services.items()))
    return next((one for one in services if question.host in one.addresses), None)


def report(question: Question, service: Service, objects: UrlObjects) -> Report:
    """Return what becomes of the request."""
    view = connections.view_of(objects)
    line = _line(question, service, objects)
    clients = connections.clients(question, objects)
    to_dns = tuple(connections.to_dns(question, objects, view))
    to_endpoints = connections.to_endpoints(clients, line, view) if line is not None else ()
    found = judged(to_endpoints, objects, request_of(question))
    return Report(
        question.url,
        question.request.method,
        question.client,
        _outcome(question, service, line, found),
        dns_line(question, None, objects),
        backends=(line,) if line is not None else (),
        policies=connections.lines((*to_dns, *found), objects),
        findings=(
            *_findings(question, service, line),
            *findings.of_connections((*to_dns, *found)),
            *findings.of_reading(objects),
        ),
        is_planned=objects.is_planned,
        changes=changes_of((*to_dns, *found), objects),
    )


def _line(question: Question, service: Service, objects: UrlObjects) -> BackendLine | None:
    ports = {one.port for one in service.spec.ports if one.protocol == "TCP"}
    if question.port not in ports:
        return None
    port = ServicePort(service.metadata.namespace, service.metadata.name, question.port)
    lines = tuple(backend_lines.endpoint_lines(port, objects))
    text = backend_lines.counted(lines)
    return BackendLine(f"{service.key}:{question.port}", 1, 100.0, text, endpoints=lines)


def _outcome(question: Question, service: Service, line: BackendLine | None, found: tuple[Connection, ...]) -> Outcome:
    if question.client == OUTSIDE:
        return Outcome(
            Kind.CLOSED, f"no answer: Service {service.key} is reached from pods only by this name or address"
        )
    if line is None:
        return Outcome(Kind.CLOSED, f"no connection: Service {service.key} has no TCP port {question.port}")
    if not any(one.is_used for one in line.endpoints):
        return Outcome(Kind.CLOSED, f"the connection is refused: Service {service.key} has no endpoint that is ready")
    denied = [one for one in found if not one.is_allowed]
    if denied and len(denied) == len(found):
        return _refused(denied)
    some = f", {len(denied)} of {len(found)} connections are not allowed" if denied else ""
    return Outcome(Kind.PASSED_ON, f"the connection is passed on to {line.backend}{some}")


def _refused(denied: list[Connection]) -> Outcome:
    if not all(one.verdict.allowed for one in denied):
        return Outcome(Kind.CLOSED, "no answer: policies do not allow the connection to any endpoint")
    if all(one.mesh is not None and one.mesh.status for one in denied):
        return Outcome(Kind.ANSWERED, f"{REFUSED}: policies of the mesh do not allow the request", REFUSED)
    return Outcome(Kind.CLOSED, "the connection is reset: policies of the mesh do not allow it")


def _findings(question: Question, service: Service, line: BackendLine | None) -> Iterator[Finding]:
    if question.client == OUTSIDE:
        text = f"Service {service.key}: its name and cluster address are for pods."
        yield Finding(
            Severity.ERROR, "ClusterAddress", text, "Use --from NAMESPACE/POD, or a Gateway or load balancer."
        )
    elif line is None:
        ports = ", ".join(f"{one.port}/{one.protocol}" for one in service.spec.ports) or "none"
        text = f"Service {service.key} has no TCP port {question.port}."
        yield Finding(Severity.ERROR, "PortNotServed", text, f"Its ports are {ports}.")
    elif not any(one.is_used for one in line.endpoints):
        text = f"Service {service.key} has no endpoint that is ready: connections are refused."
        yield Finding(Severity.ERROR, "NoEndpoint", text, f"See 'podwire explain service {service.key}'.")
