"""Debian's nginx, unpacked by tools/peers.sh or installed, as processes that keep to one folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.children import ENDS_WITH_PARENT

PATIENCE_SECONDS = 60.0
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def program() -> str:
    """Return the path of nginx; empty where it is neither unpacked nor installed."""
    unpacked = Path(sys.prefix, "peers/usr/sbin/nginx")
    return str(unpacked) if unpacked.is_file() else shutil.which("nginx") or ""


def configuration(folder: Path, http: str, workers: int = 0, main: str = "") -> str:
    """Return a whole configuration with directives of `main` and of its block `http`; all files are in the folder.

    Without workers one process does all, which nothing outlives, and which cannot reload.
    """
    paths = "".join(f"    {one}_temp_path {folder}/{one};\n" for one in _TEMPORARY)
    user = "user root;\n" if os.geteuid() == 0 else ""
    processes = f"worker_processes {workers};\n" if workers else "master_process off;\n"
    events = "events { worker_connections 4096; }"
    return f"{user}{processes}{main}\npid {folder}/nginx.pid;\n{events}\nhttp {{\n{paths}{http}}}\n"


class Nginx:
    """One nginx: a master and its workers, or one process."""

    def __init__(self, folder: Path, http: str, workers: int = 0, main: str = "") -> None:
        self._folder = folder
        self._main = main
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        self.write(http)

    @property
    def pid(self) -> int:
        """Of the master, or of the one process."""
        assert self._process is not None, "nginx was started"
        return self._process.pid

    def write(self, http: str) -> None:
        """Write the configuration; `start` or `reload` takes it."""
        (self._folder / "nginx.conf").write_text(configuration(self._folder, http, self._workers, self._main))

    def start(self, port: int) -> None:
        """Return once nginx listens on a port of 127.0.0.1. Raises AssertionError with its log."""
        self._process = subprocess.Popen([*ENDS_WITH_PARENT, *self._command("-g", "daemon off;")])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_open(port):
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)

    def reload(self) -> None:
        """Have new workers take the configuration; old ones end with their last connection."""
        subprocess.run(self._command("-s", "reload"), check=True)

    def kill(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        """Return its error log."""
        file = self._folder / "error.log"
        return file.read_text() if file.exists() else ""

    def _command(self, *words: str) -> list[str]:
        folder = str(self._folder)
        return [program(), "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log", *words]


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports of 127.0.0.1 that nothing listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(one.getsockname()[1] for one in sockets)
    for one in sockets:
        one.close()
    return ports


def is_open(port: int) -> bool:
    """Whether something listens on a port of 127.0.0.1."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
