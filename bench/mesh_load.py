"""Clients that the mesh is measured with. They have no threads: a process that entered a world may make none."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from podwire.kernel.namespaces import prctl

CONNECTIONS = 8
TIMEOUT_SECONDS = 20.0
WARM_UP_REQUESTS = 200
PR_SET_TIMERSLACK = 29
CHUNK = 1 << 20


@dataclass(frozen=True)
class Latencies:
    """Milliseconds from the moment at which requests were due to their whole responses."""

    median: float
    p99: float


class Kept:
    """A kept connection and its prepared request. The socket does not block while requests are paced."""

    def __init__(self, address: str, path: str = "/") -> None:
        self.socket = socket.create_connection((address, 80), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path} HTTP/1.1\r\nHost: server\r\n\r\n".encode()
        self._received = b""
        self.due = 0.0

    def send(self) -> None:
        """Send the request."""
        self._received = b""
        self.socket.sendall(self._request)

    def is_whole(self) -> bool:
        """Receive what has come; return whether the response is whole. Raises ConnectionError where it is none."""
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionError("the connection was closed")
        self._received += piece
        end = self._received.find(b"\r\n\r\n")
        return end >= 0 and len(self._received) >= end + 4 + content_length(self._received[:end])


def content_length(head: bytes) -> int:
    """Return the length of the body of a response with the status 200. Raises ConnectionError for any other."""
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"an answer was {head[:40]!r}")
    lowered = head.lower()
    start = lowered.index(b"content-length:") + 15
    return int(lowered[start:].split(b"\r\n", 1)[0])


def paced(_: Any, address: str, rate: float, seconds: float) -> Latencies:
    """Send requests of 1 KB at a fixed rate, whatever the server does; each counts from when it was due."""
    prctl(PR_SET_TIMERSLACK, 1)
    kept = [Kept(address) for _ in range(CONNECTIONS)]
    by_number = {one.socket.fileno(): one for one in kept}
    idle, taken = deque(kept), list[float]()
    began = time.perf_counter()
    count = int(rate * seconds) + WARM_UP_REQUESTS
    sent = 0
    while len(taken) < count:
        due = began + sent / rate
        while sent < count and idle and (now := time.perf_counter()) >= due:
            one = idle.popleft()
            one.due = due
            one.send()
            sent += 1
            due = began + sent / rate
        wait = max(0.0, due - time.perf_counter()) if sent < count and idle else TIMEOUT_SECONDS
        readable, _, _ = select.select(by_number, (), (), wait)
        now = time.perf_counter()
        for number in readable:
            if by_number[number].is_whole():
                taken.append(now - by_number[number].due)
                idle.append(by_number[number])
    measured = sorted(taken[WARM_UP_REQUESTS:])
    return Latencies(_share(measured, 0.5), _share(measured, 0.99))


def _share(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] * 1e3


def stream(_: Any, address: str) -> float:
    """Return the bytes a second of one long response."""
    one = Kept(address, "/stream")
    buffer = bytearray(CHUNK)
    one.send()
    head = b""
    while b"\r\n\r\n" not in head:
        head += one.socket.recv(1 << 12)
    before, _, body = head.partition(b"\r\n\r\n")
    left = content_length(before) - len(body)
    total, began = left, time.perf_counter()
    while left > 0:
        received = one.socket.recv_into(buffer)
        if not received:
            raise ConnectionError("the stream ended early")
        left -= received
    return total / (time.perf_counter() - began)
