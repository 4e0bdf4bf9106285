"""DNS over UDP and TCP: sockets in, bytes to a responder, bytes out. Nothing that a peer sends ends a listener."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence
from typing import Protocol

from podwire.dns.fair_share import FairShare
from podwire.kernel.datagram import Datagram, DatagramSocket, listen_stream
from podwire.kernel.datagram_batch import MOST, DatagramBatch

log = logging.getLogger(__name__)

BATCHES_A_TURN = 2
"""Taken from a socket before other tasks get their turn."""

MOST_PENDING = 4096
"""Datagrams that wait for an upstream server; the answer to more of them is SERVFAIL, and clients try again."""

MOST_CONNECTIONS = 256
IDLE_SECONDS = 10.0
WRITE_SECONDS = 5.0

Answer = bytes | None
Peer = tuple[str, int]
"""A client's address and port."""
NO_CLIENT: Peer = ("", 0)


class Responder(Protocol):
    """What answers the messages of a listener."""

    def ready(self, raws: Sequence[bytes], now: float) -> Sequence[bytes | None]:
        """For each message the answer to the same bytes as before, if there is one; `now` is the loop's clock."""
        ...

    def answer(self, raw: bytes, *, stream: bool, client: Peer = NO_CLIENT) -> Answer | Awaitable[Answer]:
        """The answer to one message, at once or later; None for silence."""
        ...

    def failed(self, raw: bytes) -> bytes | None:
        """The answer to a message that is not processed: SERVFAIL; None for what is no query."""
        ...


@contextlib.asynccontextmanager
async def listening(
    responder: Responder, addresses: Sequence[str], port: int, *, shared: bool = False
) -> AsyncIterator[None]:
    """Answer on UDP and TCP at these addresses while the block runs. Raises OSError where a port is taken.

    `shared`: other processes of this program may listen on the same UDP ports.
    """
    streams = StreamListener(responder)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(streams.close)
        for address in addresses:
            datagrams = DatagramListener(responder, DatagramSocket(address, port, shared=shared))
            stack.callback(datagrams.close)
            server = await asyncio.start_server(streams.converse, sock=listen_stream(address, port))
            stack.callback(server.close)
        yield


class DatagramListener:
    """One UDP socket."""

    def __init__(self, responder: Responder, channel: DatagramSocket) -> None:
        self._responder = responder
        self._channel = channel
        self._batch = DatagramBatch(channel)
        self._pending: set[asyncio.Task[None]] = set()
        self._places = FairShare(MOST_PENDING)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._readable)

    def close(self) -> None:
        """Stop listening; answers under way are given up."""
        self._loop.remove_reader(self._channel.fileno())
        for task in self._pending:
            task.cancel()
        self._channel.close()

    def _readable(self) -> None:
        for _ in range(BATCHES_A_TURN):
            raws = self._batch.receive()
            if raws:
                self._answer_batch(raws)
            if len(raws) < MOST:
                return

    def _answer_batch(self, raws: Sequence[bytes]) -> None:
        try:
            known = self._responder.ready(raws, self._loop.time())
        except Exception:
            for number, raw in enumerate(raws):
                self._fail(self._batch.datagram(number, raw))
            return
        reply = self._batch.reply
        for number, answer in enumerate(known):
            if answer is not None:
                reply(number, answer)
            else:
                self._answer(self._batch.datagram(number, raws[number]))
        self._batch.flush()

    def _answer(self, datagram: Datagram) -> None:
        try:
            answer = self._responder.answer(datagram.payload, stream=False, client=datagram.peer[:2])
            if isinstance(answer, bytes):
                self._channel.reply(datagram, answer)
            elif answer is not None:
                self._wait(datagram, answer)
        except Exception:
            self._fail(datagram)

    def _wait(self, datagram: Datagram, answer: Awaitable[Answer]) -> None:
        source = datagram.peer[0]
        if not self._places.has_room(source):
            if isinstance(answer, Coroutine):
                answer.close()  # never started: else Python warns that it was not awaited
            self._reply(datagram, self._responder.failed(datagram.payload))
            return
        task = self._loop.create_task(self._later(datagram, answer))
        self._pending.add(task)
        self._places.take(source)
        task.add_done_callback(lambda done: self._ended(done, source))

    def _ended(self, task: asyncio.Task[None], source: str) -> None:
        self._pending.discard(task)
        self._places.give_back(source)

    async def _later(self, datagram: Datagram, answer: Awaitable[Answer]) -> None:
        try:
            self._reply(datagram, await answer)
        except Exception:
            self._fail(datagram)

    def _fail(self, datagram: Datagram) -> None:
        """Log the exception that is handled and answer SERVFAIL: the client need not wait for its deadline."""
        log.exception("a datagram from %s is answered with SERVFAIL", datagram.peer[0])
        self._reply(datagram, self._responder.failed(datagram.payload))

    def _reply(self, datagram: Datagram, answer: Answer) -> None:
        if answer is not None:
            self._channel.reply(datagram, answer)


class StreamListener:
    """All TCP connections: bounded in number, each with deadlines, its queries answered in order (RFC 7766)."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._open: set[asyncio.StreamWriter] = set()
        self._places = FairShare(MOST_CONNECTIONS)

    def close(self) -> None:
        """Abort all connections."""
        for writer in self._open:
            writer.transport.abort()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first query to its end or its deadline."""
        peer: Peer = (writer.get_extra_info("peername") or NO_CLIENT)[:2]
        source = peer[0]
        if not self._places.has_room(source):
            writer.transport.abort()
            return
        self._open.add(writer)
        self._places.take(source)
        try:
            while await self._exchange(reader, writer, peer):
                pass
        except (OSError, EOFError, TimeoutError):
            pass
        except Exception:
            log.exception("a connection was ended")
        finally:
            self._open.discard(writer)
            self._places.give_back(source)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> bool:
        """One query and its answer; False where there is no answer, which ends the connection."""
        async with asyncio.timeout(IDLE_SECONDS):
            size = int.from_bytes(await reader.readexactly(2), "big")
            raw = await reader.readexactly(size)
        answer = await self._answer(raw, peer)
        if answer is None:
            return False
        writer.write(len(answer).to_bytes(2, "big") + answer)
        async with asyncio.timeout(WRITE_SECONDS):
            await writer.drain()
        return True

    async def _answer(self, raw: bytes, peer: Peer) -> Answer:
        try:
            answer = self._responder.answer(raw, stream=True, client=peer)
            return answer if answer is None or isinstance(answer, bytes) else await answer
        except Exception:
            log.exception("a message from %s is answered with SERVFAIL", peer[0])
            return self._responder.failed(raw)
