"""Commands in containers over WebSocket, against a small server and a world's API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType, web

from podwire.kube import kubeconfig
from podwire.kube.client import ApiError, Client
from podwire.kube.meta import NamespacedName
from podwire.kube.remote_command import PROTOCOL, Output, RemoteCommand, RemoteCommandError, exit_status, run
from podwire.testing import World
from tests.kube.fake_server import connected

POD = NamespacedName("kube-system", "agent")
STATUS = {"kind": "Status", "apiVersion": "v1", "metadata": {}}


def failure(code: str) -> bytes:
    causes = [{"reason": "ExitCode", "message": code}]
    body = {"status": "Failure", "message": f"exit {code}", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return json.dumps({**STATUS, **body}).encode()


class Sink:
    """What a command wrote."""

    def __init__(self) -> None:
        self.stdout = b""
        self.stderr = b""

    @property
    def output(self) -> Output:
        return Output(self._out, self._err)

    def _out(self, piece: bytes) -> None:
        self.stdout += piece

    def _err(self, piece: bytes) -> None:
        self.stderr += piece


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


def test_the_exit_status_is_that_of_the_last_message() -> None:
    assert exit_status(json.dumps({**STATUS, "status": "Success"}).encode()) == 0
    assert exit_status(failure("3")) == 3
    with pytest.raises(RemoteCommandError, match='"podwire": executable file not found'):
        exit_status(b'{"status": "Failure", "message": "exec: \\"podwire\\": executable file not found"}')
    with pytest.raises(RemoteCommandError, match="could not be run"):
        exit_status(b'{"status": "Failure", "details": {"causes": null}}')
    with pytest.raises(RemoteCommandError, match="no Status"):
        exit_status(b"what")


async def test_input_output_and_status_of_a_command() -> None:
    seen: dict[str, object] = {}

    async def handler(request: web.Request) -> web.StreamResponse:
        seen["query"] = list(request.query.items())
        socket = web.WebSocketResponse(protocols=(PROTOCOL,))
        await socket.prepare(request)
        await socket.send_bytes(b"\x01")
        received = b""
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            if message.data == b"\xff\x00":
                break
            received += message.data[1:]
        await socket.send_bytes(b"\x01out " + received)
        await socket.send_bytes(b"\x02err")
        await socket.send_bytes(b"\x03" + failure("7"))
        await socket.close()
        return socket

    sink = Sink()
    async with connected(handler) as client:
        command = RemoteCommand(POD, "agent", ("podwire", "rows", "--x=a b&c"))
        assert await run(client, command, sink.output, pieces(b"1", b"2")) == 7
    assert (sink.stdout, sink.stderr) == (b"out 12", b"err")
    assert seen["query"] == [
        ("command", "podwire"), ("command", "rows"), ("command", "--x=a b&c"),
        ("container", "agent"), ("stdout", "true"), ("stderr", "true"), ("stdin", "true"),
    ]  # fmt: skip


async def test_a_connection_that_ends_first_is_an_error() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=(PROTOCOL,))
        await socket.prepare(request)
        await socket.close()
        return socket

    async with connected(handler) as client:
        with pytest.raises(RemoteCommandError, match="ended before the command did"):
            await run(client, RemoteCommand(POD, "agent", ("x",)), Sink().output)


@pytest.mark.parametrize(("plain", "reason"), [(403, "Forbidden"), (400, "Unknown")])
async def test_a_refusal_has_the_reason_of_the_server(plain: int, reason: str) -> None:
    """A plain request gets it; a server that judges only the upgrade leaves the status alone."""

    async def handler(request: web.Request) -> web.StreamResponse:
        code = 403 if "Upgrade" in request.headers else plain
        return web.json_response({**STATUS, "reason": "Forbidden", "message": "may not exec"}, status=code)

    async with connected(handler) as client:
        with pytest.raises(ApiError) as refused:
            await run(client, RemoteCommand(POD, "agent", ("x",)), Sink().output)
    assert (refused.value.code, refused.value.reason) == (403, reason)


SHELL = """
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec: {containers: [{name: shell, image: busybox, command: [sleep, "1000"]}]}
"""


async def test_a_command_of_a_world_gets_its_input_and_ends_with_its_client(quarter: World) -> None:
    quarter.apply(SHELL)
    quarter.kubectl("wait", "pod/shell", "--for=condition=Ready", "--timeout=60s")
    pod = NamespacedName(quarter.namespace, "shell")
    async with Client(kubeconfig.load(quarter.kubeconfig)) as client:
        sink = Sink()
        script = ("sh", "-c", "cat; echo err >&2; exit 5")
        assert await run(client, RemoteCommand(pod, "shell", script), sink.output, pieces(b"abc")) == 5
        assert (sink.stdout, sink.stderr) == (b"abc", b"err\n")
        waiting = asyncio.ensure_future(_until_cancelled(client, pod))
        async with asyncio.timeout(60):
            await _until(client, pod, "pgrep -f 'unique-nam[e]'")
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await _until(client, pod, "! pgrep -f 'unique-nam[e]'")


async def _until_cancelled(client: Client, pod: NamespacedName) -> None:
    """A command that waits for the end of its standard input."""
    endless = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        await endless.wait()
        yield b""

    words = ("sh", "-c", "cat; : unique-name")
    await run(client, RemoteCommand(pod, "shell", words), Sink().output, silent())


async def _until(client: Client, pod: NamespacedName, condition: str) -> None:
    words = ("sh", "-c", f"until {condition}; do sleep 0.1; done")
    assert await run(client, RemoteCommand(pod, "shell", words), Sink().output) == 0
