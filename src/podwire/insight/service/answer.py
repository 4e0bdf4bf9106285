"""The answer of `podwire explain service`: read, explain, compare, print."""

from __future__ import annotations

import msgspec

from podwire.insight.answer_form import as_json
from podwire.insight.operations.programs import ClusterError
from podwire.insight.service import access_findings, agent_settings, choices, planned, reading
from podwire.insight.service.agent_settings import AgentSettings
from podwire.insight.service.explain import explain
from podwire.insight.service.objects import ServiceObjects
from podwire.insight.service.report import Finding, Report, Severity
from podwire.insight.service.text import text
from podwire.insight.snapshot import assumed_dns
from podwire.insight.snapshot.opening import Sources, open_snapshot
from podwire.insight.snapshot.snapshot import WARNED
from podwire.insight.target import Target, UnreachableError
from podwire.kube.meta import NamespacedName
from podwire.services.node_view import NodeView


class NoAnswerError(Exception):
    """The question names a node that does not exist."""


ANSWERLESS = (NoAnswerError, ClusterError, UnreachableError, reading.ServiceMissingError)


class Question(msgspec.Struct, frozen=True):
    """What is to be explained. An empty node means all."""

    service: NamespacedName
    node: str = ""
    kernel: bool = False
    allow_external_ips: bool = False


def answer(question: Question, target: Target) -> Report:
    """Return the report. Raises one of ANSWERLESS."""
    world = target.world
    objects = target.read(lambda client: reading.read(client, question.service))
    _check_node(question.node, objects)
    if world is None:
        agents = target.read(agent_settings.read)
    else:
        agents = AgentSettings(allow_external_ips=world.external_ips, announced=world.announced)
    allowed = question.allow_external_ips or agents.allow_external_ips
    settings = NodeView("", nodeport_addresses=agents.nodeport_addresses, allow_external_ips=allowed)
    report = explain(objects, settings, question.node, agents.announced)
    if question.kernel and report.frontends:
        from podwire.insight.service import kernel_reading

        views = choices.views(objects, settings, question.node)
        taken = access_findings.taken(objects, settings)
        found = tuple(kernel_reading.compare(target, objects, views, taken))
        report = msgspec.structs.replace(report, kernel=found)
    return report


def of_files(question: Question, sources: Sources) -> Report:
    """Return the report of written objects. Raises ManifestError and NoAnswerError."""
    snapshot = assumed_dns.completed(open_snapshot(sources))
    service = snapshot.service(question.service)
    if service is None:
        raise NoAnswerError(reading.missing(question.service, planned.keys(snapshot)))
    objects = planned.objects_of(service, snapshot)
    _check_node(question.node, objects)
    settings = NodeView("", allow_external_ips=question.allow_external_ips)
    report = planned.without_assigned(explain(objects, settings, question.node), service, snapshot)
    notes = (one for one in snapshot.notes if one.topic in WARNED)
    warnings = tuple(Finding(Severity.WARNING, one.topic, f"{one.text}.") for one in notes)
    return msgspec.structs.replace(report, findings=(*report.findings, *warnings), is_planned=True)


def shown(report: Report, *, json: bool) -> str:
    """Return the report as text or JSON."""
    return as_json(report, report.verdict, report.answer) if json else text(report)


def _check_node(node: str, objects: ServiceObjects) -> None:
    names = sorted(one.metadata.name for one in objects.nodes)
    if node and node not in names:
        raise NoAnswerError(f"--node {node}: is none of {', '.join(names)}")
