"""The explanation of a URL from objects. Pure. What the proxy does comes from the functions that configure it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.ingress.servers import ANY_HOST
from podwire.insight.answer_form import Verdict
from podwire.insight.service.report import Finding, Severity
from podwire.insight.url import (
    backend_lines,
    certificates,
    connections,
    findings,
    gateways,
    ingress_way,
    ingresses,
    mesh_way,
    name_way,
    service_way,
)
from podwire.insight.url.changes import changes_of
from podwire.insight.url.connections import Connection
from podwire.insight.url.cut_off import reached
from podwire.insight.url.gateway_lines import dns_line, gateway_line, listener_lines
from podwire.insight.url.gateways import Chosen
from podwire.insight.url.mesh_judgements import judged, request_of
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.outcome import outcome
from podwire.insight.url.question import Question
from podwire.insight.url.report import BackendLine, Kind, Outcome, Report
from podwire.insight.url.route_lines import route_lines
from podwire.insight.url.steps import steps
from podwire.policy.view import View

_ORDER = tuple(Severity)


def explain(question: Question, objects: UrlObjects, now: datetime) -> Report:
    """Return what becomes of the request, at every step, and why."""
    chosen = gateways.chosen(question, objects)
    if not question.gateway and (chosen is None or chosen.passage.ends is not None):
        host = ingresses.served_host(question, objects)
        if host is not None and (chosen is None or host.name != ANY_HOST or question.is_address):
            whole = ingress_way.report(question, host, objects, now)
            return _shown(msgspec.structs.replace(whole, findings=_sorted([*whole.findings])))
    if chosen is not None:
        return _explained(question, objects, chosen, now)
    service = service_way.service_of(question, objects) if not question.gateway else None
    if service is not None and name_way.is_one(service):
        return name_way.report(question, service, objects)
    routed = mesh_way.routed_port(question, service, objects) if service is not None else None
    if service is not None and routed is not None and not mesh_way.is_restricted(question, objects):
        return _shown(mesh_way.report(question, routed, objects))
    if service is not None:
        whole = service_way.report(question, service, objects)
        notes = mesh_way.no_routes(question, service) if routed is not None else ()
        return _shown(msgspec.structs.replace(whole, findings=(*whole.findings, *notes)))
    return Report(
        question.url,
        question.request.method,
        question.client,
        Outcome(Kind.UNKNOWN, "no Gateway gets the request"),
        dns_line(question, None, objects),
        findings=_sorted(
            [
                *findings.of_no_gateway(question, objects),
                *_foreign_ingresses(question, objects),
                *findings.of_reading(objects),
            ]
        ),
        is_planned=objects.is_planned,
    )


def _explained(question: Question, objects: UrlObjects, chosen: Chosen, now: datetime) -> Report:
    served, way = chosen.served, chosen.passage
    view = connections.view_of(objects)
    to_dns = tuple(connections.to_dns(question, objects, view))
    to_gateway = tuple(_to_gateway(question, served.gateway, objects, view))
    lines, to_endpoints = _backends(question, chosen, objects, view)
    found = [
        *findings.of_gateway(served.gateway, objects, chosen.others),
        *findings.of_listeners(served, way, question.port),
        *certificates.of_listener(question, served, way, objects, now),
        *findings.of_routes(question, served, way, objects),
        *findings.of_backends(way, lines, objects),
        *_also_ingresses(question, objects),
        *findings.of_connections((*to_dns, *to_gateway, *to_endpoints)),
        *findings.of_reading(objects),
    ]
    whole = Report(
        question.url,
        question.request.method,
        question.client,
        outcome(question, way, lines, to_gateway),
        dns_line(question, served.gateway, objects),
        gateway_line(served.gateway, objects),
        tuple(listener_lines(question, served, way)),
        way.host.domain if way.host is not None else "",
        route_lines(question, served, way, objects),
        tuple(steps(way.taken.route, question)) if way.taken is not None else (),
        lines,
        connections.lines((*to_dns, *to_gateway, *to_endpoints), objects),
        _sorted(found),
        objects.is_planned,
        changes_of((*to_dns, *to_gateway, *to_endpoints), objects),
    )
    return _shown(whole)


def _foreign_ingresses(question: Question, objects: UrlObjects) -> Iterator[Finding]:
    """Ingresses for the host that podwire does not serve."""
    for one in ingresses.foreign(question, objects):
        name = f"class {one.class_name}" if one.class_name else "no class"
        text = f"Ingress {one.key} is for host {question.request.host}, and of {name}, which podwire does not serve."
        yield Finding(Severity.WARNING, "OtherClass", text, "Set spec.ingressClassName to podwire.")


def _also_ingresses(question: Question, objects: UrlObjects) -> Iterator[Finding]:
    """A note where Ingresses have the host too."""
    if not question.is_address and not question.gateway and ingresses.fits(question, objects):
        text = (
            f"Ingresses are for host {question.request.host} too: they have an address of their own, and DNS decides."
        )
        yield Finding(Severity.NOTE, "Ingress", text, "See 'kubectl get ingress -A'.")


def _to_gateway(question: Question, gateway: Gateway, objects: UrlObjects, view: View) -> Iterator[Connection]:
    service = gateways.service_of(gateway, objects.edge)
    local = service is not None and service.spec.external_traffic_policy == "Local"
    port = gateways.proxy_port(question.port, service)
    yield from connections.to_gateway(question, gateways.envoys(gateway, objects.pods), port, local, objects, view)


def _backends(
    question: Question, chosen: Chosen, objects: UrlObjects, view: View
) -> tuple[tuple[BackendLine, ...], tuple[Connection, ...]]:
    """Return the shares of the route that is taken, and the connections to their endpoints."""
    way = chosen.passage
    if way.shares is None:
        return (), ()
    envoys = gateways.envoys(chosen.served.gateway, objects.pods)
    request = request_of(question, way.taken.route) if way.taken is not None else None
    lines: list[BackendLine] = []
    found: list[Connection] = []
    for line in backend_lines.backend_lines(way.shares, chosen.served.clusters, objects):
        own = judged(connections.to_endpoints(envoys, line, view), objects, request) if line.weight else ()
        found += own
        lines.append(reached(line, own))
    return tuple(lines), tuple(found)


def _shown(whole: Report) -> Report:
    """Report where policies of the mesh cannot be decided, and leave out what is made up."""
    if whole.verdict is Verdict.UNDECIDABLE:
        outcome_ = msgspec.structs.replace(whole.outcome, text=f"{whole.outcome.text}, if the mesh's policies allow it")
        whole = msgspec.structs.replace(whole, outcome=outcome_)
    if not whole.is_planned:
        return whole
    return msgspec.structs.replace(whole, backends=tuple(map(_without_addresses, whole.backends)))


def _without_addresses(line: BackendLine) -> BackendLine:
    """Leave out addresses that are made up: the port is right."""
    endpoints = (msgspec.structs.replace(one, address=f":{one.address.rpartition(':')[2]}") for one in line.endpoints)
    return msgspec.structs.replace(line, endpoints=tuple(endpoints))


def _sorted(found: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda one: _ORDER.index(one.severity)))
