"""Whether names of a route and of a listener have one in common. Source: gateway-api `apis/v1/httproute_types.go`."""

from __future__ import annotations


def intersect(first: str, second: str) -> bool:
    """Whether two hostnames have a name in common; `*.` stands for one or more labels, an empty one for all names."""
    one, other = first.lower(), second.lower()
    return not one or not other or one == other or _covers(one, other) or _covers(other, one)


def _covers(wildcard: str, name: str) -> bool:
    return wildcard.startswith("*.") and name.removeprefix("*").endswith(wildcard[1:])
