"""What is not known of the resources that an Envoy holds from an earlier stream, and which removals wait for it."""

from __future__ import annotations

from podwire.edge.xds.resource import USERS, Key


class Resumption:
    """Removals on a stream that continues an earlier one.

    An Envoy that connects again reports names and versions. What a version needs is known only where it is the desired
    one. Until all others of a type are replaced or removed, they may need anything; and until Envoy has acknowledged
    everything that is desired, it may hold resources that it has not reported yet.
    """

    def __init__(self) -> None:
        self._is_complete = True
        self._unknown: dict[str, set[str]] = {}
        """By type: names that Envoy holds in a version whose requirements are not known."""
        self._held_back: dict[Key, None] = {}
        self._due: dict[Key, None] = {}

    def reported(self, key: Key) -> None:
        """Record that Envoy holds some version of the resource."""
        self._is_complete = False
        self._unknown.setdefault(key[0], set()).add(key[1])

    def is_complete(self) -> bool:
        """Whether this is a first stream, or Envoy has acknowledged everything on it."""
        return self._is_complete

    def complete(self) -> None:
        """Record that Envoy has acknowledged everything that is desired."""
        self._is_complete = True
        self._release()

    def known(self, key: Key) -> None:
        """Record that Envoy does not hold an unknown version of the resource any more."""
        names = self._unknown.get(key[0], set())
        if key[1] in names:
            names.discard(key[1])
            if not names:
                self._release()

    def holds_back(self, key: Key) -> bool:
        """Whether the removal of the resource must wait; if so, it becomes due when it need not."""
        if self._is_complete and not any(self._unknown.get(one) for one in USERS[key[0]]):
            return False
        self._held_back[key] = None
        return True

    def removed(self, key: Key) -> None:
        """Record that Envoy does not hold the resource."""
        self._held_back.pop(key, None)
        self.known(key)

    def due(self) -> tuple[Key, ...]:
        """Return the removals that waited and may be possible since the last call."""
        found, self._due = tuple(self._due), {}
        return found

    def _release(self) -> None:
        self._due.update(self._held_back)
        self._held_back.clear()
