"""Warnings of a route's rules by themselves: shares that no backend gets, filters that are not served.

Source: gateway-api v1.6.3 `apis/v1/httproute_types.go`, HTTPRouteRule.backendRefs: 500 without a valid backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from podwire.apiserver.base.field_path import Field

REQUESTS = frozenset({"HTTPRoute", "GRPCRoute"})
FILTERS = (
    "RequestHeaderModifier",
    "ResponseHeaderModifier",
    "RequestMirror",
    "RequestRedirect",
    "URLRewrite",
    "CORS",
    "ExternalAuth",
)
"""Types of filters of a rule that podwire serves."""
BACKEND_FILTERS = ("RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite")
"""The same of a single backend: changes of headers, and of the hostname."""


def of_route(obj: Field) -> Iterator[str]:
    """The warnings of every rule."""
    kind = obj["kind"].text
    for rule in obj["spec"]["rules"]:
        yield from _shares(rule, kind)
        if kind in REQUESTS:
            yield from _filters(rule["filters"], FILTERS)
            for backend in rule["backendRefs"]:
                yield from _filters(backend["filters"], BACKEND_FILTERS)
                yield from _paths(backend["filters"])
            yield from _session(rule["sessionPersistence"])


def _session(session: Field) -> Iterator[str]:
    if session["idleTimeout"].given:
        yield f"{session['idleTimeout'].path}: is not served, and the rule is left out: use absoluteTimeout"
    elif session["type"].text == "Header" and session["absoluteTimeout"].given:
        where = session["absoluteTimeout"].path
        yield f"{where}: is not served for type Header, and the rule is left out: use type Cookie"


def _shares(rule: Field, kind: str) -> Iterator[str]:
    """A rule whose requests or connections go nowhere."""
    outcome = "requests are answered by 500" if kind in REQUESTS else "connections are refused"
    backends = rule["backendRefs"]
    if not len(backends):
        if not any(one["type"].text == "RequestRedirect" for one in rule["filters"]):
            yield f"{rule.path}: there is no backend, and {outcome}: add backendRefs"
    elif all(one["weight"].given and not one["weight"].number for one in backends):
        yield f"{backends.path}: every weight is 0, and {outcome}: give one a weight above 0"


def _filters(filters: Field, served: Iterable[str]) -> Iterator[str]:
    known = tuple(served)
    for one in filters:
        if one["type"].text not in known:
            yield (
                f"{one['type'].path}: filter {one['type'].text} is not served here, and the rule is left out: use "
                f"one of {', '.join(known)}, or remove it"
            )


def _paths(filters: Field) -> Iterator[str]:
    for one in filters:
        if one["urlRewrite"]["path"].given:
            path = one["urlRewrite"]["path"].path
            yield f"{path}: a single backend's path is not rewritten, and the rule is left out: rewrite it for the rule"
