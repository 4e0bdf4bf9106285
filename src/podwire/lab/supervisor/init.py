"""pid 1 of a world: reaps, restarts the zygote and the roles, and records the exit status of orphans.

It imports the standard library only and stays in the host's network namespace, where it holds the API's loopback
listener; it opens nothing itself. When it ends, the kernel ends the whole world.
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
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from podwire.kernel import namespaces
from podwire.lab.base import paths
from podwire.lab.base.exit_ring import ExitRing
from podwire.lab.base.spawn import SpawnRequest
from podwire.lab.supervisor.node_switch import NodeSwitch
from podwire.lab.supervisor.role_states import RoleSpec, State, Supervision
from podwire.lab.supervisor.zygote import Zygote

KEEP = b"keep"
SOCKET_SECONDS = 1.0
"""How long pid 1 waits for the zygote to take a request or to finish an answer that has begun."""
FAILURE_PAUSE_SECONDS = 0.05
"""After an error, so that one that repeats takes little of the processor."""


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """The configuration of pid 1.

    `lifeline` is a pipe from the process that starts it: if that ends without sending KEEP, the world ends too.
    """

    name: str
    roles: tuple[RoleSpec, ...]
    descriptors: Mapping[str, int]
    logs: Path
    lifeline: int
    nodes: tuple[str, ...] = ()


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
        self._switch = NodeSwitch(paths.POWER_SOCKET, self._supervision.hold, self._release, self._demand)
        self._selector = selectors.DefaultSelector()
        self._exits = ExitRing(paths.EXITS)

    def run(self) -> NoReturn:
        """Run the event loop. It survives any error of a single step, as the kernel ends the world with pid 1."""
        wake_reader, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        self._selector.register(wake_reader, selectors.EVENT_READ, self._woken)
        self._selector.register(self._spec.lifeline, selectors.EVENT_READ, self._lifeline_readable)
        self._selector.register(self._switch.listener, selectors.EVENT_READ, self._switched)
        while True:
            self._guarded(self._step)

    def _step(self) -> None:
        """One turn of the event loop."""
        self._guarded(self._start_zygote)
        self._guarded(self._start_roles)
        for key, _ in self._selector.select(self._pause()):
            self._guarded(functools.partial(key.data, key.fileobj))
        self._guarded(self._reap)
        self._guarded(functools.partial(self._switch.step, time.monotonic()))

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do something; an error is logged, and what is still due is done at the next turn."""
        try:
            step()
        except Exception:
            self._log(f"an error that pid 1 survives: {traceback.format_exc()}")
            time.sleep(FAILURE_PAUSE_SECONDS)

    def _woken(self, wake_reader: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(wake_reader, 4096)

    def _lifeline_readable(self, lifeline: int) -> None:
        """Go on if `up` sent KEEP; end the world if it was killed before."""
        self._selector.unregister(lifeline)
        if os.read(lifeline, 16) != KEEP:
            self._log("the command that started this world is gone: ending")
            os._exit(1)
        os.close(lifeline)

    def _switched(self, _: socket.socket) -> None:
        error = self._switch.accept(time.monotonic())
        if error:
            self._log(error)

    def _release(self, network: str) -> None:
        self._supervision.release(network, time.monotonic())

    def _demand(self, role: str) -> None:
        self._supervision.demand(role, time.monotonic())

    def _pause(self) -> float | None:
        now = time.monotonic()
        times = [t for t in (self._supervision.next_due(now), self._switch.pause()) if t is not None]
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
            self._exits.close()
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
            try:
                connection = self._request(request)
            except OSError:
                self._supervision.not_started(role.name, time.monotonic())
                continue
            answered = functools.partial(self._zygote_answered, role.name)
            self._selector.register(connection, selectors.EVENT_READ, answered)

    def _request(self, request: SpawnRequest) -> socket.socket:
        """Send a request to the zygote; raises OSError at once where its queue is full, as while it is away."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(SOCKET_SECONDS)
            connection.connect(str(paths.ZYGOTE_SOCKET))
            connection.sendall(request.encode())
        except BaseException:
            connection.close()
            raise
        return connection

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
            self._guarded(functools.partial(self._ended, pid, status))

    def _ended(self, pid: int, status: int) -> None:
        now = time.monotonic()
        if pid == self._zygote_pid:
            self._zygote_pid, self._zygote_due = 0, now + 0.02
            self._log(f"the zygote ended with {os.waitstatus_to_exitcode(status)}; starting it again")
            return
        name = self._supervision.exited(pid, os.waitstatus_to_exitcode(status), now)
        if name is None:
            self._exits.add(pid, status, time.time_ns())  # an orphan of a dead shim: the next shim reads it
        elif self._supervision.state(name) is not State.DONE:
            self._log(f"{name} ended with {os.waitstatus_to_exitcode(status)}")
            if self._supervision.state(name) is State.FAILED:
                self._report_failure(name)

    def _report_failure(self, role: str) -> None:
        """Report the failure of a role that runs once to `up`, if it still waits."""
        with contextlib.suppress(OSError):
            os.write(self._spec.descriptors["progress"], json.dumps({"failed": role}).encode() + b"\n")

    def _log(self, message: str) -> None:
        with contextlib.suppress(OSError):  # the disk of the log may be full
            os.write(2, f"init: {message}\n".encode())
