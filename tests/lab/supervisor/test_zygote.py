"""The zygote forks on request; what it forks begins only when whoever asked for it has the answer."""

import contextlib
import json
import os
import signal
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from podwire.lab.base.spawn import SpawnRequest
from podwire.lab.supervisor.zygote import Zygote


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


def forked_zygote(listener: socket.socket, words: int, folder: Path) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            Zygote(listener, {"words": words}, folder).serve()
        finally:
            os._exit(1)
    return pid


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
    """A copy of the connection would keep whoever asked waiting for its end."""
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "zygote.sock"))
        listener.listen()
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
