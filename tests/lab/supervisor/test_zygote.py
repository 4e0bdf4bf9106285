"""The zygote forks on request; what it forks begins only when the client has the answer."""

import contextlib
import gc
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from podwire.lab.base.spawn import SpawnRequest
from podwire.lab.supervisor.zygote import Zygote

RARELY_NEEDED = (
    "concurrent.futures.thread",
    "envoy.",
    "google.",
    "grpc.",
    "podwire.announcement.bgp.",
    "podwire.cli",
    "podwire.edge.controller",
    "podwire.edge.envoy",
    "podwire.edge.gateway",
    "podwire.edge.model",
    "podwire.edge.xds.s",
    "podwire.insight",
    "podwire.lab.demo",
    "podwire.lab.relay.relay",
    "podwire.testing",
)
"""How names of modules begin. A thread pool too: each process that has one imports it itself."""

WARM_UP = """
import sys
from podwire.lab.supervisor import zygote
zygote.warm_up()
print(*sys.modules)

import msgspec, msgspec._utils
from podwire.kube import kinds
read, late = msgspec._utils._get_class_mro_and_typevar_mappings, []
msgspec._utils._get_class_mro_and_typevar_mappings = lambda kind: late.append(kind.__name__) or read(kind)
class Unprepared(msgspec.Struct):
    pass
for kind in (kinds.PODS.type, kinds.ENDPOINT_SLICES.type, kinds.NETWORK_POLICIES.type, Unprepared):
    msgspec.json.Decoder(kind)
print(*late)
"""
"""Prints what is imported, and the types whose annotations are read by those that decode them."""


def say_name(arguments: Mapping[str, str], descriptors: Mapping[str, int]) -> None:
    os.write(descriptors["words"], arguments["name"].encode() + b"\n")


def say_sockets(_: Mapping[str, str], descriptors: Mapping[str, int]) -> None:
    os.write(descriptors["words"], f"{sockets()}\n".encode())


def sockets() -> int:
    """How many sockets this process has."""
    count = 0
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            count += stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    return count


def request(name: str, role: str = "say_name") -> bytes:
    arguments = {"name": name}
    return SpawnRequest(name, f"{__name__}:{role}", "", arguments, ("words",)).encode()


def forked_zygote(listener: socket.socket, words: int, folder: Path, failing: int = 0) -> int:
    """A zygote. Of its first request, the fork at depth `failing` fails: 1 is its own, 2 that of its child."""
    pid = os.fork()
    if pid == 0:
        try:
            fail_once(failing, folder / "failed")
            Zygote(listener, {"words": words}, folder).serve()
        finally:
            os._exit(1)
    return pid


def fail_once(failing: int, failed: Path) -> None:
    """Make one fork at this depth fail, the first one; the file remembers it for all processes."""
    fork, depth = os.fork, 1

    def counted() -> int:
        nonlocal depth
        if depth == failing and not failed.exists():
            failed.touch()
            raise OSError(11, "Resource temporarily unavailable")
        pid = fork()
        depth += pid == 0
        return pid

    os.fork = counted


def test_only_what_somebody_knows_of_runs(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "zygote.sock"))
        listener.listen()
        pid = forked_zygote(listener, writer, tmp_path)
    os.close(writer)
    try:
        for name in ("first", "gone", "second"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(tmp_path / "zygote.sock"))
                if name == "gone":
                    client.shutdown(socket.SHUT_RD)  # as one that was killed: no answer can reach it
                    client.sendall(request(name))
                else:
                    client.sendall(request(name))
                    assert json.loads(client.makefile("rb").readline())["pid"] > 0
                    assert os.read(reader, 100) == f"{name}\n".encode()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with os.fdopen(reader) as words:
        assert words.read() == "", "what nobody knows of did not run"


def test_a_role_keeps_no_socket_of_the_zygote(tmp_path: Path) -> None:
    """A copy of the connection would keep the client waiting for its end."""
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "zygote.sock"))
        listener.listen()
        gc.collect()  # sockets that earlier tests left as garbage do not count
        before = sockets()
        pid = forked_zygote(listener, writer, tmp_path)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "zygote.sock"))
            client.sendall(request("counting", "say_sockets"))
            assert int(os.read(reader, 100)) == before - 1
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_fork_closes_the_connection_and_the_zygote_continues(tmp_path: Path, failing: int) -> None:
    """The first fork fails in the zygote, the second in the process between: it must not become a second zygote."""
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "zygote.sock"))
        listener.listen()
        pid = forked_zygote(listener, writer, tmp_path, failing)
    os.close(writer)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(tmp_path / "zygote.sock"))
            client.sendall(request("first"))
            assert client.makefile("rb").readline() == b""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(tmp_path / "zygote.sock"))
            client.sendall(request("second"))
            assert json.loads(client.makefile("rb").readline())["pid"] > 0
        assert os.read(reader, 100) == b"second\n"
        assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == "", "no process is left between"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with os.fdopen(reader) as words:
        assert words.read() == "", "nobody else holds the zygote's files"


def test_what_a_world_needs_only_sometimes_is_not_imported_before() -> None:
    done = subprocess.run([sys.executable, "-c", WARM_UP], capture_output=True, text=True, check=True)
    imported, late = (line.split() for line in done.stdout.splitlines())
    assert "podwire.lab.roles.entrypoints" in imported
    assert [name for name in imported if name.startswith(RARELY_NEEDED)] == []
    assert late == ["Unprepared"], "the types of objects are known to msgspec before any process is forked"
