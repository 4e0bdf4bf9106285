"""The SPIFFE Workload API: applications get their SVIDs and bundles on a Unix socket of their node.

Who calls is found by the kernel when the connection is accepted, and never by what the caller sends. Each accepted
connection is passed on to a gRPC server of this process from a socket with a name of its own, by which the server knows
the caller. Source: SPIFFE_Workload_API.md and SPIFFE_Workload_Endpoint.md of github.com/spiffe/spiffe.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from podwire.kernel import peer_network
from podwire.kernel.elements import IPAddress
from podwire.mesh.node import workload_messages as messages
from podwire.mesh.node.signer_client import RefusedError, SignerError
from podwire.mesh.node.token_messages import MessageError
from podwire.pki.jwt import TokenError

if TYPE_CHECKING:
    from podwire.mesh.identity.spiffe import Spiffe
    from podwire.mesh.node.certificates import Certificates
    from podwire.mesh.node.jwt_svids import JwtSvids

log = logging.getLogger(__name__)

SOCKET = "socket"
"""The file in the folder that applications mount."""
OWNER = "workload API"
MOST_CONNECTIONS, MOST_OF_ONE = 4096, 64
"""At one time, of all and of one identity; of those without one together."""
CHUNK = 1 << 16
_PEER = "unix-abstract:"

Find = Callable[[socket.socket], "frozenset[IPAddress]"]


class WorkloadApi:
    """Serves the pods of this node. `identify` returns the identity of a pod's address, None for what is no pod here.

    The socket is open to every user: which pods may connect is decided by who mounts its folder.
    """

    def __init__(
        self,
        certificates: Certificates,
        identify: Callable[[IPAddress], Spiffe | None],
        trust_domain: str,
        tokens: JwtSvids,
        find: Find = peer_network.addresses,
    ) -> None:
        self._certificates = certificates
        self._tokens = tokens
        self._identify = identify
        self._trust_domain = trust_domain
        self._find = find
        self._callers: dict[str, Spiffe | None] = {}
        """By the name of the socket that a connection is passed on from. None gets PERMISSION_DENIED."""
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, folder: str, private: str) -> None:
        """Serve in `folder` until cancelled; no other user may enter `private`. Raises OSError where it cannot."""
        inner = str(Path(private, "workload-api"))
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((self._handlers(),))
        server.add_insecure_port(f"unix:{inner}")
        await server.start()
        os.chmod(inner, 0o600)
        path = Path(folder, SOCKET)
        path.unlink(missing_ok=True)
        self._certificates.subscribe(self._notify)
        listener = await asyncio.start_unix_server(lambda r, w: self._run(self._accept(r, w, inner)), path)
        path.chmod(0o777)
        try:
            await asyncio.Event().wait()
        finally:
            listener.close()
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.stop(0)
            path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inner: str) -> None:
        connection = writer.get_extra_info("socket")
        try:
            caller = await asyncio.to_thread(self._caller, connection)
        except OSError as error:
            log.warning("the caller of the Workload API is not found: %s", error)
            caller = None
        alike = sum(one == caller for one in self._callers.values())
        if len(self._callers) >= MOST_CONNECTIONS or alike >= MOST_OF_ONE:
            writer.close()
            return
        name = secrets.token_hex(16)
        self._callers[name] = caller
        self._require()
        try:
            await _pass_on(reader, writer, name, inner)
        except OSError as error:
            log.debug("a connection to the Workload API ended: %s", error)
        finally:
            writer.close()
            del self._callers[name]
            self._require()

    def _caller(self, connection: Any) -> Spiffe | None:
        """Return the identity of a connection's client. Raises OSError. In a thread: it reads the node's routes."""
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        with duplicate:
            found = {self._identify(one) for one in self._find(duplicate)}
        return found.pop() if len(found) == 1 else None

    def _require(self) -> None:
        """Have certificates of those that are connected, whether they are enrolled or not."""
        self._certificates.require({one for one in self._callers.values() if one is not None}, OWNER)

    def _notify(self) -> None:
        self._run(self._wake())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this until it is done or the server ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _handlers(self) -> Any:
        return grpc.method_handlers_generic_handler(
            messages.SERVICE,
            {
                "FetchX509SVID": grpc.unary_stream_rpc_method_handler(self._fetch_svid),
                "FetchX509Bundles": grpc.unary_stream_rpc_method_handler(self._fetch_bundles),
                "FetchJWTSVID": grpc.unary_unary_rpc_method_handler(self._fetch_token),
                "FetchJWTBundles": grpc.unary_stream_rpc_method_handler(self._fetch_token_keys),
                "ValidateJWTSVID": grpc.unary_unary_rpc_method_handler(self._validate_token),
            },
        )

    async def _fetch_svid(self, _: bytes, context: Any) -> AsyncIterator[bytes]:
        caller = await self._checked(context)
        async for one in self._versions(lambda: self._svid(caller)):
            yield one

    async def _fetch_bundles(self, _: bytes, context: Any) -> AsyncIterator[bytes]:
        await self._checked(context)
        async for one in self._versions(lambda: messages.x509_bundles(self._trust_domain, self._certificates.bundle)):
            yield one

    async def _fetch_token(self, body: bytes, context: Any) -> bytes:
        caller = await self._checked(context)
        return await _answered(self._tokens.fetch(caller, body), context)

    async def _validate_token(self, body: bytes, context: Any) -> bytes:
        await self._checked(context)
        return await _answered(self._tokens.validate(body), context)

    async def _fetch_token_keys(self, _: bytes, context: Any) -> AsyncIterator[bytes]:
        await self._checked(context)
        async for one in self._versions(self._tokens.bundles):
            yield one

    def _svid(self, caller: Spiffe) -> bytes | None:
        leaf = self._certificates.leaves.get(caller)
        return messages.x509_svids(leaf, self._certificates.bundle) if leaf is not None else None

    async def _versions(self, current: Callable[[], bytes | None]) -> AsyncIterator[bytes]:
        """Yield the message whenever it has changed; None is no message: the client waits for one."""
        last: bytes | None = None
        while True:
            async with self._changed:
                while (message := current()) is None or message == last:
                    await self._changed.wait()
            last = message
            yield message

    async def _checked(self, context: Any) -> Spiffe:
        """Return who calls, or end the call."""
        metadata = dict(context.invocation_metadata() or ())
        if metadata.get(messages.HEADER) != "true":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"security header missing: {messages.HEADER}: true")
        caller = self._callers.get(context.peer().removeprefix(_PEER))
        if caller is None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
        assert caller is not None, "abort raises"
        return caller


async def _answered(answer: Awaitable[bytes], context: Any) -> bytes:
    try:
        return await answer
    except (MessageError, TokenError) as error:
        code, text = grpc.StatusCode.INVALID_ARGUMENT, str(error)
    except RefusedError as error:
        code, text = grpc.StatusCode.PERMISSION_DENIED, str(error)
    except SignerError as error:
        code, text = grpc.StatusCode.UNAVAILABLE, str(error)
    await context.abort(code, text)
    raise AssertionError("abort raises")


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, inner: str) -> None:
    """Copy both directions until one ends. Raises OSError."""
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    try:
        ours.bind(f"\0{name}")
        await asyncio.get_running_loop().sock_connect(ours, inner)
        far_reader, far_writer = await asyncio.open_unix_connection(sock=ours)
    except BaseException:
        ours.close()
        raise
    directions = [asyncio.ensure_future(_copy(reader, far_writer)), asyncio.ensure_future(_copy(far_reader, writer))]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in directions:
            one.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        far_writer.close()
        with contextlib.suppress(OSError):
            await far_writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
