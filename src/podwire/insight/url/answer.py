"""The answer of `podwire explain url`: read or take the files, explain, print."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from podwire.insight.operations.programs import ClusterError
from podwire.insight.sources import reading as source_reading
from podwire.insight.target import Target, UnreachableError
from podwire.insight.url import connections, planned, reading
from podwire.insight.url.explain import explain
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import OUTSIDE, Question, is_address
from podwire.insight.url.text import text
from podwire.kube.client import Client
from podwire.lab.network.topology import Topology


class NoAnswerError(Exception):
    """The question names a client that does not exist."""


ANSWERLESS = (NoAnswerError, ClusterError, UnreachableError)


def of_files(names: Iterable[str]) -> UrlObjects:
    """Return the objects of files. Raises ManifestError."""
    return planned.objects_of(source_reading.read(tuple(names)))


def of_target(target: Target) -> UrlObjects:
    """Return the objects of a world or a cluster. Raises UnreachableError."""
    outside: tuple[str, ...] = ()
    if target.world is not None:
        topology = Topology(nodes=1)
        outside = (str(topology.outside4.ip), str(topology.outside6.ip))

    async def read(client: Client) -> UrlObjects:
        return await reading.read(client, outside)

    return target.read(read)


def answer(question: Question, objects: UrlObjects, *, json: bool) -> str:
    """Return the report as text or JSON. Raises one of ANSWERLESS."""
    check_client(question, objects)
    report = explain(question, objects, datetime.now(UTC))
    return f"{msgspec.json.format(msgspec.json.encode(report)).decode()}\n" if json else text(report)


def check_client(question: Question, objects: UrlObjects) -> None:
    """Raise NoAnswerError where the client is no pod; the text names those of its namespace."""
    if question.client == OUTSIDE or is_address(question.client) or connections.clients(question, objects):
        return
    namespace = question.client.partition("/")[0]
    found = sorted(one.metadata.name for one in objects.pods if one.metadata.namespace == namespace)
    shown = ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
    raise NoAnswerError(f"--from {question.client}: is no pod or workload; namespace {namespace} has {shown or 'none'}")
