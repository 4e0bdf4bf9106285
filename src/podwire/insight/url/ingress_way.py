"""The explanation of a request that Ingresses get, in the same form as for a Gateway. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from podwire.edge.gateway.owners import Owner
from podwire.edge.ingress.annotations.table import PREFIXES
from podwire.edge.ingress.listeners import PROXY_PORTS
from podwire.edge.ingress.servers import ANY_HOST, Claim
from podwire.edge.model.choice import Tried
from podwire.edge.model.routes import Answer
from podwire.insight.service.report import Finding, Severity
from podwire.insight.url import backend_lines, connections, findings, ingresses
from podwire.insight.url.certificates import facts_of
from podwire.insight.url.changes import changes_of
from podwire.insight.url.connections import Connection
from podwire.insight.url.cut_off import reached
from podwire.insight.url.ingresses import ServedHost
from podwire.insight.url.mesh_judgements import judged, request_of
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.outcome import outcome
from podwire.insight.url.passage import Passage
from podwire.insight.url.question import Question
from podwire.insight.url.report import BackendLine, DnsLine, GatewayLine, Kind, ListenerLine, Outcome, Report, RouteLine
from podwire.insight.url.route_lines import owner_of, wants
from podwire.insight.url.steps import steps
from podwire.policy.view import View

NO_BACKEND = 503


def report(question: Question, found: ServedHost, objects: UrlObjects, now: datetime) -> Report:
    """Return what becomes of the request."""
    way, view = ingresses.passage(question, found), connections.view_of(objects)
    envoys = ingresses.envoys(objects.pods)
    port = PROXY_PORTS.get(question.port, question.port)
    to_dns = tuple(connections.to_dns(question, objects, view))
    to_proxy = tuple(connections.to_gateway(question, envoys, port, local=True, objects=objects, view=view))
    lines, to_endpoints = _backends(question, way, found, objects, view)
    every = (*to_dns, *to_proxy, *to_endpoints)
    return Report(
        question.url,
        question.request.method,
        question.client,
        _outcome(question, way, found, lines, to_proxy),
        _dns(question, objects),
        _proxy(objects),
        tuple(_ports(question, found)),
        way.host.domain if way.host is not None else found.name,
        tuple(_routes(way, found, objects)),
        tuple(_steps(question, way, found)),
        lines,
        connections.lines(every, objects),
        (
            *_of_way(way, found, objects),
            *_of_annotations(way, found, objects),
            *_of_certificates(question, found, now),
            *findings.of_connections(every),
            *findings.of_reading(objects),
        ),
        objects.is_planned,
        changes_of(every, objects),
    )


def _backends(
    question: Question, way: Passage, found: ServedHost, objects: UrlObjects, view: View
) -> tuple[tuple[BackendLine, ...], tuple[Connection, ...]]:
    """Return the shares of the path that is taken, and the connections to their endpoints."""
    lines: list[BackendLine] = []
    made: list[Connection] = []
    for line in backend_lines.backend_lines(way.shares or (), found.clusters, objects):
        to_endpoints = connections.to_endpoints(ingresses.envoys(objects.pods), line, view) if line.weight else ()
        own = judged(to_endpoints, objects, request_of(question, way.taken.route) if way.taken is not None else None)
        made += own
        lines.append(reached(line, own))
    return tuple(lines), tuple(made)


def _outcome(
    question: Question,
    way: Passage,
    found: ServedHost,
    lines: tuple[BackendLine, ...],
    arriving: tuple[Connection, ...],
) -> Outcome:
    made = outcome(question, way, lines, arriving)
    taken = way.taken
    if taken is None or taken.route.action != Answer(NO_BACKEND) or made.status != NO_BACKEND:
        return made
    reasons = (*_denied(taken, found), *_missing(taken, found))
    text = reasons[0] if reasons else "the path has no backend"
    return Outcome(Kind.ANSWERED, f"{NO_BACKEND}: {text}", NO_BACKEND)


def _denied(taken: Tried, found: ServedHost) -> Iterator[str]:
    """Why all paths of the Ingress are closed."""
    key = owner_of(taken.route.name).key
    for one in found.server.locations:
        if one.ingress == key and one.denied:
            yield one.denied


def _missing(taken: Tried, found: ServedHost) -> Iterator[str]:
    key = owner_of(taken.route.name).key
    yield from (one.missing.message for one in found.made.missing if one.ingress == key)


def _dns(question: Question, objects: UrlObjects) -> DnsLine:
    if question.is_address:
        return DnsLine(question.host, (question.host,), "an address: no name is looked up")
    addresses = ingresses.entry_addresses(objects)
    text = "not a name of the cluster: the DNS of its domain must answer"
    return DnsLine(question.host, addresses, f"{text} {' or '.join(addresses) or 'the address of Ingresses'}")


def _proxy(objects: UrlObjects) -> GatewayLine:
    ready = [one for one in ingresses.envoys(objects.pods) if one.ready]
    return GatewayLine(
        str(ingresses.SERVICE),
        "",
        ingresses.entry_addresses(objects),
        str(ingresses.SERVICE) if ingresses.SERVICE in objects.edge.services else "",
        () if objects.is_planned else tuple(f"{one.key} on {one.spec.node_name}" for one in ready),
        kind="Ingresses",
    )


def _ports(question: Question, found: ServedHost) -> Iterator[ListenerLine]:
    """Yield both ports; that of HTTPS has the certificate of the host, or the default one."""
    certificate = found.certificates.of(_certified(question, found))
    for name, port, shown in (("http", 80, ""), ("https", 443, certificate.name if certificate else "the default one")):
        is_taken = port == question.port and (name == "https") is question.is_tls
        result = "taken" if is_taken else "another port"
        yield ListenerLine(name, name.upper(), port, "", shown, result, is_taken)


def _certified(question: Question, found: ServedHost) -> str:
    return question.server_name or found.name


def _routes(way: Passage, found: ServedHost, objects: UrlObjects) -> Iterator[RouteLine]:
    """Yield the paths in the order in which they are tried, then those that have no effect, with why."""
    for one in way.tried:
        name = one.route.name
        owner = owner_of(name)
        text = "taken" if one.is_taken else "; ".join(one.mismatches) or "matches too, and comes later"
        rule = f"{name.rule}/{name.match}" if name.rule >= 0 else "-"
        yield RouteLine(
            f"Ingress {owner.key}", rule, wants(one.route.match), text, one.is_taken, objects.places.get(owner, "")
        )
    for refused in found.server.refused:
        owner = Owner("Ingress", refused.ingress.namespace, refused.ingress.name)
        place = objects.places.get(owner, "")
        yield RouteLine(f"Ingress {refused.ingress}", "", "", f"no effect ({refused.reason})", place=place)


def _steps(question: Question, way: Passage, found: ServedHost) -> Iterator[str]:
    """Yield the annotations of the Ingress that is taken, and what the route does."""
    if way.taken is None:
        return
    claim = _claim(way, found)
    if claim is not None:
        problems = {one.annotation for one in claim.read.problems}
        for name, value in sorted(claim.item.metadata.annotations.items()):
            if name.startswith(PREFIXES) and name not in problems:
                yield f"annotation {name}: {' '.join(value.split())}"
    yield from steps(way.taken.route, question)


def _claim(way: Passage, found: ServedHost) -> Claim | None:
    if way.name is None:
        return None
    key = owner_of(way.name).key
    return next((one for one in found.claims if one.item.key == key), None)


def _of_way(way: Passage, found: ServedHost, objects: UrlObjects) -> Iterator[Finding]:
    """Why no path is taken, and paths of this host that have no effect."""
    if way.ends is not None:
        text = way.ends.outcome.text
        yield Finding(Severity.ERROR, way.ends.reason, f"{text[0].upper()}{text[1:]}.", way.ends.remedy)
    if found.name == ANY_HOST:
        text = "No Ingress names this host: one without a host gets it."
        yield Finding(Severity.NOTE, "AnyHost", text, "Write a rule with this host to have its own paths.")
    is_closed = way.taken is not None and way.taken.route.action == Answer(NO_BACKEND)
    for one in found.made.missing:
        mine = is_closed and way.name is not None and owner_of(way.name).key == one.ingress
        severity = Severity.ERROR if mine else Severity.WARNING
        yield findings.split(severity, one.missing.reason, f"{_named(one.ingress, objects)}: {one.missing.message}")
    for refused in found.server.refused:
        text = f"{_named(refused.ingress, objects)}: {refused.message}"
        yield findings.split(Severity.WARNING, refused.reason, text)


def _of_annotations(way: Passage, found: ServedHost, objects: UrlObjects) -> Iterator[Finding]:
    """Annotations of the Ingress that is taken which have no effect."""
    claim = _claim(way, found)
    for one in claim.read.problems if claim is not None else ():
        severity = Severity.ERROR if claim is not None and claim.read.denied == one.message else Severity.WARNING
        text = f"{_named(claim.item.key if claim else None, objects)}: {one.message}"
        yield findings.split(severity, one.reason, text)


def _of_certificates(question: Question, found: ServedHost, now: datetime) -> Iterator[Finding]:
    if not question.is_tls:
        return
    for one in found.certificates.unusable:
        if any(claim.item.key == one.ingress for claim in found.claims):
            yield Finding(Severity.WARNING, "UnusableCertificate", f"Ingress {one.ingress}: {one.message}")
    certificate = found.certificates.of(_certified(question, found))
    if certificate is None:
        text = f"No Ingress has a certificate for {question.host}: clients refuse the default one."
        remedy = "Name a Secret in spec.tls of the Ingress that has this host."
        yield Finding(Severity.WARNING, "DefaultCertificate", text, remedy)
        return
    facts = facts_of(certificate.chain)
    if facts is not None and facts.not_after < now:
        text = f"{certificate.name}: the certificate expired on {facts.not_after:%Y-%m-%d}: clients refuse it."
        yield Finding(Severity.ERROR, "CertificateExpired", text, "Renew it; the proxy takes the new one at once.")
    if facts is not None and not facts.is_for(question.host):
        names = ", ".join(facts.names) or "no name"
        text = f"{certificate.name} is not for {question.host}: it is for {names}."
        yield Finding(Severity.WARNING, "CertificateName", text, f"Use one that has {question.host} as a DNS name.")


def _named(key: object, objects: UrlObjects) -> str:
    place = next((one for owner, one in objects.places.items() if owner.kind == "Ingress" and owner.key == key), "")
    return f"Ingress {key}{f' ({place})' if place else ''}"
