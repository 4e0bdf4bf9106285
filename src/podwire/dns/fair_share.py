"""Places that clients share: a few of them cannot take all."""

from __future__ import annotations

from collections import Counter


class FairShare:
    """A number of places, of which one client holds at most as many as are free.

    One client alone gets half of them, two get a third each, and so on. Clients that take all they may one after the
    other leave half of the rest each time: of 512 places the tenth gets the last one. The rule is that of memory shared
    by the queues of a switch (Choudhury and Hahne, 1998), with a factor of one.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._held: Counter[str] = Counter()

    def has_room(self, client: str) -> bool:
        """Whether the client may take one more place."""
        return self._held[client] < self._free

    def take(self, client: str) -> None:
        """Count one more place of the client."""
        self._free -= 1
        self._held[client] += 1

    def give_back(self, client: str) -> None:
        """Count one place less."""
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
