"""What a route does to the request and its answer besides forwarding it, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.model.filters import Cors, HeaderChanges, Redirect, Rewrite
from podwire.edge.model.paths import replaced, substituted
from podwire.edge.model.routes import Forward, RedirectTo, Route
from podwire.insight.url.question import PORTS, Question


def steps(route: Route, question: Question) -> Iterator[str]:
    """Yield a line for each."""
    yield from _checks(route)
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


def _checks(route: Route) -> Iterator[str]:
    """Who may use the route, and how often."""
    if route.clients is not None:
        parts = [f"only {', '.join(route.clients.allowed)}"] if route.clients.allowed else []
        parts += [f"not {', '.join(route.clients.denied)}"] if route.clients.denied else []
        yield f"addresses of clients: {', '.join(parts)}; others are answered by 403"
    for rate in route.rate.rates if route.rate is not None else ():
        assert route.rate is not None, "a rate is of a limit"
        many = f"{rate.requests} in {rate.seconds:g} s, {rate.burst} at once"
        yield f"limit of each client: {many}; further requests are answered by {route.rate.status}"
    users = len(route.users.users) if route.users is not None else 0
    if users or route.script.passwords is not None:
        count = users or len(route.script.passwords.hashes if route.script.passwords else ())
        yield f"users: a request without one of {count} names and passwords is answered by 401"
    if route.script.connections:
        yield f"limit of each client: {route.script.connections} requests at the same time"


def location(route: Route, redirect: Redirect, question: Question) -> str:
    """Return the Location of a redirect. Default ports are left out."""
    scheme = redirect.scheme or question.scheme
    host = redirect.hostname or question.request.host
    port = redirect.port or question.port
    path = replaced(question.request.path, route.match.path, redirect.full_path, redirect.prefix)
    if redirect.substitution is not None:
        path = substituted(path, redirect.substitution)
    query = question.query if redirect.keeps_query else ""
    place = f"[{host}]" if ":" in host else host
    is_usual = port == PORTS.get(scheme) or (not redirect.port and question.is_default_port)
    shown = "" if is_usual else f":{port}"
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
    if rewrite.substitution is not None:
        path = substituted(path, rewrite.substitution)
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
