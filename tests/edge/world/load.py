"""Constant load on a Gateway from outside, and what its clients have lost when it ends."""

from __future__ import annotations

import contextlib
import select
import subprocess
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

    process: subprocess.Popen[str]
    clients: int
    counts: list[Count] = field(default_factory=list)

    def wait_for_all(self) -> None:
        """Return when each client has had an answer. Raises AssertionError."""
        waiting = set(range(self.clients))
        stream = self.process.stdout
        assert stream is not None
        while waiting:
            assert select.select([stream], [], [], PATIENCE_SECONDS)[0], f"clients {waiting} have no answer"
            word, index, *_ = (stream.readline() or "ended - -").split()
            assert word == "answered", "the clients have ended"
            waiting.discard(int(index))

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
        found = Load(process, len(clients))
        found.wait_for_all()
        yield found
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
        lines = [line for line in printed.splitlines() if line.startswith("{")]
        found.counts = [msgspec.json.decode(line, type=Count) for line in lines]
        assert len(found.counts) == len(clients), "a client has no count"
