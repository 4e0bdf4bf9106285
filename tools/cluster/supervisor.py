"""The first process of a host: starts its programs, starts those that end again, reaps orphans, takes requests.

One loop without threads. Programs are started in order, each when what it needs accepts connections.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import selectors
import signal
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import msgspec

from tools.cluster.control import LONGEST_LINE, Answer, ProgramState, Request, Verb
from tools.cluster.daemons import Daemon

POLL_SECONDS = 0.05
"""How often a program that waits for another one looks again."""
RESTART_SECONDS = 0.3
LONGEST_RESTART_SECONDS = 5.0
SETTLED_SECONDS = 10.0
"""A program that ran so long is started again without delay growing."""
_CONNECT_SECONDS = 0.2
_ANSWER_SECONDS = 1.0


@dataclass
class _Running:
    """One program's state."""

    daemon: Daemon
    pid: int = 0
    starts: int = 0
    stopped: bool = False
    due: float = 0.0
    began: float = 0.0
    pause: float = RESTART_SECONDS

    def state(self) -> ProgramState:
        return ProgramState(self.daemon.name, self.pid, self.starts, self.stopped)


class Supervisor:
    """The loop, for the programs of one host. Their output goes to a file each in `logs`."""

    def __init__(self, daemons: Sequence[Daemon], logs: Path, suffix: str, control: Path) -> None:
        self._programs = [_Running(daemon) for daemon in daemons]
        self._logs = logs
        self._suffix = suffix
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.unlink(missing_ok=True)
        self._listener.bind(str(control))
        self._listener.listen(16)
        self._listener.settimeout(_CONNECT_SECONDS)

    def run(self) -> NoReturn:
        """Run until the kernel ends this process."""
        woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                self._reap()
                self._start_due()
                for key, _ in selector.select(self._timeout()):
                    if key.fileobj is self._listener:
                        self._serve()
                    else:
                        os.read(woken, 4096)

    def _timeout(self) -> float | None:
        waiting = [one for one in self._programs if not one.pid and not one.stopped]
        if not waiting:
            return None
        return max(POLL_SECONDS, min(one.due for one in waiting) - time.monotonic())

    def _reap(self) -> None:
        """Collect every child that has ended: programs, and what others left to the first process."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for one in self._programs:
                if one.pid == pid:
                    _ended(one)

    def _start_due(self) -> None:
        now = time.monotonic()
        for one in self._programs:
            if not one.pid and not one.stopped and one.due <= now and accepts(one.daemon.needs):
                self._start(one)

    def _start(self, one: _Running) -> None:
        log = self._logs / f"{one.daemon.name}{self._suffix}.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        output = [(os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644), (os.POSIX_SPAWN_DUP2, 1, 2)]
        one.pid = os.posix_spawn(
            one.daemon.argv[0], one.daemon.argv, os.environ, file_actions=output, setsid=True,
            setsigdef=[signal.SIGPIPE],
        )  # fmt: skip
        one.starts += 1
        one.began = time.monotonic()

    def _serve(self) -> None:
        """Answer one caller. One that is slow or sends something else is cut off."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(_CONNECT_SECONDS)
                with connection.makefile("rb") as lines:
                    line = lines.readline(LONGEST_LINE)
                if line:
                    answer = self._answer(msgspec.json.decode(line, type=Request))
                    connection.sendall(msgspec.json.encode(answer) + b"\n")

    def _answer(self, request: Request) -> Answer:
        if request.verb is not Verb.STATUS:
            known = [one for one in self._programs if one.daemon.name == request.program]
            if not known:
                names = ", ".join(one.daemon.name for one in self._programs)
                return Answer(error=f"{request.program}: no program of this host: {names}")
            apply(known[0], request.verb)
        return Answer(tuple(one.state() for one in self._programs))


def apply(one: _Running, verb: Verb) -> None:
    """Kill, stop or start a program."""
    if verb is Verb.START:
        one.stopped, one.due = False, 0.0
        return
    one.stopped = one.stopped or verb is Verb.STOP
    if one.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)


def _ended(one: _Running) -> None:
    now = time.monotonic()
    settled = now - one.began > SETTLED_SECONDS
    one.pid = 0
    one.pause = RESTART_SECONDS if settled else min(one.pause * 2, LONGEST_RESTART_SECONDS)
    one.due = now + (RESTART_SECONDS if settled else one.pause)


def accepts(address: str) -> bool:
    """Whether a socket's path or ADDRESS:PORT accepts connections, or a URL answers 200; true for an empty one."""
    if not address:
        return True
    if address.startswith("https://"):
        return _answers(address)
    is_path = address.startswith("/")
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_UNIX if is_path else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(address if is_path else (host, int(port)))
        except OSError:
            return False
    return True


def _answers(url: str) -> bool:
    """Whether a URL answers 200. The certificate is not verified: nothing of the answer is used."""
    parts = urlsplit(url)
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port, timeout=_ANSWER_SECONDS, context=unverified
    )
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
