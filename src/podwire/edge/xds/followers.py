"""Which resources wait until one Envoy holds no older version of others."""

from __future__ import annotations

from podwire.edge.xds.resource import Key


class Followers:
    """Resources that are not sent yet, by what they follow."""

    def __init__(self) -> None:
        self._waiting: dict[Key, dict[Key, None]] = {}
        self._due: dict[Key, None] = {}

    def wait(self, follower: Key, key: Key) -> None:
        """Record that a resource is sent after this one."""
        self._waiting.setdefault(key, {})[follower] = None

    def look_again(self, *keys: Key) -> None:
        """Record that what follows these may be sent now."""
        for key in keys:
            self._due.update(self._waiting.pop(key, {}))

    def look_at_all(self, type_url: str) -> None:
        """Record that what follows resources of this type may be sent now."""
        self.look_again(*(key for key in self._waiting if key[0] == type_url))

    def due(self) -> tuple[Key, ...]:
        """Return the resources that may be sent now and could not at the last call."""
        found, self._due = tuple(self._due), {}
        return found
