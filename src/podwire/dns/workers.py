"""Further processes that answer by UDP: the kernel gives each socket of a port a part of the clients (SO_REUSEPORT).

A worker has no zone. It has a table of ready answers, and passes every other message on to the first process, whose
answer it keeps. A number in shared memory goes up with each change of the data: a worker that reads another number than
before empties its table first. So what a worker answers is as fresh as what the first process would.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import mmap
import os
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from podwire.dns.forward import DEADLINE_SECONDS
from podwire.dns.listen import NO_CLIENT, Answer, DatagramListener, Peer, Responder
from podwire.dns.message import servfail
from podwire.dns.ready_answers import Entry, ReadyAnswers
from podwire.kernel import memory
from podwire.kernel.datagram import DatagramSocket

log = logging.getLogger(__name__)

ANSWER_SECONDS = DEADLINE_SECONDS + 0.5
"""The longest wait for the first process, which has answered or failed by then."""
COUNT_SECONDS = 1.0
LARGEST_MESSAGE = 1 << 17
_VERSION = struct.Struct("=Q")
_COUNTS = struct.Struct("=16Q")


class Question(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A message that a worker received and cannot answer itself."""

    number: int
    port: int
    client: Peer
    raw: bytes


class Answered(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What is sent for a question, and what may be kept as long as the data have this version."""

    number: int
    answer: bytes | None
    version: int
    kept: Entry | None = None


class Listen(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The ports on which a worker listens from now on."""

    ports: tuple[int, ...]


Message = Question | Answered | Listen
_encode = msgspec.msgpack.Encoder().encode
_decode: Callable[[bytes], Message] = msgspec.msgpack.Decoder(Message).decode


class WorkerLostError(Exception):
    """A worker ended. The program ends too, so that it starts again whole."""


class SharedNumbers:
    """The version of the data, and the counts of each worker, in memory that all processes see."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, _VERSION.size + workers * _COUNTS.size)
        self._workers = workers

    def publish(self, version: int) -> None:
        """Set the version."""
        _VERSION.pack_into(self._memory, 0, version)

    @property
    def version(self) -> int:
        """The version."""
        return int(_VERSION.unpack_from(self._memory)[0])

    def count(self, worker: int, counts: Sequence[int]) -> None:
        """Set how many messages a worker answered by itself, by response code."""
        _COUNTS.pack_into(self._memory, _VERSION.size + worker * _COUNTS.size, *counts)

    def counts(self) -> list[int]:
        """The sums of all workers."""
        found = (_COUNTS.unpack_from(self._memory, _VERSION.size + n * _COUNTS.size) for n in range(self._workers))
        return [sum(values) for values in zip(*found, strict=True)] if self._workers else [0] * 16


class Workers:
    """The workers as the first process sees them. They are forked by the constructor: before there is an event loop."""

    def __init__(self, count: int, addresses: Sequence[str]) -> None:
        self.numbers = SharedNumbers(count)
        self._channels: list[socket.socket] = []
        for number in range(count):
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if os.fork() == 0:
                for channel in (here, *self._channels):
                    channel.close()
                _work(number, self.numbers, there, addresses)
            there.close()
            here.setblocking(False)
            self._channels.append(here)

    def __len__(self) -> int:
        return len(self._channels)

    def listen(self, ports: Sequence[int]) -> None:
        """Have all workers listen on these ports and no others."""
        for channel in self._channels:
            channel.send(_encode(Listen(tuple(ports))))

    async def serve(self, responders: Mapping[int, Responder], ready_answers: ReadyAnswers) -> None:
        """Answer what workers pass on, until cancelled. Raises WorkerLostError."""
        async with asyncio.TaskGroup() as tasks:
            for channel in self._channels:
                tasks.create_task(_Served(channel, responders, ready_answers).run())


class _Served:
    """The messages of one worker."""

    def __init__(
        self, channel: socket.socket, responders: Mapping[int, Responder], ready_answers: ReadyAnswers
    ) -> None:
        self._channel = channel
        self._responders = responders
        self._ready_answers = ready_answers
        self._pending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while raw := await loop.sock_recv(self._channel, LARGEST_MESSAGE):
                question = _decode(raw)
                if isinstance(question, Question):
                    self._answer(question)
        finally:
            for task in self._pending:
                task.cancel()
        raise WorkerLostError("a worker of the DNS server ended")

    def _answer(self, question: Question) -> None:
        responder = self._responders.get(question.port)
        version = self._ready_answers.version
        try:
            found = responder.answer(question.raw, stream=False, client=question.client) if responder else None
        except Exception:
            found, version = _failed(question), 0
        if found is None or isinstance(found, bytes):
            self._send(question, found, version)
            return
        task = asyncio.get_running_loop().create_task(self._later(question, found))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _later(self, question: Question, found: Awaitable[Answer]) -> None:
        try:
            answer = await found
        except Exception:
            answer = _failed(question)
        self._send(question, answer, 0)

    def _send(self, question: Question, answer: Answer, version: int) -> None:
        kept = self._ready_answers.entry(question.raw) if version == self._ready_answers.version else None
        try:
            self._channel.send(_encode(Answered(question.number, answer, version, kept)))
        except OSError as error:
            # The worker answers SERVFAIL at its deadline.
            log.warning("an answer is lost on its way to a worker: %s", error)


def _failed(question: Question) -> Answer:
    """Log the exception that is handled; the answer is SERVFAIL."""
    log.exception("a datagram from %s is answered with SERVFAIL", question.client[0])
    return servfail(question.raw)


class _WorkerResponder:
    """Answers from the worker's table, else passes the message on."""

    def __init__(self, numbers: SharedNumbers, channel: socket.socket, port: int, state: _State) -> None:
        self._numbers = numbers
        self._channel = channel
        self._port = port
        self._state = state

    def ready(self, raws: Sequence[bytes], now: float) -> Sequence[bytes | None]:
        state, version = self._state, self._numbers.version
        if version != state.version:
            state.version = version
            state.ready.clear()
        return state.ready.find(raws, now)

    def answer(self, raw: bytes, *, stream: bool, client: Peer = NO_CLIENT) -> Awaitable[Answer]:  # noqa: ARG002
        return self._passed_on(raw, client)

    def failed(self, raw: bytes) -> bytes | None:
        return servfail(raw)

    async def _passed_on(self, raw: bytes, client: Peer) -> Answer:
        state = self._state
        number = next(state.question_numbers)
        waiting: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        state.waiting[number] = waiting
        try:
            self._channel.send(_encode(Question(number, self._port, client, raw)))
            async with asyncio.timeout(ANSWER_SECONDS):
                answered = await waiting
        except (OSError, TimeoutError):
            return servfail(raw)
        finally:
            state.waiting.pop(number, None)
        if answered.kept is not None and answered.version == state.version == self._numbers.version:
            state.ready.put(raw, answered.kept)
        return answered.answer


class _State:
    """What a worker has: its table, the questions that wait."""

    def __init__(self) -> None:
        self.ready = ReadyAnswers()
        self.version = 0
        self.waiting: dict[int, asyncio.Future[Answered]] = {}
        self.question_numbers = itertools.count()


def _work(number: int, numbers: SharedNumbers, channel: socket.socket, addresses: Sequence[str]) -> None:
    """Be a worker; does not return. It ends with the first process, not by signals of its own."""
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    memory.use_one_arena()
    channel.setblocking(False)
    try:
        asyncio.run(_serve(number, numbers, channel, addresses))
    finally:
        sys.stdout.flush()
        os._exit(0)


async def _serve(number: int, numbers: SharedNumbers, channel: socket.socket, addresses: Sequence[str]) -> None:
    loop, state = asyncio.get_running_loop(), _State()
    listeners: dict[int, list[DatagramListener]] = {}
    counting = loop.create_task(_count(number, numbers, state))
    while raw := await loop.sock_recv(channel, LARGEST_MESSAGE):
        message = _decode(raw)
        if isinstance(message, Answered):
            waiting = state.waiting.get(message.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif isinstance(message, Listen):
            for port in listeners.keys() - set(message.ports):
                for listener in listeners.pop(port):
                    listener.close()
            for port in set(message.ports) - listeners.keys():
                responder = _WorkerResponder(numbers, channel, port, state)
                sockets = (DatagramSocket(address, port, shared=True) for address in addresses)
                listeners[port] = [DatagramListener(responder, one) for one in sockets]
    counting.cancel()


async def _count(number: int, numbers: SharedNumbers, state: _State) -> None:
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        numbers.count(number, state.ready.counts)
