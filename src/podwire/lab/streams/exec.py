"""Exec: a WebSocket on one side, a process's streams on the other."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator

import msgspec
from aiohttp import WSMsgType, web
from multidict import MultiMapping

from podwire.kube.core import Container
from podwire.lab.shim.client import Command, ShimClient, ShimError
from podwire.lab.streams.channels import Channel, Input, InputEnded, Resized, event, exited, failed, frame, last_frame

CHUNK = 64 * 1024
LAST_OUTPUT_SECONDS = 1.0


class Request(msgspec.Struct, frozen=True):
    """What a client wants of a process.

    `reader` names one run of a client, `started_it`: this run created the container and needs all of its output.
    """

    command: tuple[str, ...] = ()
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False
    reader: str = ""
    started_it: bool = False

    @classmethod
    def read(cls, query: MultiMapping[str]) -> Request:
        """From the parameters of a URL, under the kubelet's names (k8s.io/kubernetes `pkg/apis/core/types.go`)."""

        def flag(name: str) -> bool:
            return query.get(name, "").lower() in {"true", "1"}

        return cls(
            command=tuple(query.getall("command", [])),
            stdin=flag("input"),
            stdout=flag("output"),
            stderr=flag("error"),
            tty=flag("tty"),
            reader=query.get("reader", ""),
            started_it=flag("startedIt"),
        )


class Descriptor:
    """A pipe or terminal of ours that can be awaited."""

    def __init__(self, number: int) -> None:
        self.number = number
        os.set_blocking(number, False)

    async def read(self) -> bytes:
        """Some bytes; empty at the end, which for a terminal is an error of the kernel."""
        while True:
            try:
                return os.read(self.number, CHUNK)
            except BlockingIOError:
                await self._ready(write=False)
            except OSError:
                return b""

    async def write(self, data: bytes) -> None:
        """Write all bytes. Raises OSError when the reader is gone."""
        while data:
            try:
                data = data[os.write(self.number, data) :]
            except BlockingIOError:
                await self._ready(write=True)

    async def _ready(self, *, write: bool) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        (loop.add_writer if write else loop.add_reader)(self.number, ready.set)
        try:
            await ready.wait()
        finally:
            (loop.remove_writer if write else loop.remove_reader)(self.number)

    def resize(self, size: Resized) -> None:
        """Set the size of a terminal."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.number, termios.TIOCSWINSZ, struct.pack("HHHH", size.height, size.width, 0, 0))

    def close(self) -> None:
        """No longer ours; closing twice is harmless."""
        if self.number >= 0:
            os.close(self.number)
            self.number = -1


async def send_last(socket: web.WebSocketResponse, status: bytes) -> None:
    """Send a frame of `exited` or `failed` as the client's protocol has it."""
    if sent := last_frame(socket.ws_protocol or "", status):
        await socket.send_bytes(sent)


async def execute(socket: web.WebSocketResponse, shim: ShimClient, container: Container, requested: Request) -> None:
    """Run a command for a client and send it the result."""
    try:
        if requested.tty:
            await _with_terminal(socket, shim, container, requested)
        else:
            await _with_pipes(socket, shim, container, requested)
    except ShimError as error:
        message = f"container {container.name}: {error}"
        with contextlib.suppress(ConnectionError):
            await send_last(socket, failed(message))
    except (OSError, ConnectionError) as error:
        with contextlib.suppress(ConnectionError):
            await send_last(socket, failed(f"container {container.name}: {error}"))
    finally:
        await socket.close()


async def _with_terminal(
    socket: web.WebSocketResponse, shim: ShimClient, container: Container, requested: Request
) -> None:
    command = await shim.execute(container.name, requested.command, terminal=True)
    assert command.terminal is not None
    output = Descriptor(command.terminal)
    stdin = Descriptor(os.dup(command.terminal))
    try:
        await _converse(socket, command, stdin, {Channel.STDOUT: output})
    finally:
        command.close()
        output.close()
        stdin.close()


async def _with_pipes(
    socket: web.WebSocketResponse, shim: ShimClient, container: Container, requested: Request
) -> None:
    pipes = _Pipes(requested)
    try:
        try:
            command = await shim.execute(container.name, requested.command, pipes.theirs)
        finally:
            pipes.hand_over()
        try:
            await _converse(socket, command, pipes.stdin, pipes.outputs)
        finally:
            command.close()
    finally:
        pipes.close()


class _Pipes:
    """The pipes of a command: `theirs` are its three descriptors, the rest is ours."""

    def __init__(self, requested: Request) -> None:
        self.stdin: Descriptor | None = None
        self.outputs: dict[Channel, Descriptor] = {}
        self.theirs: list[int] = []
        if requested.stdin:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            self.stdin = Descriptor(writer)
            self.theirs.append(reader)
        else:
            self.theirs.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        for channel, requested_here in ((Channel.STDOUT, requested.stdout), (Channel.STDERR, requested.stderr)):
            if requested_here:
                reader, writer = os.pipe2(os.O_CLOEXEC)
                self.outputs[channel] = Descriptor(reader)
                self.theirs.append(writer)
            else:
                self.theirs.append(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))

    def hand_over(self) -> None:
        """The command has its own copies now."""
        while self.theirs:
            os.close(self.theirs.pop())

    def close(self) -> None:
        """Close what is ours."""
        self.hand_over()
        for descriptor in (self.stdin, *self.outputs.values()):
            if descriptor is not None:
                descriptor.close()


async def _converse(
    socket: web.WebSocketResponse, command: Command, stdin: Descriptor | None, outputs: dict[Channel, Descriptor]
) -> None:
    """Carry everything both ways until the command ends or the client leaves."""
    pumps = [asyncio.ensure_future(_send(socket, channel, source)) for channel, source in outputs.items()]
    ended = asyncio.ensure_future(command.exit_code())
    left = asyncio.ensure_future(_receive(socket, stdin))
    try:
        await asyncio.wait((ended, left), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            return
        code = await ended
        if pumps:
            # A child that the command left behind may hold its output open: the command itself has ended.
            await asyncio.wait(pumps, timeout=LAST_OUTPUT_SECONDS)
        await send_last(socket, exited(code))
    finally:
        for task in (ended, left, *pumps):
            task.cancel()
        await asyncio.gather(ended, left, *pumps, return_exceptions=True)


async def _send(socket: web.WebSocketResponse, channel: Channel, source: Descriptor) -> None:
    while data := await source.read():
        await socket.send_bytes(frame(channel, data))


async def _receive(socket: web.WebSocketResponse, stdin: Descriptor | None) -> None:
    """Return when the client has left."""
    async for one in events(socket):
        match one:
            case Input(data=data) if stdin is not None and stdin.number >= 0:
                try:
                    await stdin.write(data)
                except OSError:
                    stdin.close()
            case InputEnded() if stdin is not None:
                stdin.close()
            case Resized() if stdin is not None:
                stdin.resize(one)
            case _:
                pass


async def events(socket: web.WebSocketResponse) -> AsyncIterator[Input | InputEnded | Resized]:
    """Yield the messages of a client until it disconnects."""
    async for message in socket:
        if message.type in {WSMsgType.BINARY, WSMsgType.TEXT}:
            raw = message.data if isinstance(message.data, bytes) else message.data.encode()
            one = event(socket.ws_protocol or "", raw)
            if one is not None:
                yield one
