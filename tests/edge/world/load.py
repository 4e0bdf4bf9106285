"""Constant load on a Gateway from outside, and what its clients have lost when it ends."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from tests.edge.world.http_clients import Target
from tests.edge.world.load_program import Client, Count
from tests.edge.world.programs import running
from tests.world.harness import World

PATIENCE_SECONDS = 60.0


@dataclass
class Load:
    """Clients that run. `counts` are what they have seen, once they have ended."""

    clients: int
    lines: queue.Queue[str] = field(default_factory=queue.Queue)
    counts: list[Count] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def wait_for_all(self) -> None:
        """Return when each client has had an answer. Raises AssertionError."""
        waiting = set(range(self.clients))
        while waiting:
            index, _ = self._next()
            waiting.discard(index)

    def wait_for(self, backends: set[str]) -> None:
        """Return when each of these has answered some client. Raises AssertionError."""
        while backends - self.seen:
            self._next()

    def _next(self) -> tuple[int, str]:
        """Return a client and a backend that has answered it for the first time."""
        try:
            word, index, backend = self.lines.get(timeout=PATIENCE_SECONDS).split()
        except queue.Empty:
            raise AssertionError(f"no other backend has answered within {PATIENCE_SECONDS} s") from None
        assert word == "answered", "the clients have ended"
        self.seen.add(backend)
        return int(index), backend

    @property
    def lost(self) -> list[str]:
        """Every failure of every client."""
        return [one for count in self.counts for one in count.failures]

    @property
    def answers(self) -> int:
        """All answers with status 200."""
        return sum(sum(count.answers.values()) for count in self.counts)

    @property
    def backends(self) -> set[str]:
        """The pods that have answered."""
        return {name for count in self.counts for name in count.answers}


@contextlib.contextmanager
def load(world: World, targets: Sequence[Target], kinds: Sequence[str] = ("kept", "new")) -> Iterator[Load]:
    """Send requests from the outside host by one client of each kind for each target; HTTP/2 is always kept."""
    clients = [Client(kind, one) for one in targets for kind in (("h2",) if one.h2 else kinds)]
    with running(world, "outside", "load_program", msgspec.json.encode(clients).decode()) as process:
        found = Load(len(clients))
        reading = threading.Thread(target=read, args=(process, found))
        reading.start()
        found.wait_for_all()
        yield found
        assert process.stdin is not None
        process.stdin.close()
        reading.join(PATIENCE_SECONDS)
        assert len(found.counts) == len(clients), "a client has no count"


def read(process: subprocess.Popen[str], found: Load) -> None:
    """Read what the clients print, until they end."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            found.counts.append(msgspec.json.decode(line, type=Count))
        else:
            found.lines.put(line)
    found.lines.put("ended - -")
