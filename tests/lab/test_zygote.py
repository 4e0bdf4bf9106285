"""The zygote forks on request; what it forks begins only when whoever asked for it has the answer."""

import json
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from podwire.lab.zygote import SpawnRequest, Zygote


def say_name(arguments: Mapping[str, str], descriptors: Mapping[str, int]) -> None:
    os.write(descriptors["words"], arguments["name"].encode() + b"\n")


def request(name: str) -> bytes:
    arguments = {"name": name}
    return SpawnRequest(name, f"{__name__}:say_name", "", arguments, ("words",)).encode()


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
