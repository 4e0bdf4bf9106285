"""Clients in a world that run beside a test, and what they have lost when they end."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.world.harness import PODWIRE, World

PROGRAM = Path(__file__).with_name("client_program.py")
PATIENCE_SECONDS = 30.0


class Outcome(msgspec.Struct, frozen=True):
    """Answers by pod, the errors, and the longest time between two answers in seconds."""

    by: dict[str, int]
    lost: tuple[str, ...]
    gap: float


@dataclass
class Client:
    """A client that runs. `outcome` is what it counted, once it has ended."""

    process: subprocess.Popen[str]
    found: list[Outcome] = field(default_factory=list)

    def pod(self, within: float) -> str:
        """The next pod that answers for the first time. Raises AssertionError after `within` seconds."""
        stream = self.process.stdout
        assert stream is not None
        assert select.select([stream], [], [], within)[0], f"no other pod has answered within {within} s"
        word, _, pod = stream.readline().strip().partition(" ")
        assert word == "from", "the client has ended"
        return pod

    @property
    def outcome(self) -> Outcome:
        return self.found[0]


@contextlib.contextmanager
def client(world: World, place: str, kind: str, address: str, port: int) -> Iterator[Client]:
    """Run a client of `client_program.py` in a node, pod or host of the world, from its first answer to the end."""
    words = [sys.executable, "-I", "-S", str(PROGRAM), kind, address, str(port)]
    command = [PODWIRE, "exec", "--name", world.name, place, "--", *words]
    running = Client(
        subprocess.Popen(
            command, env=world.home.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
    )
    process = running.process
    try:
        running.pod(within=PATIENCE_SECONDS)
        yield running
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
        running.found.append(msgspec.json.decode(printed.splitlines()[-1], type=Outcome))
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
