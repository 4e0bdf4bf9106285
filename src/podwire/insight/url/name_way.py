"""The way of a request to a name without a cluster address: an alias, or the addresses of pods. Pure."""

from __future__ import annotations

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer
from podwire.insight.connection.report import ConnectionLine
from podwire.insight.snapshot.ends import EndError
from podwire.insight.url.changes import snapshot_of_objects
from podwire.insight.url.gateway_lines import dns_line
from podwire.insight.url.mesh_judgements import request_of
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import Question
from podwire.insight.url.report import Kind, Outcome, PolicyLine, Report
from podwire.kube.services import Service

_KINDS = {Verdict.ALLOWED: Kind.PASSED_ON, Verdict.NOT_ALLOWED: Kind.CLOSED, Verdict.UNDECIDABLE: Kind.UNKNOWN}


def is_one(service: Service) -> bool:
    """Whether clients connect to what the name means, and no node translates their connections."""
    return service.headless or service.spec.type == "ExternalName"


def report(question: Question, service: Service, objects: UrlObjects) -> Report:
    """Return what becomes of the request: the explanation of its connection. Raises EndError."""
    snapshot = objects.snapshot or snapshot_of_objects(objects)
    name = f"{service.key.namespace}/service/{service.key.name}:{question.port}"
    try:
        found = answer.report(question.client, name, snapshot, request=request_of(question))
    except EndError as error:
        raise EndError(f"--from {question.client}: {error}") from None
    targets = ", ".join(dict.fromkeys(one.destination for one in found.connections))
    passed = f"the connection is passed on to {targets}"
    return Report(
        question.url,
        question.request.method,
        question.client,
        Outcome(
            _KINDS[found.verdict], passed if found.verdict is Verdict.ALLOWED else f"{found.verdict}: {found.text}"
        ),
        dns_line(question, None, objects),
        policies=tuple(map(_line, found.connections)),
        findings=found.findings,
        is_planned=objects.is_planned,
        changes=found.changes,
    )


def _line(one: ConnectionLine) -> PolicyLine:
    where = f"{one.destination} {one.protocol} {one.port}"
    text = "; ".join(
        f"{side.direction} of {side.subject}: {side.text}" if side.direction else side.text for side in one.sides
    )
    if one.mesh is not None:
        text = f"{text}; mesh: {one.mesh.text} ({one.mesh.transport})"
    is_undecidable = one.verdict is Verdict.UNDECIDABLE
    return PolicyLine(one.source, where, one.verdict is Verdict.ALLOWED, text, one.source, where, is_undecidable)
