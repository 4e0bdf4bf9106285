"""The answer of `podwire explain FROM TO`: resolve names, explain, print."""

from __future__ import annotations

from podwire.insight.answer_form import as_json
from podwire.insight.connection.explain import explain
from podwire.insight.connection.question import Question
from podwire.insight.connection.report import Report
from podwire.insight.connection.text import text
from podwire.insight.snapshot import names
from podwire.insight.snapshot.ends import End, EndError, EndKind
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.mesh.authorization.model import Request


def report(
    source: str, destination: str, snapshot: Snapshot, namespace: str = "", request: Request | None = None
) -> Report:
    """Return the explanation; `request`: what is sent. A name without namespace is of the client's. Raises EndError."""
    name, port = names.split_port(source)
    if port is not None:
        raise EndError(f"{source}: a client has no port: write {name}")
    client = _end(name, snapshot, namespace, is_client=True)
    name, port = names.split_port(destination)
    server = _end(name, snapshot, client.namespace or namespace, is_client=False)
    if client.kind is EndKind.OUTSIDE and server.kind in (EndKind.OUTSIDE, EndKind.ADDRESS, EndKind.HOST):
        raise EndError(f"{source} -> {destination}: neither is in the cluster")
    return explain(Question(client, server, port), snapshot, request)


def _end(name: str, snapshot: Snapshot, namespace: str, *, is_client: bool) -> End:
    """Return what a name means; a network is any address of it."""
    network = names.network(name)
    if network is not None:
        return End(str(network), EndKind.ADDRESS, network=network)
    return names.resolve(name, snapshot, namespace, is_client=is_client)


def shown(found: Report, *, json: bool) -> str:
    """Return the report as text or JSON."""
    return as_json(found, found.verdict, f"{found.verdict}: {found.text}") if json else text(found)
