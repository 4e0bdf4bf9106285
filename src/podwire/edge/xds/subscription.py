"""What one Envoy subscribes to of one type, and what it holds of it."""

from __future__ import annotations

from collections import deque

import msgspec

from podwire.edge.xds.messages import Request, Response
from podwire.edge.xds.resource import VIRTUAL_HOST, Resource, configuration_of

WILDCARD = "*"


class Held(msgspec.Struct, frozen=True):
    """An acknowledged version; `resource` is None where Envoy reported it as held from an earlier stream."""

    version: str
    resource: Resource | None = None


class Subscription:
    """One type of one stream.

    Attributes:
        open: names to compare: the desired version may not be the one that Envoy holds.
        waiting: names of resources that are sent once others are in place.
        repeated: names that are sent even in the version that Envoy holds, as it may have dropped it.
        held: acknowledged versions by name.
        in_flight: the response that is not yet acknowledged; there is at most one.
        doubtful: resources of refused responses, by name: Envoy may hold one of them. None: in an unknown version.
        suspects: groups of names of a refused response; each group is sent on its own.
        owes_first: whether the first response of the type is due, which is sent even when it is empty.

    """

    def __init__(self, first: Request) -> None:
        self.type_url = first.type_url
        self.open: dict[str, None] = {}
        self.waiting: set[str] = set()
        self.repeated: set[str] = set()
        self.held: dict[str, Held] = {}
        self.in_flight: Response | None = None
        self.doubtful: dict[str, set[Resource | None]] = {}
        self.suspects: deque[tuple[str, ...]] = deque()
        self.owes_first = True
        self._is_wildcard = not first.subscribe
        self._names: set[str] = set()
        self._owed: set[str] = set()
        """Names whose absence is reported where they do not exist."""
        self._hosts: dict[str, set[str]] = {}
        """Held virtual hosts by route configuration."""
        for name, version in first.initial_versions.items():
            self.hold(name, Held(version))

    def covers(self, name: str) -> bool:
        """Whether Envoy subscribes to this name, by a wildcard too."""
        return self._is_wildcard or name in self._names

    def covers_all(self) -> bool:
        """Whether Envoy subscribes to every resource of the type."""
        return self._is_wildcard

    def subscribe(self, names: tuple[str, ...]) -> list[str]:
        """Add names; returns those that must be answered, held or not."""
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
        """Remove names; returns those that a wildcard still covers, which must be answered, and those not covered."""
        kept, dropped = [], []
        for name in names:
            if name == WILDCARD:
                self._is_wildcard = False
                dropped += [one for one in self.held if not self.covers(one)]
                continue
            self._names.discard(name)
            self._owed.discard(name)
            if self.covers(name):
                self._owed.add(name)
                kept.append(name)
            else:
                dropped.append(name)
        return kept, dropped

    def may_hold(self, name: str) -> bool:
        """Whether Envoy has some version of this resource, or may have."""
        return name in self.held or self.is_doubtful(name) or self._is_in_flight(name)

    def is_doubtful(self, name: str) -> bool:
        """Whether it is not known which version Envoy holds."""
        return bool(self.doubtful.get(name))

    def holds(self, resource: Resource) -> bool:
        """Whether Envoy has acknowledged this version as the last one."""
        held = self.held.get(resource.name)
        return held is not None and held.version == resource.version and not self.is_doubtful(resource.name)

    def owes_empty(self) -> bool:
        """Whether the first response is due though there is nothing to send (go-control-plane #1034)."""
        return self.owes_first and self._is_wildcard and not self.open and not self.waiting

    def owes_absence(self, name: str) -> bool:
        """Whether Envoy must be informed that this name does not exist."""
        return name in self._owed

    def owe_absence(self, name: str) -> None:
        """Record that Envoy must be informed that this name does not exist."""
        self._owed.add(name)

    def sent(self, name: str) -> None:
        """Record that the name is in a response, as a resource or as removed."""
        self.repeated.discard(name)
        self._owed.discard(name)

    def hold(self, name: str, held: Held) -> None:
        """Record an acknowledged version."""
        self.held[name] = held
        if self.type_url == VIRTUAL_HOST:
            self._hosts.setdefault(configuration_of(name), set()).add(name)

    def unhold(self, name: str) -> Held | None:
        """Remove what is held under the name; returns it."""
        held = self.held.pop(name, None)
        if held is not None and self.type_url == VIRTUAL_HOST:
            configuration = configuration_of(name)
            hosts = self._hosts[configuration]
            hosts.discard(name)
            if not hosts:
                del self._hosts[configuration]
        return held

    def hosts_held(self, configuration: str) -> tuple[str, ...]:
        """Return the virtual hosts of a route configuration that Envoy holds or may hold."""
        doubtful = [name for name in self.doubtful if configuration_of(name) == configuration]
        return (*self._hosts.get(configuration, ()), *doubtful)

    def _is_in_flight(self, name: str) -> bool:
        return self.in_flight is not None and any(one.name == name for one in self.in_flight.resources)
