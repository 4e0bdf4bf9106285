"""The kubelet's client of a pod's shim: follows its state, restarts it when it ends, sends it requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from podwire.lab.base.seqpacket import Packets
from podwire.lab.base.spawn import SpawnRequest
from podwire.lab.container.plan import SHIM_SOCKET
from podwire.lab.shim import messages

log = logging.getLogger(__name__)

SHIM_FUNCTION = "podwire.lab.shim.server:main"
LISTEN_SECONDS = 5.0
LISTEN_PAUSE = 0.002
AGAIN_SECONDS = 0.2


class Spawner(Protocol):
    """Starts processes of the world that outlive the caller."""

    async def spawn(self, request: SpawnRequest) -> int:
        """Start a process and return its id in the world's pid namespace."""
        ...


class ShimError(Exception):
    """The shim did not fulfil a request. The text has the reason."""


class Command:
    """A command that runs in a container. `terminal` is our end of its terminal, the caller's to close, or None."""

    def __init__(self, peer: Packets, terminal: int | None) -> None:
        self.terminal = terminal
        self._peer = peer

    async def exit_code(self) -> int:
        """Return its exit code when it has ended. Raises ShimError if it never ran."""
        packet, _ = await self._peer.receive()
        answer = messages.decode(packet) if packet else messages.Failed(message="the pod's shim ended")
        if isinstance(answer, messages.Exited):
            return answer.code
        raise ShimError(answer.message if isinstance(answer, messages.Failed) else f"unexpected {answer}")

    def close(self) -> None:
        """Close the connection: a command that still runs is killed."""
        self._peer.close()


class ShimClient:
    """One pod's shim, by the pod's folder."""

    def __init__(self, folder: Path, spawner: Spawner, network: str) -> None:
        self._folder = folder
        self._spawner = spawner
        self._network = network

    async def follow(self, changed: Callable[[messages.PodState], None]) -> None:
        """Call `changed` with every state of the pod until cancelled; start the shim whenever it is not running."""
        while True:
            try:
                await self._watch(changed)
            except (OSError, TimeoutError, msgspec.MsgspecError) as error:
                log.warning("shim of %s: %s", self._folder.name, error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _watch(self, changed: Callable[[messages.PodState], None]) -> None:
        """Follow one connection to its end. Raises OSError, TimeoutError and MsgspecError."""
        peer = await self._connected()
        try:
            await peer.send(messages.encode(messages.Watch()))
            while packet := (await peer.receive())[0]:
                answer = messages.decode(packet)
                if isinstance(answer, messages.PodState):
                    changed(answer)
        finally:
            peer.close()

    async def request(self, request: messages.Request) -> None:
        """Send a request that is answered with Done. Raises ShimError and OSError."""
        async with self._conversation() as peer:
            await peer.send(messages.encode(request))
            packet, _ = await peer.receive()
        answer = messages.decode(packet) if packet else messages.Done()
        if isinstance(answer, messages.Failed):
            raise ShimError(answer.message)

    async def execute(
        self, container: str, command: Sequence[str], descriptors: Sequence[int] = (), *, terminal: bool = False
    ) -> Command:
        """Run a command with these three descriptors, or with a terminal and none. Raises ShimError and OSError."""
        peer = await Packets.connect(self._folder / SHIM_SOCKET)
        try:
            request = messages.Execute(container=container, command=tuple(command), terminal=terminal)
            await peer.send(messages.encode(request), descriptors)
            if not terminal:
                return Command(peer, None)
            packet, passed = await peer.receive()
        except BaseException:
            peer.close()
            raise
        if passed:
            return Command(peer, passed[0])
        peer.close()
        answer = messages.decode(packet) if packet else None
        raise ShimError(answer.message if isinstance(answer, messages.Failed) else "no terminal came")

    async def exit_code(self, container: str, command: Sequence[str], timeout_seconds: float) -> int:
        """Run a command without input or output. Raises TimeoutError, ShimError and OSError; it is killed then."""
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            running = await self.execute(container, command, [null, null, null])
        finally:
            os.close(null)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await running.exit_code()
        finally:
            running.close()

    async def quit(self) -> None:
        """End the shim. No error if none runs."""
        with contextlib.suppress(OSError):
            async with self._conversation() as peer:
                await peer.send(messages.encode(messages.Quit()))
                await peer.receive()

    @contextlib.asynccontextmanager
    async def _conversation(self) -> AsyncIterator[Packets]:
        peer = await Packets.connect(self._folder / SHIM_SOCKET)
        try:
            yield peer
        finally:
            peer.close()

    async def _connected(self) -> Packets:
        path = self._folder / SHIM_SOCKET
        with contextlib.suppress(OSError):
            return await Packets.connect(path)
        request = SpawnRequest("shim", SHIM_FUNCTION, self._network, {"folder": str(self._folder)})
        await self._spawner.spawn(request)
        async with asyncio.timeout(LISTEN_SECONDS):
            while True:
                with contextlib.suppress(OSError):
                    return await Packets.connect(path)
                await asyncio.sleep(LISTEN_PAUSE)
