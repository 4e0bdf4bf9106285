"""Worlds that end with the test process: started by the command line, tied to it by a pipe (`up --lifeline`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from podwire.testing import folders
from podwire.testing.home import PODWIRE, CommandError, Home
from podwire.testing.world import World

GRACE_SECONDS = 30.0
"""What `podwire up` may take beyond its own time limit, on a busy machine."""


class WorldStartError(Exception):
    """The world could not be started. The text is podwire's own: what is missing, and the remedy."""


@dataclass(frozen=True)
class StartedWorld:
    """A running world and its lifeline, a pipe: any end of this process, by kill -9 too, ends the world."""

    world: World
    pipe: int

    def end(self) -> None:
        """Take the world down; nothing of it exists when this returns."""
        try:
            self.world.home.podwire("down", "--name", self.world.name, check=False)
        finally:
            os.close(self.pipe)

    def keep(self) -> None:
        """Keep the world running after the end of this process."""
        from podwire.lab.supervisor.init import KEEP  # late: it takes a tenth of a second

        with suppress(BrokenPipeError):  # the world has ended by itself
            os.write(self.pipe, KEEP)
        os.close(self.pipe)


def start(home: Home, name: str, *arguments: str, timeout: float = 60) -> StartedWorld:
    """Start a world with `podwire up`; raises WorldStartError. Nothing of it is left when it fails."""
    reader, writer = os.pipe()
    limits = ("--timeout", f"{timeout:g}", "--lifeline", str(reader))
    command = (*PODWIRE, "up", "--quiet", "--name", name, *limits, *arguments)
    try:
        home.run(*command, timeout=timeout + GRACE_SECONDS, descriptors=(reader,))
    except BaseException as error:
        os.close(writer)
        if isinstance(error, CommandError):
            raise WorldStartError(error.result.stderr.strip().removeprefix("podwire: ")) from None
        raise
    finally:
        os.close(reader)
    return StartedWorld(World(home, name), writer)


@contextmanager
def running_world(
    name: str = "test", *, nodes: int = 1, overlay: str = "direct", zones: str = "", timeout: float = 60
) -> Iterator[World]:
    """A world for the length of a block, for other fixtures and for tests without pytest.

    `overlay` is `direct` or `vxlan`, `zones` those of the nodes in turn (`a,b`), `timeout` the seconds until it must be
    usable. Raises WorldStartError.
    """
    folder = folders.make()
    try:
        options = ("--nodes", str(nodes), "--overlay", overlay, "--zones", zones)
        life = start(Home(folder.path), name, *options, timeout=timeout)
        try:
            yield life.world
        finally:
            life.end()
    finally:
        folder.remove()
