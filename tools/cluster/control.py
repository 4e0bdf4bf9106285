"""Requests to the first process of a host, or of the cluster: its programs' states, and kill, stop and start of one.

A request and its answer are a line of JSON each. The kernel knows which process listens (unix(7), SO_PEERCRED), in the
numbers of the caller's own pid namespace: so no file holds process numbers that may be outdated.
"""

from __future__ import annotations

import enum
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

ANSWER_SECONDS = 5.0
LONGEST_LINE = 65536


class Verb(enum.Enum):
    """What to do."""

    STATUS = "status"
    KILL = "kill"
    """End with SIGKILL; it starts again by itself."""
    STOP = "stop"
    """End with SIGKILL, and keep it ended until `start`."""
    START = "start"


class Request(msgspec.Struct, frozen=True):
    """One request; `program` is not needed for STATUS."""

    verb: Verb
    program: str = ""


class ProgramState(msgspec.Struct, frozen=True):
    """A program: its process number in the host's own numbers, 0 if none runs, and how often it was started."""

    name: str
    pid: int
    starts: int
    stopped: bool = False


class Answer(msgspec.Struct, frozen=True):
    """The states after the request, or the reason why it was refused."""

    programs: tuple[ProgramState, ...] = ()
    error: str = ""


class NotRunningError(Exception):
    """Nothing listens there: the cluster does not run."""


def request(path: Path, verb: Verb, program: str = "") -> tuple[ProgramState, ...]:
    """Send one request. Raises NotRunningError, ValueError with the reason of a refusal."""
    with _connected(path) as connection:
        connection.sendall(msgspec.json.encode(Request(verb, program)) + b"\n")
        with connection.makefile("rb") as lines:
            answer = msgspec.json.decode(lines.readline(LONGEST_LINE), type=Answer)
    if answer.error:
        raise ValueError(answer.error)
    return answer.programs


def first_process(path: Path) -> int:
    """The process number of what listens there. Raises NotRunningError."""
    with _connected(path) as connection:
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(path))
        except OSError as error:
            raise NotRunningError(
                f"{path}: {error.strerror}: start the cluster with `python -m tools.cluster up`"
            ) from error
        yield connection
