"""The cheapest client there is in this language: a blocking socket, prepared requests, heads searched for two words.

A load generator must not be what is measured: each writer costs about as much processor time as TLS itself does.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from bench.api_server import Served, content_length

CHUNK = 1 << 18


class Connection:
    """A kept-alive connection that sends one request at a time."""

    def __init__(self, served: Served, name: str = "admin") -> None:
        plain = socket.create_connection(("127.0.0.1", served.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = served.context(name).wrap_socket(plain, server_hostname="127.0.0.1")

    def send(self, prepared: bytes) -> bytes:
        """The whole answer, head and body, to a prepared request."""
        self.socket.sendall(prepared)
        received = self.socket.recv(CHUNK)
        while (end := received.find(b"\r\n\r\n") + 4) < 4:
            received += self._more()
        size = end + content_length(received[:end])
        parts, got = [received], len(received)
        while got < size:
            parts.append(self._more())
            got += len(parts[-1])
        return b"".join(parts)

    def ask(self, method: str, path: str, value: Any = None) -> Any:
        """The JSON value of an answer; raises RuntimeError for a refusal."""
        answer = self.send(request(method, path, b"" if value is None else json.dumps(value).encode()))
        body = answer.partition(b"\r\n\r\n")[2]
        if not accepted(answer):
            raise RuntimeError(f"{method} {path}: {body[:300]!r}")
        return json.loads(body)

    def _more(self) -> bytes:
        received = self.socket.recv(CHUNK)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received


def request(method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> bytes:
    """The bytes of a request as client-go's informers and controllers send it."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nUser-Agent: bench\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def accepted(answer: bytes) -> bool:
    """Whether an answer is a success."""
    return answer.startswith(b"HTTP/1.1 2")
