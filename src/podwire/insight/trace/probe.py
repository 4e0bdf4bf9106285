"""Send one request from where this process is, and note each step: name, connection, TLS, request. Blocks.

It runs in the network of a client, in a child without an event loop.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable

import msgspec

from podwire.insight.trace import http2_exchange
from podwire.insight.trace.http2_exchange import LARGEST_BODY, Header, Response


class Sending(msgspec.Struct, frozen=True):
    """What is sent.

    Attributes:
        host: of the URL: it is looked up, and is the server name of TLS.
        addresses: what is connected to where no name server knows the host, as with curl's --resolve.
        headers: all but Host.
        http2: whether HTTP/2 is offered by ALPN; over plain TCP it is spoken at once.
        http1: whether HTTP/1.1 is offered.

    """

    host: str
    port: int
    is_tls: bool
    server_name: str
    authority: str
    method: str
    target: str
    headers: tuple[Header, ...] = ()
    addresses: tuple[str, ...] = ()
    http1: bool = True
    http2: bool = True
    timeout: float = 30.0


class Step(msgspec.Struct, frozen=True):
    """One hop: its result, and its milliseconds. `error` is empty where it went well."""

    text: str = ""
    milliseconds: float = 0.0
    error: str = ""


class Received(msgspec.Struct, frozen=True):
    """All steps; those after a failed one are absent.

    Attributes:
        certificate: the server's, PEM.
        refusal: why a client that verifies would refuse the certificate; empty where it would not.

    """

    name: Step
    connection: Step | None = None
    tls: Step | None = None
    certificate: str = ""
    refusal: str = ""
    answer: Step | None = None
    response: Response | None = None


def send(sending: Sending) -> Received:
    """Send the request; return what was received."""
    name, addresses = _looked_up(sending)
    if name.error and not addresses:
        return Received(name)
    stream, connection = _connected(sending, addresses)
    if stream is None:
        return Received(name, connection)
    tls, certificate, refusal = None, "", ""
    with stream:
        if sending.is_tls:
            secured, tls = _secured(stream, sending)
            if secured is None:
                return Received(name, connection, tls)
            stream = secured
            certificate = ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")
        answer, response = _exchanged(stream, sending)
    if sending.is_tls:
        refusal = _refusal(addresses[0], sending)
    return Received(name, connection, tls, certificate, refusal, answer, response)


def _looked_up(sending: Sending) -> tuple[Step, tuple[str, ...]]:
    started = time.monotonic()
    try:
        found = socket.getaddrinfo(sending.host, sending.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return Step(", ".join(sending.addresses), _since(started), error.strerror or str(error)), sending.addresses
    addresses = tuple(dict.fromkeys(str(one[4][0]) for one in found))
    return Step(", ".join(addresses), _since(started)), addresses


def _connected(sending: Sending, addresses: tuple[str, ...]) -> tuple[socket.socket | None, Step]:
    started, error = time.monotonic(), ""
    for address in addresses:
        try:
            stream = socket.create_connection((address, sending.port), sending.timeout)
        except OSError as problem:
            error = f"{address}:{sending.port}: {problem.strerror or problem}"
            continue
        here = stream.getsockname()
        return stream, Step(f"{address}:{sending.port} from {here[0]}:{here[1]}", _since(started))
    return None, Step("", _since(started), error)


def _secured(stream: socket.socket, sending: Sending) -> tuple[ssl.SSLSocket | None, Step]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    offered = [name for name, desired in (("h2", sending.http2), ("http/1.1", sending.http1)) if desired]
    context.set_alpn_protocols(offered)
    started = time.monotonic()
    try:
        secured = context.wrap_socket(stream, server_hostname=sending.server_name or None)
    except OSError as error:
        return None, Step("", _since(started), _reason(error))
    chosen = secured.selected_alpn_protocol() or "no ALPN"
    return secured, Step(f"{secured.version()}, {chosen}", _since(started))


def _exchanged(stream: socket.socket, sending: Sending) -> tuple[Step, Response | None]:
    secured = isinstance(stream, ssl.SSLSocket)
    speaks_http2 = stream.selected_alpn_protocol() == "h2" if isinstance(stream, ssl.SSLSocket) else not sending.http1
    exchange: Callable[[socket.socket, Sending], Response] = _http2 if speaks_http2 else _http1
    started = time.monotonic()
    try:
        response = exchange(stream, sending)
    except (OSError, http.client.HTTPException, http2_exchange.ExchangeError) as error:
        return Step("", _since(started), _reason(error)), None
    return Step("HTTP/2" if speaks_http2 else f"HTTP/1.1{' over TLS' if secured else ''}", _since(started)), response


def _http1(stream: socket.socket, sending: Sending) -> Response:
    connection = http.client.HTTPConnection(sending.host, sending.port)
    connection.sock = stream
    connection.putrequest(sending.method, sending.target, skip_host=True, skip_accept_encoding=True)
    for name, value in (("Host", sending.authority), *sending.headers):
        connection.putheader(name, value)
    connection.endheaders()
    found = connection.getresponse()
    body = found.read(LARGEST_BODY)
    return Response(found.status, tuple((name.lower(), value) for name, value in found.getheaders()), body)


def _http2(stream: socket.socket, sending: Sending) -> Response:
    pseudo = (
        (":method", sending.method),
        (":scheme", "https" if sending.is_tls else "http"),
        (":authority", sending.authority),
        (":path", sending.target),
    )
    return http2_exchange.exchange(stream, (*pseudo, *((name.lower(), value) for name, value in sending.headers)))


def _refusal(address: str, sending: Sending) -> str:
    """Why a handshake with verification fails; the server's name is that of the URL."""
    context = ssl.create_default_context()
    try:
        with socket.create_connection((address, sending.port), sending.timeout) as stream:
            context.wrap_socket(stream, server_hostname=sending.host).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _since(started: float) -> float:
    return round(1000 * (time.monotonic() - started), 2)
