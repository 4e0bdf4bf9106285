"""Paths with escaped slashes where a host's paths have different protection. Pure.

nginx matches a path decoded, Envoy as it was sent: `/open/admin%2Fx` could so be matched by a path with less protection
than the one that its backend decodes it to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.edge.ingress.annotations.settings import DENIES, Settings
from podwire.edge.ingress.annotations.table import TABLE
from podwire.edge.ingress.locations import Location
from podwire.edge.model.filters import Redirect, Substitution
from podwire.edge.model.matches import Match, PathMatch, PathType
from podwire.edge.model.routes import Answer, RedirectTo, Route, RouteName

TEMPORARY, BAD_REQUEST = 307, 400
PROTECTING = tuple(sorted({TABLE[name].field for name in DENIES}.intersection(Settings.__struct_fields__)))
"""Fields of `Settings` that protect paths."""


def guards(locations: Iterable[Location]) -> Iterator[Route]:
    """Yield routes to try first: a client is redirected to the path without `%2F`, one with `%5C` is refused.

    Nothing where all paths have the same protection.
    """
    found = tuple(locations)
    if len({_protection(one) for one in found}) < 2:
        return
    key = found[0].ingress
    slash = Redirect(status=TEMPORARY, substitution=Substitution("%2[fF]", "/"))
    actions: tuple[tuple[str, RedirectTo | Answer], ...] = (("%2f", RedirectTo(slash)), ("%5c", Answer(BAD_REQUEST)))
    for index, (escaped, action) in enumerate(actions):
        match = Match(PathMatch(PathType.REGEX, f"(?i).*{escaped}.*"))
        yield Route(RouteName("Ingress", key.namespace, key.name, -2, index), match, action)


def _protection(location: Location) -> tuple[object, ...]:
    settings = location.settings
    return (location.denied, *(getattr(settings, name) for name in PROTECTING))
