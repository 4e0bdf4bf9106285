"""Attach: a WebSocket on one side, the log and the standard input of a running container on the other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from aiohttp import web

from podwire.kube.core import Container
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimClient, ShimError
from podwire.lab.shim.container_run import folder_of
from podwire.lab.shim.lifecycle import Record, Running, Terminated
from podwire.lab.shim.log_file import log_path
from podwire.lab.streams.channels import Channel, Input, InputEnded, Resized, exited, frame
from podwire.lab.streams.exec import Descriptor, Request, events, send_last
from podwire.lab.streams.log_cursors import Readings
from podwire.lab.streams.log_reader import FOLLOW_PAUSE_SECONDS, Tail, young

YOUNG_SECONDS = 3.0
"""Attaching to a container this young shows its output from the start: a program is faster than any client."""
LIVELY_SECONDS = 1.0
LIVELY_PAUSE_SECONDS = 0.005
"""A container that spoke a moment ago, or was typed to, is listened to more often."""


def attachable(record: Record | None, requested: Request) -> bool:
    """Whether there is something to attach to: a container that runs, or that ended before its client could come."""
    if record is None:
        return False
    if isinstance(record.state, Running):
        return True
    if requested.started_it:
        return record.starts > 0
    return isinstance(record.state, Terminated) and time.time() - record.state.started < YOUNG_SECONDS


class ContainerRuns(Protocol):
    """One pod's containers, as an attachment needs them; `kubelet.pod_worker.PodWorker` implements it."""

    @property
    def records(self) -> Mapping[str, Record]:
        """State of each container by name."""

    @property
    def sandbox(self) -> PodFolder:
        """Where the pod's files are."""

    @property
    def shim(self) -> ShimClient:
        """The pod's shim."""


class PodFolder(Protocol):
    """The place of a pod's files."""

    @property
    def folder(self) -> Path:
        """The pod's folder on the node."""


class Attachment:
    """One client at one container."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        worker: ContainerRuns,
        container: Container,
        requested: Request,
        read: Readings,
    ) -> None:
        self._socket = socket
        self._worker = worker
        self._container = container
        self._requested = requested
        self._run = worker.records[container.name].starts
        self._log = log_path(worker.sandbox.folder, container.name, self._run - 1)
        self._read = read
        self._stdin = self._open_input() if requested.stdin and container.stdin else None
        self._lively_until = 0.0

    async def run(self) -> None:
        """Until the container ends or the client leaves."""
        output = asyncio.ensure_future(self._show())
        left = asyncio.ensure_future(self._give())
        try:
            await asyncio.wait((output, left), return_when=asyncio.FIRST_COMPLETED)
            if output.done() and not output.exception():
                await send_last(self._socket, exited(0))
        finally:
            for task in (output, left):
                task.cancel()
            await asyncio.gather(output, left, return_exceptions=True)
            await self._end_input()
            await self._socket.close()

    def _open_input(self) -> Descriptor | None:
        path = folder_of(self._worker.sandbox.folder, self._container.name) / "stdin"
        try:
            return Descriptor(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return None  # it has closed its input

    @property
    def _alive(self) -> bool:
        now = self._worker.records.get(self._container.name)
        return now is not None and isinstance(now.state, Running) and now.starts == self._run

    async def _show(self) -> None:
        """Both output streams, until the container ends."""
        tail = Tail(self._log)
        self._place(tail)
        requested_streams = {"stdout": self._requested.stdout or self._requested.tty, "stderr": self._requested.stderr}
        try:
            while True:
                alive = self._alive
                entries = tail.more()
                for entry in entries:
                    if requested_streams.get(entry.stream):
                        channel = Channel.STDOUT if entry.stream == "stdout" else Channel.STDERR
                        await self._socket.send_bytes(frame(channel, entry.output))
                if entries:
                    self._enliven()
                elif not alive:
                    return
                else:
                    lively = asyncio.get_running_loop().time() < self._lively_until
                    await asyncio.sleep(LIVELY_PAUSE_SECONDS if lively else FOLLOW_PAUSE_SECONDS)
        finally:
            tail.close()

    def _place(self, tail: Tail) -> None:
        """Go on where this client stopped to read; else from the start for who made the container, or is early."""
        end = self._read.end(self._requested.reader, self._log)
        if end is not None:
            tail.resume(end)
        elif not (self._requested.started_it or young(self._log, YOUNG_SECONDS)):
            tail.skip()

    def _enliven(self) -> None:
        self._lively_until = asyncio.get_running_loop().time() + LIVELY_SECONDS

    async def _give(self) -> None:
        """Return when the client has left."""
        async for one in events(self._socket):
            match one:
                case Input(data=data) if self._stdin is not None:
                    self._enliven()
                    try:
                        await self._stdin.write(data)
                    except OSError:
                        await self._end_input()  # it reads no more, and may still write
                case InputEnded():
                    await self._end_input()
                case Resized() if self._container.tty:
                    self._resize(one)
                case _:
                    pass

    async def _end_input(self) -> None:
        """End the client's input; with `stdinOnce` the container's too, also if the client just disconnected."""
        if self._stdin is None:
            return
        self._stdin.close()
        self._stdin = None
        if self._container.stdin_once and self._alive:
            with contextlib.suppress(OSError, ShimError):
                await self._worker.shim.request(messages.CloseInput(container=self._container.name))

    def _resize(self, size: Resized) -> None:
        """The first terminal of a container's own devpts is that of its first process."""
        record = self._worker.records.get(self._container.name)
        if record is None or not isinstance(record.state, Running):
            return
        with contextlib.suppress(OSError):
            terminal = Descriptor(os.open(f"/proc/{record.state.pid}/root/dev/pts/0", os.O_RDWR | os.O_NOCTTY))
            terminal.resize(size)
            terminal.close()
