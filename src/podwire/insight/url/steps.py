"""What a route does to the request and its answer besides forwarding it, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.model.filters import Cors, HeaderChanges, Redirect, Rewrite
from podwire.edge.model.paths import replaced
from podwire.edge.model.routes import Forward, RedirectTo, Route
from podwire.insight.url.question import PORTS, Question


def steps(route: Route, question: Question) -> Iterator[str]:
    """Yield a line for each."""
    if route.cors is not None:
        yield _cors(route.cors)
    if route.auth is not None:
        service = route.auth.cluster.rpartition("/")[0] or "a service that does not exist (500)"
        yield f"authorization: each request is sent to {service} over {route.auth.protocol} first"
    yield from _changes("request", route.request_headers)
    if isinstance(route.action, Forward):
        yield from _forward(route, route.action, question)
    if isinstance(route.action, RedirectTo):
        redirect = route.action.redirect
        yield f"redirect: {redirect.status} to {location(route, redirect, question)}"
    yield from _changes("response", route.response_headers)


def location(route: Route, redirect: Redirect, question: Question) -> str:
    """Return the Location of a redirect. Default ports are left out."""
    scheme = redirect.scheme or question.scheme
    host = redirect.hostname or question.request.host
    port = redirect.port or question.port
    path = replaced(question.request.path, route.match.path, redirect.full_path, redirect.prefix)
    query = question.query
    place = f"[{host}]" if ":" in host else host
    shown = "" if port == PORTS.get(scheme) else f":{port}"
    return f"{scheme}://{place}{shown}{path}{f'?{query}' if query else ''}"


def _forward(route: Route, action: Forward, question: Question) -> Iterator[str]:
    if action.rewrite is not None:
        yield from _rewrite(route, action.rewrite, question)
    for one in action.backends:
        yield from _changes(f"request to {one.cluster}", one.request_headers)
        yield from _changes(f"response of {one.cluster}", one.response_headers)
    for mirror in action.mirrors:
        share = 100 * mirror.numerator / mirror.denominator
        yield f"mirror: a copy of {share:g} % goes to {mirror.cluster}"
    timeouts = action.timeouts
    if timeouts.request or timeouts.backend:
        parts = [(timeouts.request, "in all"), (timeouts.backend, "a try")]
        yield f"timeout: {', '.join(f'{seconds:g} s {what}' for seconds, what in parts if seconds)}"
    if action.retry is not None:
        codes = ", ".join(map(str, action.retry.codes)) or "failed connections"
        yield f"retry: {action.retry.attempts} more after {codes}"
    if action.session is not None:
        yield f"session: requests with {action.session.kind.lower()} {action.session.name} go to one endpoint"


def _rewrite(route: Route, rewrite: Rewrite, question: Question) -> Iterator[str]:
    path = replaced(question.request.path, route.match.path, rewrite.full_path, rewrite.prefix)
    if path != question.request.path:
        yield f"rewrite: path {question.request.path} becomes {path}"
    if rewrite.hostname:
        yield f"rewrite: Host becomes {rewrite.hostname}"


def _cors(cors: Cors) -> str:
    return f"CORS: origins {', '.join(cors.origins) or 'none'}, methods {', '.join(cors.methods) or 'none'}"


def _changes(what: str, changes: HeaderChanges) -> Iterator[str]:
    parts = [f"set {one.name}: {one.value}" for one in changes.set]
    parts += [f"add {one.name}: {one.value}" for one in changes.add]
    parts += [f"remove {name}" for name in changes.remove]
    if parts:
        yield f"{what} headers: {'; '.join(parts)}"
