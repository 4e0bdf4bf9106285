"""Where an ExternalName Service leads: its name is an alias (CNAME), and the connection goes to the target. Pure.

Source: the specification of Kubernetes DNS-based service discovery, section 2.5.
"""

from __future__ import annotations

import msgspec

from podwire.insight.connection.question import Question
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot import dns_names
from podwire.insight.snapshot.ends import End, EndError, EndKind, Port
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.services import Service

EXTERNAL_NAME = "ExternalName"
MOST_ALIASES = 8
"""Aliases that are followed one after the other, as by the DNS server (`dns/authority.py`)."""


class Target(msgspec.Struct, frozen=True):
    """What the alias means in the end; None where it leads nowhere, for the reason in the findings."""

    question: Question | None
    findings: tuple[Finding, ...] = ()


def followed(question: Question, snapshot: Snapshot) -> Target:
    """Return the question with the target in place of an ExternalName Service; any other question as it is."""
    findings: list[Finding] = []
    end, port = question.destination, question.port
    seen: list[str] = []
    while end.service is not None and end.service.spec.type == EXTERNAL_NAME:
        service = end.service
        name = f"{service.key.name}.{service.key.namespace}.svc.{'.'.join(dns_names.DOMAIN)}"
        if name in seen or len(seen) == MOST_ALIASES:
            return Target(None, (*findings, _circle(service, [*seen, name])))
        seen.append(name)
        try:
            end = dns_names.of_alias(service.spec.external_name, snapshot)
        except EndError as error:
            return Target(None, (*findings, _unknown(service, snapshot, str(error))))
        findings.append(_note(service, end, snapshot))
        port = _numbered(service, port)
    if not seen:
        return Target(question)
    if question.source.kind in (EndKind.OUTSIDE, EndKind.ADDRESS):
        shown = question.destination.service.key if question.destination.service else question.destination.text
        text = f"Service {shown} is a name of the cluster's DNS: clients outside do not know it."
        return Target(None, (*findings, Finding(Severity.ERROR, "ClusterAddress", text, "Use the target's own name.")))
    end = msgspec.structs.replace(end, requested=seen[0]) if end.kind is EndKind.HOST else end
    return Target(msgspec.structs.replace(question, destination=end, port=port), tuple(findings))


def _numbered(service: Service, port: Port | None) -> Port | None:
    """Return a port of the alias, whose own ports are names for numbers only: DNS has no ports."""
    if port is None:
        own = service.spec.ports
        return Port(own[0].port, own[0].protocol) if len(own) == 1 else None
    ports = (one.port for one in service.spec.ports if (one.name, one.protocol) == (port.port, port.protocol))
    return Port(next(ports, port.port), port.protocol)


def _note(service: Service, end: End, snapshot: Snapshot) -> Finding:
    what = f"Service {end.service.key}" if end.service is not None else end.text
    place = snapshot.place("Service", service.key, "spec", "externalName")
    text = f"Service {service.key} is an alias: its clients connect to {what} ({place})."
    return Finding(Severity.NOTE, EXTERNAL_NAME, text)


def _circle(service: Service, names: list[str]) -> Finding:
    text = f"Service {service.key} leads nowhere: its name is an alias of itself ({' -> '.join(names)})."
    return Finding(Severity.ERROR, "AliasCircle", text, "Let spec.externalName be the name of a server.")


def _unknown(service: Service, snapshot: Snapshot, text: str) -> Finding:
    place = snapshot.place("Service", service.key, "spec", "externalName")
    return Finding(
        Severity.ERROR, "AliasOfNothing", f"Service {service.key} leads nowhere: {text} ({place}).", "Correct the name."
    )
