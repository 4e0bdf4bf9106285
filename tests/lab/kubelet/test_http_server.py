"""Logs, exec and attach as kubectl requests them, through a real API server."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import aiohttp
import pytest

from podwire.lab.base import paths
from tests.lab.nodes import NODE, NodeOfTest, is_ready, node, shell
from tests.lab.shims import DEADLINE, until
from tests.sandbox import in_world

KUBECTL = str(Path(__file__).parents[3] / ".venv/bin/kubectl")


async def kubectl(*arguments: str, given: bytes | None = None) -> tuple[int, str]:
    """Exit code and all output."""
    process = await start(*arguments)
    async with asyncio.timeout(DEADLINE * 2):
        output, _ = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def start(*arguments: str) -> asyncio.subprocess.Process:
    folder = str(paths.PKI)
    return await asyncio.create_subprocess_exec(
        KUBECTL,
        "--server=https://127.0.0.1:6443",
        f"--certificate-authority={folder}/ca.crt",
        f"--client-certificate={folder}/admin.crt",
        f"--client-key={folder}/admin.key",
        "--cache-dir=/run/kubectl",
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@in_world
async def test_kubectl_runs_commands() -> None:
    async with node() as home:
        await home.create("web", shell("sleep 60"))
        await home.when("web", is_ready)
        code, text = await kubectl("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
        assert code == 7
        assert sorted(text.splitlines()) == ["command terminated with exit code 7", "err", "out"]  # two streams
        assert await kubectl("exec", "-i", "web", "--", "cat", given=b"given\n" * 20000) == (0, "given\n" * 20000)
        code, text = await kubectl("exec", "web", "--", "absent")
        assert code != 0
        assert "executable file not found" in text
        code, text = await kubectl("exec", "web", "-c", "nobody", "--", "true")
        assert code != 0
        assert "nobody" in text


@pytest.mark.proves("logs")
@in_world
async def test_kubectl_reads_logs() -> None:
    async with node() as home:
        await home.create(
            "web", shell("for i in 1 2 3; do echo line $i; done; printf part; while ! test -e /tmp/x; do :; done")
        )
        pod = await home.when("web", is_ready)
        await until(lambda: "part" in (_log(pod, 0)))
        assert await kubectl("logs", "web") == (0, "line 1\nline 2\nline 3\npart")
        assert await kubectl("logs", "web", "--tail=2") == (0, "line 3\npart")
        assert await kubectl("logs", "web", "--limit-bytes=8") == (0, "line 1\nl")
        assert await kubectl("logs", "web", "--since-time=2999-01-01T00:00:00Z") == (0, "")
        code, text = await kubectl("logs", "web", "--timestamps", "--tail=1")
        assert text.endswith("Z part")
        code, text = await kubectl("logs", "web", "--previous")
        assert code != 0
        assert "previous terminated container" in text
        following = await start("logs", "-f", "web")
        assert following.stdout is not None
        assert await following.stdout.readexactly(7) == b"line 1\n"
        await kubectl("exec", "web", "--", "touch", "/tmp/x")
        assert (await following.communicate())[0] == b"line 2\nline 3\npart"
        await home.when("web", lambda p: p["status"]["containerStatuses"][0]["restartCount"] == 1)
        await until(lambda: "part" in (_log(pod, 1)))
        assert await kubectl("logs", "web", "--previous") == (0, "line 1\nline 2\nline 3\npart")


def _log(pod: dict[str, dict[str, str]], run: int) -> str:
    path = paths.node(NODE.name) / "pods" / pod["metadata"]["uid"] / "logs" / "main" / f"{run}.log"
    return path.read_text() if path.exists() else ""


@in_world
async def test_kubectl_attaches() -> None:
    async with node() as home:
        await home.create("web", shell("cat; echo ended", stdin=True, stdinOnce=True), restartPolicy="Never")
        await home.when("web", is_ready)
        assert await kubectl("attach", "-i", "-q", "web", given=b"typed\n") == (0, "typed\nended\n")
        await home.when("web", lambda p: p["status"]["phase"] == "Succeeded")
        code, text = await kubectl("attach", "-i", "-q", "web")
        assert code != 0, text


async def _terminal(home: NodeOfTest, path: str) -> str:
    """What a client with a terminal sees that makes it 40 by 30 characters."""
    connector = aiohttp.UnixConnector(str(home.config.folder / "runtime.sock"))
    seen = b""
    async with (
        asyncio.timeout(DEADLINE),
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(f"http://runtime{path}", protocols=("v5.channel.k8s.io",)) as socket,
    ):
        assert socket.protocol == "v5.channel.k8s.io"
        await socket.send_bytes(b'\x04{"Width": 40, "Height": 30}')
        await socket.send_bytes(b"\x00stty size; exit 3\n")
        async for message in socket:
            seen += message.data
            if message.data[0] == 3:
                break
    return seen.decode()


@in_world
async def test_a_terminal_has_the_size_of_its_client() -> None:
    async with node() as home:
        await home.create("web", shell("exec sh", stdin=True, tty=True))
        await home.when("web", is_ready)
        seen = await _terminal(home, "/exec/default/web/main?command=sh&input=1&output=1&tty=1")
        assert "30 40" in seen
        assert '"reason":"ExitCode","message":"3"' in seen
        seen = await _terminal(home, "/attach/default/web/main?input=1&output=1&tty=1")
        assert "30 40" in seen


@in_world
async def test_requests_for_what_is_not_here_are_refused() -> None:
    async with node() as home:
        await home.create("web", {"name": "main", "image": "x", "command": ["absent"]})
        await home.event("web", "Failed")
        connector = aiohttp.UnixConnector(str(home.config.folder / "runtime.sock"))
        async with aiohttp.ClientSession(connector=connector) as session:
            for path, code, words in (
                ("/containerLogs/default/absent/main", 404, "not on this node"),
                ("/containerLogs/default/web/absent", 404, "not in pod"),
                ("/containerLogs/default/web/main", 400, "waiting to start"),
                ("/containerLogs/default/web/main?tailLines=x", 400, "tailLines"),
                ("/exec/default/web/main?command=true", 409, "not running"),
            ):
                async with session.get(f"http://runtime{path}") as response:
                    assert (response.status, words in await response.text()) == (code, True), path
