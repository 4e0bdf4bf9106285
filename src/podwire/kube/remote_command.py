"""A command in a pod's container by the exec subresource: the client's half of `v5.channel.k8s.io` over WebSocket.

    channel  content
    0        to the server: standard input
    1, 2     from the server: standard output, standard error
    3        from the server: the last message, one Status as JSON
    255      to the server: the channel with this number has ended

Source: k8s.io/apimachinery `pkg/util/remotecommand`, KEP-4006; any API server from Kubernetes 1.30 on.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp
import msgspec

from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from podwire.kube.client import Client

PROTOCOL = "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
END_OF_INPUT = bytes([CLOSE, STDIN])


class RemoteCommandError(Exception):
    """The command could not be run, or the connection ended before its exit status was known."""


class RemoteCommand(msgspec.Struct, frozen=True):
    """A command in one container of a pod."""

    pod: NamespacedName
    container: str
    words: tuple[str, ...]

    def path(self, *, stdin: bool) -> str:
        """The path and the query of the request."""
        flags = [("container", self.container), ("stdout", "true"), ("stderr", "true")]
        if stdin:
            flags.append(("stdin", "true"))
        words = [("command", word) for word in self.words]
        return f"{PODS.path(self.pod.namespace, self.pod.name, 'exec')}?{urlencode(words + flags)}"


@dataclass(frozen=True, slots=True)
class Output:
    """Where the output of a command goes, piece by piece."""

    stdout: Callable[[bytes], object]
    stderr: Callable[[bytes], object]


async def run(client: Client, command: RemoteCommand, output: Output, stdin: AsyncIterator[bytes] | None = None) -> int:
    """Run a command to its end; return its exit status.

    Its standard input is what `stdin` yields, and ends with that, or when this call is cancelled or its process ends;
    without `stdin` it has none. Raises ApiError (code 403 without the right to create pods/exec), RemoteCommandError
    and aiohttp's ClientError.
    """
    async with client.websocket(command.path(stdin=stdin is not None), PROTOCOL) as socket:
        sending = asyncio.ensure_future(_send(socket, stdin)) if stdin is not None else None
        try:
            return await _receive(socket, output)
        finally:
            if sending is not None:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, ConnectionError):
                    await sending


async def _send(socket: aiohttp.ClientWebSocketResponse, stdin: AsyncIterator[bytes]) -> None:
    async for piece in stdin:
        await socket.send_bytes(bytes([STDIN]) + piece)
    await socket.send_bytes(END_OF_INPUT)


async def _receive(socket: aiohttp.ClientWebSocketResponse, output: Output) -> int:
    async for message in socket:
        data = message.data if isinstance(message.data, bytes) else b""
        channel, content = data[:1], data[1:]
        if channel == bytes([STATUS]):
            return exit_status(content)
        if content and channel == bytes([STDOUT]):
            output.stdout(content)
        elif content and channel == bytes([STDERR]):
            output.stderr(content)
    raise RemoteCommandError("the connection ended before the command did")


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None


class _Status(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: _Details | None = None


def exit_status(status: bytes) -> int:
    """Return the exit status that the last message reports. Raises RemoteCommandError where no command ran."""
    try:
        found = msgspec.json.decode(status, type=_Status)
    except msgspec.MsgspecError as error:
        raise RemoteCommandError(f"the last message is no Status: {error}") from error
    if found.status == "Success":
        return 0
    causes = (found.details.causes if found.details is not None else None) or []
    code = next((one.message for one in causes if one.reason == "ExitCode"), "")
    if not code.isdigit():
        raise RemoteCommandError(found.message or "the command could not be run")
    return int(code)
