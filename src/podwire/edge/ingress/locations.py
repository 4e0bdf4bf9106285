"""Paths of a host in the order in which they are tried, and how each is matched. Pure.

Source: Kubernetes "Ingress", path types; kubernetes/ingress-nginx v1.15.1 `template.go` (buildLocation, enforceRegex)
and `controller.go` (updateServerLocations).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.edge.ingress.annotations import expression
from podwire.edge.ingress.annotations.settings import DEFAULTS, Settings
from podwire.edge.ingress.kinds import IngressBackend
from podwire.edge.model.matches import PathMatch, PathType
from podwire.kube.meta import NamespacedName

EXACT, PREFIX = "Exact", "Prefix"


class Canary(msgspec.Struct, frozen=True):
    """A second Ingress for the same path: some of its requests go to another backend."""

    ingress: NamespacedName
    backend: IngressBackend
    settings: Settings


class Location(msgspec.Struct, frozen=True):
    """A path of a host, with the settings of the Ingress that has it.

    Attributes:
        rule, index: of the rule in the Ingress and of the path in the rule; -1: its default backend.
        denied: why requests are answered by 503; empty: they are not.

    """

    ingress: NamespacedName
    path: str
    path_type: str
    backend: IngressBackend
    settings: Settings = DEFAULTS
    rule: int = -1
    index: int = -1
    canary: Canary | None = None
    denied: str = ""

    @property
    def has_expression(self) -> bool:
        """Whether all paths of the host are expressions because of this one."""
        target = self.settings.rewrite_target
        return self.settings.use_regex or (bool(target) and target != self.path)


def ordered(locations: Iterable[Location], *, by_expression: bool) -> tuple[Location, ...]:
    """Return the locations in the order in which they are tried: exact ones first, then the longest."""
    if by_expression:
        found = sorted(locations, key=lambda one: one.path, reverse=True)
        return tuple(sorted(found, key=lambda one: -len(one.path)))
    return tuple(sorted(locations, key=lambda one: (one.path_type != EXACT, -_length(one), one.path, one.path_type)))


def path_match(location: Location, *, by_expression: bool) -> PathMatch:
    """Return the match of the path. An expression is compared in any case, from the start of the path."""
    path = location.path or "/"
    if by_expression:
        return PathMatch(PathType.REGEX, expression.path_expression(path))
    if location.path_type == EXACT:
        return PathMatch(PathType.EXACT, path)
    if location.path_type == PREFIX:
        return PathMatch(PathType.PREFIX, path.rstrip("/") or "/")
    return PathMatch(PathType.TEXT, path)


def _length(location: Location) -> int:
    """The length of what a request's path must have: a Prefix ends at a slash or at the end of the path."""
    return len(location.path.rstrip("/")) + 1 if location.path_type == PREFIX else len(location.path)
