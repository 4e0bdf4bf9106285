"""The zygote: one process with all imports done forks every other, which start in milliseconds and share memory.

It is single-threaded; a request is one line of JSON on a unix socket, the answer another. A forked process belongs to
pid 1 (it is forked twice), so that it outlives the zygote. It begins when the answer has been sent: a process that
is not known to its client would be started a second time beside it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from podwire.kernel import memory, namespaces
from podwire.lab.base.spawn import SpawnRequest

Role = Callable[[Mapping[str, str], Mapping[str, int]], None]
"""A role's entry: its arguments, and the descriptors it inherits by name."""

CLIENT_SECONDS = 5.0
"""How long one client may hold up the others by sending or reading slowly."""

WARM_MODULES = (
    "podwire.lab.roles.entrypoints",
    "podwire.lab.shim.server",
    "podwire.lab.standin.server",
    "podwire.lab.roles.builtin_images",
    "podwire.lab.roles.envoy_instance",
)


class Zygote:
    """Serves the listener without end. `descriptors` are the world's inherited files by name."""

    def __init__(self, listener: socket.socket, descriptors: Mapping[str, int], logs: Path) -> None:
        self._listener = listener
        self._descriptors = descriptors
        self._logs = logs

    def serve(self) -> None:
        """Import, freeze, fork on request."""
        warm_up()
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(CLIENT_SECONDS)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            line = connection.makefile("rb").readline()
            request = SpawnRequest.decode(line)
        except (ValueError, KeyError, OSError) as error:
            sys.stderr.write(f"zygote: refused a request: {error}\n")
            return
        wait, go = os.pipe()
        try:
            pid = self._fork_twice(request, wait, (go, connection.fileno()))
            connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")
            os.write(go, b"g")
        except OSError as error:
            sys.stderr.write(f"zygote: {request.name} is not started: {error}\n")
        finally:
            os.close(wait)
            os.close(go)

    def _fork_twice(self, request: SpawnRequest, wait: int, own: tuple[int, ...]) -> int:
        """Fork a process that begins when something comes out of `wait`, and ends when that is closed before.

        `own` are the zygote's descriptors of this request, which no role keeps.
        """
        reader, writer = os.pipe()
        try:
            middle = os.fork()
            if middle == 0:
                self._middle(request, wait, writer, (reader, writer, *own))
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            pid = pipe.read()
        os.waitpid(middle, 0)
        if not pid:
            raise ChildProcessError("the second fork failed; the line before has the reason")
        return int(pid)

    def _middle(self, request: SpawnRequest, wait: int, writer: int, own: tuple[int, ...]) -> NoReturn:
        """Fork the role and write its id. Never returns: a second zygote must not come out of a fork that fails."""
        code = 1
        try:
            child = os.fork()
            if child == 0:
                for descriptor in own:
                    os.close(descriptor)
                self._become(request, wait)
            os.write(writer, str(child).encode())
            code = 0
        except BaseException as error:
            sys.stderr.write(f"zygote: {request.name}: {type(error).__name__}: {error}\n")
        finally:
            os._exit(code)

    def _become(self, request: SpawnRequest, wait: int) -> NoReturn:
        """The rest of this process is the role. Never returns."""
        code = 1
        try:
            if not os.read(wait, 1):
                os._exit(code)
            os.close(wait)
            self._prepare(request)
            module, _, name = request.function.partition(":")
            role: Role = getattr(importlib.import_module(module), name)
            role(request.arguments, {key: self._descriptors[key] for key in request.inherits})
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _prepare(self, request: SpawnRequest) -> None:
        self._listener.close()
        for name, descriptor in self._descriptors.items():
            if name not in request.inherits:
                os.close(descriptor)
        namespaces.set_process_name(f"pw-{request.name}")
        log = os.open(
            self._logs / f"{request.name.replace('/', '-')}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if request.network:
            namespaces.enter_network(request.network)


def warm_up() -> None:
    """Import everything that any process needs, and put it where no garbage collection writes to it.

    Collecting garbage while importing would take 60 ms, and after it nearly as long, for no memory: of 64,000 objects
    1,900 are garbage, between others that remain.
    """
    memory.use_one_arena()
    gc.disable()
    for module in WARM_MODULES:
        importlib.import_module(module)
    importlib.import_module("podwire.kube.kinds").prepare_decoding()
    from podwire.kube import tls_buffers

    tls_buffers.shrink()
    memory.release()
    gc.freeze()
    gc.enable()
