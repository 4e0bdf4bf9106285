"""HTTP/1.1 and HTTP/2 over connections that the caller keeps, so that it sees who ends them."""

from __future__ import annotations

import asyncio
import ssl

import msgspec
from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

FRAME_HEAD_BYTES = 9

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Target(msgspec.Struct, frozen=True):
    """Where a request goes. `name` is the server name of TLS where it is not the host."""

    address: str
    port: int
    host: str
    path: str = "/"
    tls: bool = False
    h2: bool = False
    name: str = ""
    headers: dict[str, str] = {}


async def connected(target: Target) -> Streams:
    """Return a new connection, whatever the certificate. Raises OSError."""
    context = None
    if target.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2" if target.h2 else "http/1.1"])
    server_name = (target.name or target.host) if target.tls else None
    return await asyncio.open_connection(target.address, target.port, ssl=context, server_hostname=server_name)


def request_of(target: Target, *, close: bool = False) -> bytes:
    """Return the request of HTTP/1.1."""
    headers = {"Host": target.host, **target.headers, **({"Connection": "close"} if close else {})}
    lines = (f"GET {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", "")
    return "\r\n".join(lines).encode()


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bool, bytes]:
    """Return status, whether the connection ends, and body. Raises OSError and IncompleteReadError."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    body = b""
    if "content-length" in fields:
        body = await reader.readexactly(int(fields["content-length"]))
    elif fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    return int(head.split(" ", 2)[1]), fields.get("connection") == "close", body


class NotProcessedError(Exception):
    """The server has announced that it did not process the request."""


class Session:
    """One HTTP/2 connection with one stream at a time; what the server sends between requests is read too."""

    def __init__(self, target: Target, link: Streams) -> None:
        self.ends = False
        self._target = target
        self._reader, self._writer = link
        self._http = H2Connection(H2Configuration(client_side=True))
        self._http.initiate_connection()
        self._stream, self._status, self._body = 0, 0, b""
        self._answered: asyncio.Future[None] | None = None
        self._reading = asyncio.ensure_future(self._read())

    async def request(self) -> tuple[int, bytes]:
        """Return status and body. Raises OSError, NotProcessedError."""
        self._stream, self._status, self._body = self._http.get_next_available_stream_id(), 0, b""
        one = self._target
        scheme = "https" if one.tls else "http"
        head = [(":method", "GET"), (":scheme", scheme), (":authority", one.host), (":path", one.path)]
        self._http.send_headers(self._stream, head, end_stream=True)
        self._answered = asyncio.get_running_loop().create_future()
        self._writer.write(self._http.data_to_send())
        await self._answered
        self._answered = None
        return self._status, self._body

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(FRAME_HEAD_BYTES)
                frame = head + await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                for event in self._http.receive_data(frame):
                    self._take(event)
                self._writer.write(self._http.data_to_send())
        except (OSError, EOFError, ProtocolError) as found:
            self.ends = True
            self._end(OSError(str(found)))

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self._status = int(dict(event.headers)[b":status"])
            case DataReceived():
                self._body += event.data
                self._http.acknowledge_received_data(event.flow_controlled_length, self._stream)
            case StreamEnded():
                self._end(None)
            case StreamReset():
                self._end(OSError(f"reset with error {event.error_code}"))
            case ConnectionTerminated():
                self.ends = True
                self._http.state_machine.state = ConnectionState.CLIENT_OPEN  # h2 refuses the frames after it otherwise
                if (event.last_stream_id or 0) < self._stream:
                    self._end(NotProcessedError())
            case _:
                pass

    def _end(self, error: Exception | None) -> None:
        if self._answered is None or self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)

    def close(self) -> None:
        """Close the connection."""
        self._reading.cancel()
        self._writer.close()
