"""pid 1 of a world: reaps, keeps the zygote and the roles alive, and writes down how orphans ended.

It imports the standard library only and stays in the host's network namespace, where it holds the API's loopback
listener; it opens nothing itself. When it dies the kernel ends the whole world.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from podwire.kernel import namespaces
from podwire.lab.base import paths
from podwire.lab.base.spawn import SpawnRequest
from podwire.lab.supervisor import power
from podwire.lab.supervisor.role_states import RoleSpec, State, Supervision
from podwire.lab.supervisor.zygote import Zygote

EXITS_KEPT = 1000
KEEP = b"keep"
POWER_SECONDS = 1.0
"""How long a client of the power switch may take to say what it wants: pid 1 has more to do."""


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """What pid 1 must know to run a world.

    `lifeline` is a pipe from who starts it: when that ends without having said KEEP, the world ends too.
    """

    name: str
    roles: tuple[RoleSpec, ...]
    descriptors: Mapping[str, int]
    logs: Path
    lifeline: int


def prepare_mounts() -> None:
    """The world's own view of files: a fresh /proc for its pid namespace and a tmpfs on /run for all it keeps."""
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    hardened = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
    namespaces.mount("proc", "/proc", "proc", hardened)
    # A user namespace inside a container could mount cgroup2 for itself, and what root makes there stays on the host.
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    namespaces.mount("tmpfs", "/run", "tmpfs", namespaces.MS_NOSUID | namespaces.MS_NODEV, "mode=0755")
    for folder in (paths.WORLD, paths.NETWORKS, paths.EXITS, paths.PKI):
        folder.mkdir(parents=True, mode=0o700)


class Init:
    """The event loop of pid 1."""

    def __init__(self, spec: WorldSpec) -> None:
        self._spec = spec
        self._supervision = Supervision(spec.roles)
        self._zygote_pid = 0
        self._zygote_due = 0.0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(paths.ZYGOTE_SOCKET))
        self._listener.listen(64)
        self._switch = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._switch.bind(str(paths.POWER_SOCKET))
        self._switch.listen(4)
        self._selector = selectors.DefaultSelector()
        self._exits: list[Path] = []

    def run(self) -> None:
        """Work for ever."""
        wake_reader, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        self._selector.register(wake_reader, selectors.EVENT_READ, self._woken)
        self._selector.register(self._spec.lifeline, selectors.EVENT_READ, self._lifeline_said)
        self._selector.register(self._switch, selectors.EVENT_READ, self._switched)
        while True:
            self._start_zygote()
            self._start_roles()
            for key, _ in self._selector.select(self._pause()):
                key.data(key.fileobj)
            self._reap()

    def _woken(self, wake_reader: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(wake_reader, 4096)

    def _lifeline_said(self, lifeline: int) -> None:
        """Stay when `up` says so; end when it was killed before it could."""
        self._selector.unregister(lifeline)
        if os.read(lifeline, 16) != KEEP:
            self._log("the command that started this world is gone: ending")
            os._exit(1)
        os.close(lifeline)

    def _switched(self, switch: socket.socket) -> None:
        """Turn a node on or off and say that it is done."""
        connection, _ = switch.accept()
        with connection:
            connection.settimeout(POWER_SECONDS)
            try:
                request = power.PowerRequest.decode(connection.makefile("rb").readline(power.LONGEST_REQUEST))
                self._turn(request)
                connection.sendall(power.DONE)
            except (ValueError, KeyError) as error:
                self._log(f"power switch: {type(error).__name__}: {error}")
                with contextlib.suppress(OSError):
                    connection.sendall(power.refused("the request cannot be read"))
            except OSError as error:
                self._log(f"power switch: {error}")

    def _turn(self, request: power.PowerRequest) -> None:
        network = str(paths.network(request.node))
        if request.on:
            self._supervision.release(network, time.monotonic())
            return
        self._supervision.hold(network)
        while power.kill_all(request.node):
            self._reap()

    def _pause(self) -> float | None:
        now = time.monotonic()
        times = [t for t in (self._supervision.next_due(now),) if t is not None]
        if not self._zygote_pid:
            times.append(max(0.0, self._zygote_due - now))
        return min(times, default=None)

    def _start_zygote(self) -> None:
        if self._zygote_pid or time.monotonic() < self._zygote_due:
            return
        pid = os.fork()
        if pid == 0:
            self._become_zygote()
        self._zygote_pid = pid

    def _become_zygote(self) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            self._switch.close()
            with contextlib.suppress(OSError):
                os.close(self._spec.lifeline)
            namespaces.set_process_name("pw-zygote")
            Zygote(self._listener, self._spec.descriptors, self._spec.logs).serve()
        except BaseException as error:
            sys.stderr.write(f"zygote: {type(error).__name__}: {error}\n")
            raise
        finally:
            os._exit(code)

    def _start_roles(self) -> None:
        for role in self._supervision.due(time.monotonic()):
            request = SpawnRequest(role.name, role.function, role.network, role.arguments, role.inherits)
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(str(paths.ZYGOTE_SOCKET))
                connection.sendall(request.encode())
            except OSError:
                connection.close()
                self._supervision.not_started(role.name, time.monotonic())
                continue
            answered = functools.partial(self._zygote_answered, role.name)
            self._selector.register(connection, selectors.EVENT_READ, answered)

    def _zygote_answered(self, role: str, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        try:
            line = connection.makefile("rb").readline()
            pid = int(json.loads(line)["pid"])
        except (OSError, ValueError, KeyError):
            self._supervision.not_started(role, time.monotonic())
        else:
            self._supervision.running(role, pid, time.monotonic())
            if self._supervision.held(role) and self._supervision.pid(role) == pid:
                os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        finally:
            connection.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, status)

    def _ended(self, pid: int, status: int) -> None:
        now = time.monotonic()
        if pid == self._zygote_pid:
            self._zygote_pid, self._zygote_due = 0, now + 0.02
            self._log(f"the zygote ended with {os.waitstatus_to_exitcode(status)}; starting it again")
            return
        name = self._supervision.exited(pid, os.waitstatus_to_exitcode(status), now)
        if name is None:
            self._keep_exit(pid, status)
        elif self._supervision.state(name) is not State.DONE:
            self._log(f"{name} ended with {os.waitstatus_to_exitcode(status)}")
            if self._supervision.state(name) is State.FAILED:
                self._tell_failure(name)

    def _tell_failure(self, role: str) -> None:
        """What runs once has failed: `up`, where it still waits, need not wait any longer."""
        with contextlib.suppress(OSError):
            os.write(self._spec.descriptors["progress"], json.dumps({"failed": role}).encode() + b"\n")

    def _keep_exit(self, pid: int, status: int) -> None:
        """An orphan of a dead shim: whoever takes its pod over reads here how the container ended."""
        path = paths.EXITS / str(pid)
        fresh = path.with_suffix(".new")
        fresh.write_text(str(status))
        fresh.rename(path)
        self._exits.append(path)
        if len(self._exits) > EXITS_KEPT:
            self._exits.pop(0).unlink(missing_ok=True)

    def _log(self, message: str) -> None:
        sys.stderr.write(f"init: {message}\n")
        sys.stderr.flush()
