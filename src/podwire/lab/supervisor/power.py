"""The protocol that turns a node off and on: pid 1 serves it, `podwire node stop` and `start` use it.

The switch is a unix socket of the world's root. A request is one line of JSON, and so is the answer, which comes when
nothing of the node runs any more, or when its roles may start again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from podwire.lab.base import paths

LONGEST_REQUEST = 4096
WAIT_SECONDS = 10.0


DONE = b'{"done": true}\n'
"""The answer of success."""


class PowerError(Exception):
    """A node was not turned off or on. The text has the reason."""


@dataclass(frozen=True, slots=True)
class PowerRequest:
    """Switch one node on or off."""

    node: str
    on: bool

    def encode(self) -> bytes:
        """The request as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> PowerRequest:
        """Decode a request. Raises ValueError and KeyError."""
        raw = json.loads(line)
        return cls(str(raw["node"]), bool(raw["on"]))


def role_request(role: str) -> bytes:
    """The request to start a role that is held until it is needed, as one line."""
    return json.dumps({"role": role}).encode() + b"\n"


def role_of(line: bytes) -> str:
    """The role that a request names; empty where it is about a node. Raises ValueError and KeyError."""
    raw = json.loads(line)
    return "" if "node" in raw else str(raw["role"])


def refused(why: str) -> bytes:
    """Return the answer of failure."""
    return json.dumps({"error": why}).encode() + b"\n"


def request(desired: PowerRequest, switch: Path = paths.POWER_SOCKET) -> None:
    """Send a request and wait until it is done. Raises PowerError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(WAIT_SECONDS)
        try:
            connection.connect(str(switch))
            connection.sendall(desired.encode())
            answer = json.loads(connection.makefile("rb").readline() or b"{}")
        except (OSError, ValueError) as error:
            raise PowerError(f"node {desired.node}: the world's first process does not answer: {error}") from None
    if answer.get("error") or not answer:
        raise PowerError(f"node {desired.node}: {answer.get('error', 'no answer')}")


def processes_of(node: str) -> Iterator[int]:
    """All processes in the node's network or in that of one of its pods, as /proc has them: what its machine runs."""
    pods = paths.node(node) / "pods"
    pinned = [paths.network(node)]
    with contextlib.suppress(OSError):
        pinned += [paths.NETWORKS / "pods" / uid for uid in os.listdir(pods)]
    networks = {identity for path in pinned if (identity := _identity(str(path))) is not None}
    for name in os.listdir("/proc"):
        if name.isdecimal() and _identity(f"/proc/{name}/ns/net") in networks:
            yield int(name)


def kill_all(node: str) -> list[int]:
    """Kill whatever the node runs now. Returns the ids of these processes, which have not ended yet."""
    found = list(processes_of(node))
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def _identity(path: str) -> tuple[int, int] | None:
    """Return what identifies a namespace; None if there is none, as of a zombie."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
