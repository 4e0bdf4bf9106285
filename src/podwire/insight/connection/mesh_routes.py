"""Routes of the mesh that have the Service as a parent: they choose the pods of a request. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from podwire.insight.connection.mesh_way import workload_of_point
from podwire.insight.connection.question import Question
from podwire.insight.connection.sides import Way
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot.mesh_objects import ROUTES
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.written import key_of
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service


def mesh_routes(question: Question, ways: Iterable[Way], snapshot: Snapshot) -> Iterator[Finding]:
    """Yield each route that may count for requests of enrolled clients to the Service."""
    service = question.destination.service
    if service is None or not any(one.kind[1] in ROUTES for one in snapshot.others):
        return
    clients = {one.source.name: namespace for one in ways if (namespace := _enrolled(one, snapshot))}
    for one in snapshot.others if clients else ():
        if one.kind[1] in ROUTES and any(_is_parent(ref, one.value, service, question) for ref in _parents(one.value)):
            key = key_of(one.value)
            home = service.metadata.namespace
            names = [name for name, namespace in clients.items() if key.namespace in (namespace, home)]
            if names:
                yield _finding(one.kind[1], key, service, names, question, snapshot)


def _finding(
    kind: str, key: NamespacedName, service: Service, names: list[str], question: Question, snapshot: Snapshot
) -> Finding:
    place = f" ({snapshot.place(kind, key)})" if snapshot.is_planned else ""
    text = f"{kind} {key}{place} has Service {service.key} as a parent: in the mesh, requests of {', '.join(names)}"
    port = f":{question.port.port}" if question.port is not None and isinstance(question.port.port, int) else ""
    url = f"http://{service.metadata.name}.{service.metadata.namespace}{port}/"
    remedy = f"See 'podwire explain {question.source.text} {url}'."
    return Finding(Severity.NOTE, "MeshRoute", f"{text} may go by its rules, to other pods than these.", remedy)


def _enrolled(way: Way, snapshot: Snapshot) -> str:
    """Return the namespace of a client of the mesh; empty for others."""
    found = workload_of_point(way.source, snapshot)
    return way.source.workload.namespace if found is not None and found.enrolled and way.source.workload else ""


def _parents(value: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (value.get("spec") or {}).get("parentRefs") or ()


def _is_parent(ref: Mapping[str, Any], route: Mapping[str, Any], service: Service, question: Question) -> bool:
    """Whether a parentRef means the port of the Service that the question is about."""
    namespace = ref.get("namespace") or key_of(route).namespace
    port = question.port.port if question.port is not None else None
    is_port = ref.get("port") is None or not isinstance(port, int) or ref["port"] == port
    return ref.get("kind") == "Service" and NamespacedName(namespace, str(ref.get("name"))) == service.key and is_port
