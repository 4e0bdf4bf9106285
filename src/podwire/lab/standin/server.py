"""The stand-in: it listens where an image would that is not on this machine, and answers who it is.

One process for all ports: HTTP, gRPC health checks, plain TCP and UDP, IPv4 and IPv6. It is forked from a warm process
into a container's root, so it reads no file and imports nothing once it runs. A port that cannot be opened is logged
and left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from functools import partial

from podwire.kernel.datagram import DatagramSocket, listen_stream
from podwire.lab.base.grpc_health import SERVING, HealthServer
from podwire.lab.standin.answers import Caller, StandInIdentity, datagram, http_answer, http_refusal, one_line
from podwire.lab.standin.drain import Drain
from podwire.lab.standin.http import Continue, HttpReader, Looks, Refusal, Request, looks
from podwire.lab.standin.port import Port

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - an image's program listens everywhere too
SILENCE_SECONDS = 0.2
"""A client that sends nothing for so long does not speak HTTP, in which the client sends first."""

IDLE_SECONDS = 300.0
WRITE_SECONDS = 30.0
MOST_CONNECTIONS = 1000
DATAGRAMS_A_TURN = 64
CHUNK = 64 * 1024
LONGEST_LINE = 1024


def main(identity: StandInIdentity, ports: Sequence[Port], control: int | None = None, report: int = -1) -> None:
    """Listen and answer until SIGTERM, and then while clients still come.

    `control` is a descriptor whose lines open more ports: `listen tcp 8080`. `report` is closed when it listens: a pod
    without a readiness probe gets clients as soon as its containers have started.
    """
    asyncio.run(_serve(identity, ports, control, report))


def main_of_arguments(arguments: Mapping[str, str]) -> None:
    """As `main`, with everything as text; see `arguments_of`. Lines on standard input open more ports."""
    identity = StandInIdentity(
        arguments["namespace"],
        arguments["pod"],
        arguments["container"],
        arguments["node"],
        arguments["image"],
        tuple(arguments["addresses"].split()),
    )
    ports = [
        Port(protocol, int(number)) for protocol, _, number in (p.partition("/") for p in arguments["ports"].split())
    ]
    main(identity, ports, 0, int(arguments.get("report", "-1")))


def arguments_of(identity: StandInIdentity, ports: Sequence[Port], report: int) -> dict[str, str]:
    """What `main_of_arguments` reads: texts only, as a pod's plan holds them."""
    return {
        "namespace": identity.namespace,
        "pod": identity.pod,
        "container": identity.container,
        "node": identity.node,
        "image": identity.image,
        "addresses": " ".join(identity.addresses),
        "ports": " ".join(f"{port.protocol}/{port.number}" for port in ports),
        "report": str(report),
    }


def control_line(port: Port) -> bytes:
    """Return the line that makes a running stand-in listen on one more port."""
    return f"listen {port.protocol.lower()} {port.number}\n".encode()


async def _serve(identity: StandInIdentity, ports: Sequence[Port], control: int | None, report: int) -> None:
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled.set)
    with contextlib.suppress(OSError):
        # The log may have no reader for a while: its lines are lost then, and answers go on.
        os.set_blocking(1, False)
    stand_in = StandIn(identity)
    write_line(f"podwire stand-in for {identity.image}: that image is not on this machine")
    for port in ports:
        await stand_in.listen(port)
    if report >= 0:
        os.close(report)
    if control is not None:
        stand_in.read_control(control)
    await signalled.wait()
    signalled.clear()
    await stand_in.drain.run(at_once=signalled)
    stand_in.close()


def write_line(line: str) -> None:
    """Write one line to standard output, the container's log; dropped if it has no reader."""
    shown = "".join(char if char.isprintable() else "?" for char in line)
    with contextlib.suppress(OSError):
        os.write(1, shown.encode("utf-8", "replace") + b"\n")


class StandIn:
    """All listeners of one container."""

    def __init__(self, identity: StandInIdentity) -> None:
        self.drain = Drain()
        self._identity = identity
        self._open: set[Port] = set()
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[DatagramSocket] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._openings: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def listen(self, port: Port) -> None:
        """Open a port on both families; one that is open already is left alone."""
        if port in self._open:
            return
        if port.protocol not in {"TCP", "UDP"}:
            write_line(f"not listening on {port.protocol} {port.number}: a stand-in speaks TCP and UDP only")
            return
        for address in WILDCARDS:
            try:
                await (self._listen_tcp if port.protocol == "TCP" else self._listen_udp)(address, port.number)
                self._open.add(port)
            except (OSError, OverflowError) as error:
                write_line(f"cannot listen on {port.protocol} {port.number} at {address}: {error}")
        if port in self._open:
            write_line(f"listening on {port.protocol} {port.number}")

    async def _listen_tcp(self, address: str, number: int) -> None:
        listener = listen_stream(address, number)
        self._servers.append(await asyncio.start_server(partial(self._serve, number), sock=listener))

    async def _listen_udp(self, address: str, number: int) -> None:
        channel = DatagramSocket(address, number)
        self._datagrams.append(channel)
        self._loop.add_reader(channel.fileno(), self._answer_datagrams, channel, number)

    def close(self) -> None:
        """Close all listeners and connections."""
        for server in self._servers:
            server.close()
        for writer in self._writers:
            writer.transport.abort()
        for channel in self._datagrams:
            self._loop.remove_reader(channel.fileno())
            channel.close()

    def read_control(self, control: int) -> None:
        """Read control lines from a descriptor until it ends; ignore one that cannot be polled, as /dev/null."""
        waiting = bytearray()

        def readable() -> None:
            try:
                data = os.read(control, CHUNK)
            except OSError:
                data = b""
            if not data:
                self._loop.remove_reader(control)
            waiting.extend(data)
            *lines, rest = bytes(waiting).split(b"\n")
            waiting[:] = rest[:LONGEST_LINE]
            for line in lines:
                self._control(line.decode("utf-8", "replace"))

        with contextlib.suppress(OSError):
            self._loop.add_reader(control, readable)

    def _control(self, line: str) -> None:
        """Execute one control line, such as `listen tcp 8080`."""
        match line.split():
            case []:
                return
            case ["listen", ("tcp" | "udp" | "sctp") as protocol, number] if number.isascii() and number.isdigit():
                task = self._loop.create_task(self.listen(Port(protocol.upper(), int(number[:6]))))
                self._openings.add(task)
                task.add_done_callback(self._openings.discard)
            case _:
                write_line(f"unknown control line: {line[:80]}; it must be like 'listen tcp 8080'")

    def _answer_datagrams(self, channel: DatagramSocket, number: int) -> None:
        for _ in range(DATAGRAMS_A_TURN):
            one = channel.receive()
            if one is None:
                return
            caller = Caller(one.peer[0], one.peer[1], number)
            answer = datagram(self._identity, caller, one.payload)
            if answer is not None:
                write_line(f"UDP {number} from {caller}: {len(one.payload)} bytes")
                channel.reply(one, answer)

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection, from its first byte or its silence to its end."""
        if len(self._writers) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._writers.add(writer)
        address, port, *_ = writer.get_extra_info("peername") or ("?", 0)
        try:
            await Conversation(self._identity, Caller(address, port, number), reader, writer, self.drain).run()
        except (OSError, TimeoutError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


class Conversation:
    """One TCP connection: HTTP or HTTP/2 where the client begins with it, else a line and an echo."""

    def __init__(
        self,
        identity: StandInIdentity,
        caller: Caller,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        drain: Drain,
    ) -> None:
        self._drain = drain
        self._identity = identity
        self._caller = caller
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        """Serve until the client closes, or a deadline. Raises OSError and TimeoutError."""
        first = await self._first_bytes()
        if first is None:
            return
        match looks(first):
            case Looks.HTTP:
                await self._speak_http(first)
            case Looks.HTTP2:
                await self._speak_grpc(first)
            case _:
                await self._echo(first)

    async def _first_bytes(self) -> bytes | None:
        """Return the client's first bytes, empty if it is silent; None if it closed without sending any."""
        data = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_SECONDS):
                while looks(data) is Looks.TOO_SHORT:
                    more = await self._reader.read(CHUNK)
                    if not more:
                        return data or None
                    data += more
        return data

    async def _echo(self, data: bytes) -> None:
        self._drain.served()
        write_line(f"TCP {self._caller.local_port} from {self._caller}")
        await self._send(one_line(self._identity, self._caller) + data)
        while data := await self._read():
            await self._send(data)

    async def _speak_http(self, data: bytes) -> None:
        http = HttpReader()
        while data:
            for event in http.feed(data):
                match event:
                    case Continue():
                        await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
                    case Refusal():
                        write_line(f"HTTP {self._caller.local_port} from {self._caller}: refused with {event.status}")
                        await self._send(http_refusal(self._identity, event.status))
                        return
                    case Request():
                        write_line(
                            f"HTTP {self._caller.local_port} from {self._caller}: {event.method} {event.target[:200]}"
                        )
                        if not event.is_probe:
                            self._drain.served()
                        request = event.closing if self._drain.active else event
                        await self._send(http_answer(self._identity, self._caller, request))
                        if not request.keep_alive:
                            return
            data = await self._read()

    async def _speak_grpc(self, data: bytes) -> None:
        """gRPC over HTTP/2 without TLS: the health service reports every service as serving, and no other exists."""
        write_line(f"gRPC {self._caller.local_port} from {self._caller}")
        http2 = HealthServer(lambda _: SERVING)
        while data:
            try:
                await self._send(http2.receive(data))
            except ValueError as error:
                write_line(f"gRPC {self._caller.local_port} from {self._caller}: {error}")
                return
            data = await self._read()

    async def _read(self) -> bytes:
        async with asyncio.timeout(IDLE_SECONDS):
            return await self._reader.read(CHUNK)

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(WRITE_SECONDS):
            await self._writer.drain()
