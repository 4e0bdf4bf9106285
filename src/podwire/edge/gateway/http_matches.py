"""Matches of an HTTPRoute's rules as the model has them. Pure.

Source: gateway-api v1.6.3 `httproute_types.go`, HTTPRouteRule.matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.edge.gateway.kinds.http_route import HTTPRouteMatch, HTTPRouteRule, HTTPValueMatch
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType


def matches_of(rule: HTTPRouteRule) -> tuple[Match, ...]:
    """Return the rule's matches; without any, one for all requests."""
    return tuple(_match(one) for one in rule.matches or (HTTPRouteMatch(),))


def headers_of(headers: Iterable[HTTPValueMatch]) -> tuple[ValueMatch, ...]:
    """Return matches of headers, whose names ignore case."""
    return tuple(_values((one.name.lower(), one) for one in headers))


def _match(match: HTTPRouteMatch) -> Match:
    kind = PathType(match.path.type)
    value = match.path.value
    if kind is PathType.PREFIX:
        value = value.rstrip("/") or "/"
    return Match(
        path=PathMatch(kind, value),
        method=match.method or "",
        headers=headers_of(match.headers),
        query=tuple(_values((one.name, one) for one in match.query_params)),
    )


def _values(named: Iterable[tuple[str, HTTPValueMatch]]) -> Iterator[ValueMatch]:
    """Of several matches of one name the first counts."""
    seen = set()
    for name, one in named:
        if name not in seen:
            seen.add(name)
            yield ValueMatch(name, ValueType(one.type), one.value)
