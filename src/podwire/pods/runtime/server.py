"""The agent's CNI socket: one request a connection, one operation at a time for each container."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Protocol

from podwire.pods.attachment import AttachmentKey, ContainerLock, PodIdentity
from podwire.pods.runtime import cni
from podwire.pods.runtime.cni import Code, Command
from podwire.pods.runtime.requests import CniRequests

log = logging.getLogger(__name__)

REQUEST_LIMIT = 16 << 20
READ_SECONDS = 10.0


class Operations(Protocol):
    """The CNI operations. All may raise CniError."""

    async def add(self, key: AttachmentKey, pod: PodIdentity, netns: str) -> cni.Result:
        """Give the container its interface."""
        ...

    async def adopt(self, key: AttachmentKey, pod: PodIdentity, netns: str, previous: cni.Result) -> Collection[str]:
        """Take over an interface that earlier plugins made; return the names that its end on the node had."""
        ...

    async def delete(self, key: AttachmentKey) -> None:
        """Take it away; succeeds where there is none."""
        ...

    async def check(self, key: AttachmentKey, netns: str, previous: cni.Result | None) -> None:
        """Return when the interface is what ADD made of it."""
        ...

    async def status(self) -> None:
        """Return when ADD can be served."""
        ...

    async def collect(self, valid: frozenset[AttachmentKey], lock: ContainerLock) -> None:
        """Remove all that is not in the list, each container under its lock."""
        ...


class ContainerLocks:
    """Locks of containers: operations of one container follow each other, those of others run beside them."""

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def hold(self, container: str) -> AsyncIterator[None]:
        """Hold the lock of one container."""
        async with self._changed:
            await self._changed.wait_for(lambda: container not in self._busy)
            self._busy.add(container)
        try:
            yield
        finally:
            async with self._changed:
                self._busy.discard(container)
                self._changed.notify_all()


class Server:
    """Serves operations on a unix socket that only the owner of this process, and root, can use."""

    def __init__(self, path: Path, operations: Operations, requests: CniRequests) -> None:
        self._path = path
        self._operations = operations
        self._requests = requests
        self._locks = ContainerLocks()

    async def run(self) -> None:
        """Serve until cancelled. Requests that have begun are finished when the caller goes away."""
        server = await asyncio.start_unix_server(self._connected, sock=_listener(self._path))
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _is_trusted(writer.get_extra_info("socket")):
                async with asyncio.timeout(READ_SECONDS):
                    frame = await reader.read(REQUEST_LIMIT)
                    while not reader.at_eof() and len(frame) < REQUEST_LIMIT:
                        frame += await reader.read(REQUEST_LIMIT)
                writer.write(await self.answer(frame))
                await writer.drain()
        except (OSError, TimeoutError) as error:
            log.info("a caller of the CNI socket went away: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def answer(self, frame: bytes) -> bytes:
        """The exit status as one byte, then what the plugin prints."""
        started, command, code = time.monotonic(), "", 0
        try:
            request = cni.decode(frame)
            command = request.command.value
            return b"\0" + await self._serve(request)
        except cni.CniError as error:
            code = error.code
            # A runtime repeats STATUS until its node is ready.
            level = logging.DEBUG if error.code == Code.NOT_AVAILABLE else logging.WARNING
            log.log(level, "CNI error %d: %s %s", error.code, error.message, error.details)
            return b"\1" + cni.encode_error(error, cni.version_of(frame))
        except Exception as error:  # a fault in one request must not end the service of all others
            code = Code.INPUT_OUTPUT
            log.exception("a CNI request failed")
            failure = cni.CniError(Code.INPUT_OUTPUT, f"internal error: {error}; the agent's log has more")
            return b"\1" + cni.encode_error(failure, cni.version_of(frame))
        finally:
            self._requests.observe(command, code, time.monotonic() - started)

    async def _serve(self, request: cni.Request) -> bytes:
        if request.command is Command.STATUS:
            await self._operations.status()
            return b""
        if request.command is Command.GC:
            await self._operations.collect(request.valid, self._locks.hold)
            return b""
        assert request.key is not None, "decode() answers a key for all other commands"
        async with self._locks.hold(request.key.container):
            return await self._change(request, request.key)

    async def _change(self, request: cni.Request, key: AttachmentKey) -> bytes:
        if request.command is Command.ADD:
            if request.previous is not None:
                from podwire.pods.runtime import chain

                names = await self._operations.adopt(key, request.pod, request.netns, request.previous)
                return chain.passed_on(request.raw_previous, names, key.host_interface, request.version)
            result = await self._operations.add(key, request.pod, request.netns)
            return cni.encode_result(result, request.version)
        if request.command is Command.DEL:
            await self._operations.delete(key)
        else:
            await self._operations.check(key, request.netns, request.previous)
        return b""


def _listener(path: Path) -> socket.socket:
    """Made under another name and moved: the path never leads to a socket that is too open or not yet listening."""
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f".{path.name}.{os.getpid()}")
    making.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(making))
        making.chmod(0o600)
        listener.listen(128)
        listener.setblocking(False)
        making.rename(path)
    except BaseException:
        listener.close()
        making.unlink(missing_ok=True)
        raise
    return listener


def _is_trusted(connection: socket.socket) -> bool:
    """Root and the owner of this process; unix(7), SO_PEERCRED."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("=3i"))
    _, user, _ = struct.unpack("=3i", raw)
    return user in {0, os.geteuid()}
