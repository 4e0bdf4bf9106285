"""The answer of `podwire explain url`: read or take the files, explain, print."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from podwire.insight.answer_form import as_json
from podwire.insight.operations.programs import ClusterError
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot import assumed_dns, names
from podwire.insight.snapshot.ends import EndError, EndKind
from podwire.insight.snapshot.opening import Sources, open_snapshot
from podwire.insight.target import Target, UnreachableError
from podwire.insight.url import connections, planned, reading
from podwire.insight.url.changes import snapshot_of_objects
from podwire.insight.url.explain import explain
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import OUTSIDE, Question, is_address
from podwire.insight.url.report import Report
from podwire.insight.url.text import text
from podwire.kube.client import Client
from podwire.lab.network.topology import Topology


class NoAnswerError(Exception):
    """The question names a client that does not exist."""


_LOOKUP = " UDP 53"
"""At the end of the connections of clients that look a name up."""
ANSWERLESS = (NoAnswerError, ClusterError, UnreachableError)


def of_files(sources: Sources) -> UrlObjects:
    """Return the objects of files, kustomizations and revisions, with the cluster's DNS. Raises ManifestError."""
    return planned.objects_of(assumed_dns.completed(open_snapshot(sources)))


def of_target(target: Target) -> UrlObjects:
    """Return the objects of a world or a cluster. Raises UnreachableError."""
    outside: tuple[str, ...] = ()
    if target.world is not None:
        topology = Topology(nodes=1)
        outside = (str(topology.outside4.ip), str(topology.outside6.ip))

    async def read(client: Client) -> UrlObjects:
        return await reading.read(client, outside, is_world=target.world is not None)

    found = target.read(read)
    is_closed = target.world is not None and target.world.default_deny
    return msgspec.structs.replace(found, default_deny=True) if is_closed else found


def with_client(question: Question, client: str, objects: UrlObjects, namespace: str = "") -> Question:
    """Return the request of a client by any name that `explain FROM TO` takes. Raises EndError."""
    snapshot = objects.snapshot or snapshot_of_objects(objects)
    end = names.resolve(client, snapshot, namespace, is_client=True)
    match end.kind:
        case EndKind.PODS:
            name = end.pod.name if end.pod is not None else end.workloads[0].name
            found = f"{end.namespace}/{name}"
        case EndKind.NODE if end.node is not None and end.node.internal_addresses:
            found = str(end.address or end.node.internal_addresses[0])
        case EndKind.ADDRESS | EndKind.OUTSIDE:
            found = client
        case _:
            raise EndError(f"{client}: is no client: write a pod, a workload, a node, an IP address or {OUTSIDE}")
    return msgspec.structs.replace(question, client=found)


def answer(question: Question, objects: UrlObjects) -> Report:
    """Return the report, with a note where the cluster's DNS decides and no file has it."""
    found = explain(question, objects, datetime.now(UTC))
    is_assumed = objects.snapshot is not None and assumed_dns.is_assumed(None, objects.snapshot.workloads)
    to_dns = (one for one in found.policies if one.destination_workload.startswith(f"{assumed_dns.KEY} "))
    if not is_assumed or all(one.is_allowed and one.destination_workload.endswith(_LOOKUP) for one in to_dns):
        return found
    note = Finding(Severity.NOTE, "Assumed", assumed_dns.NOTE, assumed_dns.REMEDY)
    return msgspec.structs.replace(found, findings=(*found.findings, note))


def shown(report: Report, *, json: bool) -> str:
    """Return the report as text or JSON."""
    return as_json(report, report.verdict, report.outcome.text) if json else text(report)


def check_client(question: Question, objects: UrlObjects) -> None:
    """Raise NoAnswerError where the client is no pod; the text names those of its namespace."""
    if question.client == OUTSIDE or is_address(question.client) or connections.clients(question, objects):
        return
    namespace = question.client.partition("/")[0]
    found = sorted(one.metadata.name for one in objects.pods if one.metadata.namespace == namespace)
    shown = ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
    raise NoAnswerError(f"--from {question.client}: is no pod or workload; namespace {namespace} has {shown or 'none'}")
