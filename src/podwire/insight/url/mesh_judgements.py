"""What the mesh's policies mean for the connections and the request on the way of a URL. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.edge.model.routes import Forward, Route
from podwire.insight.connection import explain, mesh_way
from podwire.insight.url.changes import ways_of
from podwire.insight.url.connections import Connection
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import Question
from podwire.mesh.authorization.model import Request


def judged(found: Iterable[Connection], objects: UrlObjects, request: Request | None = None) -> tuple[Connection, ...]:
    """Return connections to pods with what the mesh makes of them, and of the request where one is known."""
    found = tuple(found)
    if objects.mesh.is_empty or not found:
        return found
    ways, snapshot = ways_of(found, objects)
    context = explain.context_of(snapshot, request)
    return tuple(
        msgspec.structs.replace(one, mesh=mesh_way.mesh_line(way, context))
        for one, way in zip(found, ways, strict=True)
    )


def request_of(question: Question, route: Route | None = None) -> Request | None:
    """Return the request as a pod receives it; None where it is TLS, or a route changes what policies compare."""
    if question.is_tls and route is None:
        return None
    if route is not None and _is_changed(route):
        return None
    given = question.request
    headers = tuple((one.name.lower(), one.value) for one in given.headers)
    return Request(given.method, given.path, given.host, headers)


def _is_changed(route: Route) -> bool:
    headers = route.request_headers
    rewritten = isinstance(route.action, Forward) and route.action.rewrite is not None
    return rewritten or headers != type(headers)()
