"""What one Envoy subscribes to of one type, and what it holds of it."""

from __future__ import annotations

from collections import deque

import msgspec

from podwire.edge.xds.resource import VIRTUAL_HOST, Request, Resource, Response

WILDCARD = "*"


class Held(msgspec.Struct, frozen=True):
    """A version that Envoy has acknowledged; `resource` is None where it brought it along from an earlier stream."""

    version: str
    resource: Resource | None = None


class Subscription:
    """One type of one stream.

    Attributes:
        open: names to consider: what is wanted of them may not be what Envoy holds.
        waiting: names of resources that are sent once others are in place.
        repeated: names that are sent even in the version that Envoy holds, as it may have dropped it.
        held: acknowledged versions by name.
        in_flight: the response that waits to be acknowledged; there is at most one.
        doubtful: resources of refused responses, by name: Envoy may hold one of them. None: in an unknown version.
        suspects: groups of names, one of which made Envoy refuse a response; each is sent on its own.
        owes_first: whether the first response of the type is due, which is sent even when it is empty.

    """

    def __init__(self, type_url: str, first: Request) -> None:
        self.type_url = type_url
        self.open: dict[str, None] = {}
        self.waiting: set[str] = set()
        self.repeated: set[str] = set()
        self.held = {name: Held(version) for name, version in first.initial_versions.items()}
        self.in_flight: Response | None = None
        self.doubtful: dict[str, set[Resource | None]] = {}
        self.suspects: deque[tuple[str, ...]] = deque()
        self.owes_first = True
        self._is_wildcard = not first.subscribe
        self._names: set[str] = set()
        self._owed: set[str] = set()
        """Names whose absence is to be answered where they do not exist."""

    def covers(self, name: str) -> bool:
        """Whether Envoy wants to know of this name."""
        return self._is_wildcard or name in self._names or self._configuration(name) in self._names

    def subscribe(self, names: tuple[str, ...]) -> list[str]:
        """Take on names; returns those that are to be answered, held or not."""
        found = []
        for name in names:
            if name == WILDCARD:
                self._is_wildcard = True
                continue
            self._names.add(name)
            self._owed.add(name)
            found.append(name)
        return found

    def unsubscribe(self, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """Give up names; returns those that a wildcard covers still, to be answered again, and those that are gone."""
        kept, gone = [], []
        for name in names:
            if name == WILDCARD:
                self._is_wildcard = False
                gone += [one for one in self.held if not self.covers(one)]
                continue
            self._names.discard(name)
            self._owed.discard(name)
            if self.covers(name):
                self._owed.add(name)
                kept.append(name)
            else:
                gone += [name, *(one for one in self.held if self._configuration(one) == name)]
        return kept, gone

    def follows_all(self) -> bool:
        """Whether Envoy wants every resource of the type."""
        return self._is_wildcard

    def may_hold(self, name: str) -> bool:
        """Whether Envoy has some version of this resource, or may have."""
        return name in self.held or self.is_doubtful(name)

    def is_doubtful(self, name: str) -> bool:
        """Whether it is not known which version Envoy holds."""
        return bool(self.doubtful.get(name))

    def owes_empty(self) -> bool:
        """Whether Envoy waits for the first response, though there is nothing to send (go-control-plane #1034)."""
        return self.owes_first and self._is_wildcard and not self.open and not self.waiting

    def configurations(self) -> frozenset[str]:
        """Subscribed names of route configurations, where the type is that of virtual hosts."""
        return frozenset(name for name in self._names if "/" not in name)

    def owes_absence(self, name: str) -> bool:
        """Whether Envoy is to learn that this name does not exist."""
        return name in self._owed

    def sent(self, name: str) -> None:
        """Record that the name is in a response, as a resource or as removed."""
        self.repeated.discard(name)
        self._owed.discard(name)

    def _configuration(self, name: str) -> str | None:
        """The route configuration of a virtual host: Envoy subscribes to all of its hosts by that name (VHDS)."""
        return name.partition("/")[0] if self.type_url == VIRTUAL_HOST else None
