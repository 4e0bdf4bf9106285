"""Whether rules of an HTTPRoute are applied in the order in which a VirtualService has them. Pure.

Istio takes the first rule that matches, the Gateway API the most specific one (gateway-api `HTTPRouteRule.matches`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podwire.mesh.istio.written import ConversionError, Object

Match = Mapping[str, Any]
Rank = tuple[int, int, int, int, int]
_ANY: Match = {}
_ORDER = {"PathPrefix": 0, "RegularExpression": 1, "Exact": 2}
"""As podwire.edge.gateway.virtual_hosts.precedence has them."""


def refuse_other_order(rules: Sequence[Object]) -> None:
    """Raise ConversionError where the last rule would be applied before one that is written before it."""
    for later in rules[-1].get("matches") or [_ANY]:
        for number, rule in enumerate(rules[:-1]):
            for earlier in rule.get("matches") or [_ANY]:
                if _rank(later) > _rank(earlier) and not _is_disjoint(earlier, later):
                    raise ConversionError(
                        f"it is more specific than rule {number}, which Istio applies first, the Gateway API second: "
                        "add to its matches what excludes the other"
                    )


def _rank(match: Match) -> Rank:
    kind, value = _path(match)
    length = 0 if value == "/" or kind == "Exact" else len(value)
    return (
        _ORDER[kind], length, bool(match.get("method")), len(match.get("headers") or ()),
        len(match.get("queryParams") or ()),
    )  # fmt: skip


def _is_disjoint(one: Match, other: Match) -> bool:
    """Whether no request matches both, for certain."""
    if one.get("method") and other.get("method") and one["method"] != other["method"]:
        return True
    if any(_names_differ(one.get(field) or (), other.get(field) or ()) for field in ("headers", "queryParams")):
        return True
    return _paths_differ(_path(one), _path(other))


def _names_differ(one: Sequence[Match], other: Sequence[Match]) -> bool:
    values = {each["name"].lower(): each["value"] for each in one if each["type"] == "Exact"}
    return any(
        each["type"] == "Exact" and values.get(each["name"].lower(), each["value"]) != each["value"] for each in other
    )


def _paths_differ(one: tuple[str, str], other: tuple[str, str]) -> bool:
    if "RegularExpression" in (one[0], other[0]):
        return False
    if one[0] == other[0] == "Exact":
        return one[1] != other[1]
    return not any(_covers(first, second) for first, second in ((one, other), (other, one)))


def _covers(prefix: tuple[str, str], path: tuple[str, str]) -> bool:
    if prefix[0] != "PathPrefix":
        return False
    return path[1] == prefix[1] or path[1].startswith(f"{prefix[1].rstrip('/')}/")


def _path(match: Match) -> tuple[str, str]:
    path = match.get("path") or {}
    return path.get("type", "PathPrefix"), path.get("value", "/")
