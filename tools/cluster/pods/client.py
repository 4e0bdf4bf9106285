"""Send requests without a pause and count what is lost: `client.py REPORT_PORT TARGET...`.

A target is KIND=HOST:PORT. Kinds: `new` has a connection for each request; `kept` uses one connection for all, and
counts each time that it is cut; `name` looks the host up for each request, and connects; `denied` must never connect.
GET / of the report port answers the counts as JSON: for each target how many requests ended as they should and how many
did not, the longest time from one good end to the next in seconds, and the last failure.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

REQUEST = b"GET / HTTP/1.1\r\nHost: server\r\n\r\n"
PAUSE_SECONDS = 0.05
LIMIT_SECONDS = 5.0
"""A request without an answer after this time is lost."""
DENIED_SECONDS = 0.5
"""How long a connection that must not come is waited for."""


@dataclass
class Count:
    """What one target's client has seen."""

    answered: int = 0
    lost: int = 0
    longest_gap: float = 0.0
    last_failure: str = ""


def connect(host: str, port: int) -> socket.socket:
    """A connection to the first address of a host."""
    return socket.create_connection((host, port), timeout=LIMIT_SECONDS)


def refusals(host: str, port: int) -> Iterator[str]:
    """The outcomes of connections that must not come: an empty text for none, else what came."""
    while True:
        try:
            socket.create_connection((host, port), timeout=DENIED_SECONDS).close()
            yield f"{time.strftime('%H:%M:%S')} connected, though it is denied"
        except OSError:
            yield ""


def request(connection: socket.socket) -> bool:
    """Send a request and read its answer; return whether the connection may be used again. Raises OSError."""
    connection.sendall(REQUEST)
    received = b""
    while b"pod: " not in received or not received.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("the connection was closed")
        received += chunk
    return b"\r\nconnection: close\r\n" not in received.lower()


def reached(connection: socket.socket | None) -> str:
    """Return how far a request came, with what a capture or conntrack finds its connection by."""
    if connection is None:
        return "not connected"
    try:
        return f"connected from port {connection.getsockname()[1]} to {connection.getpeername()[0]}"
    except OSError:
        return "connected, then closed"


def attempts(kind: str, host: str, port: int) -> Iterator[str]:
    """The outcomes of requests, one after the other: an empty text for an answer, else what failed."""
    kept: socket.socket | None = None
    while True:
        try:
            if kept is None:
                kept = connect(host, port)
            is_open, outcome = request(kept), ""
        except OSError as error:
            is_open, outcome = False, f"{time.strftime('%H:%M:%S')} {reached(kept)}: {type(error).__name__}: {error}"
        if kept is not None and not (is_open and kind == "kept"):
            with contextlib.suppress(OSError):
                kept.close()
            kept = None
        yield outcome


def run(kind: str, host: str, port: int, count: Count) -> None:
    """Count until the process ends."""
    last = time.monotonic()
    for outcome in refusals(host, port) if kind == "denied" else attempts(kind, host, port):
        now = time.monotonic()
        if outcome:
            count.lost += 1
            count.last_failure = outcome
        else:
            count.answered += 1
            count.longest_gap = max(count.longest_gap, now - last)
            last = now
        time.sleep(PAUSE_SECONDS)


def report(port: int, counts: dict[str, Count]) -> None:
    """Answer the counts to each connection."""
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                body = json.dumps({target: asdict(count) for target, count in counts.items()}).encode()
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
                )


def main() -> None:
    """Start a thread for each target, then report."""
    counts: dict[str, Count] = {}
    for target in sys.argv[2:]:
        kind, _, address = target.partition("=")
        host, _, port = address.rpartition(":")
        counts[target] = Count()
        arguments = (kind, host.strip("[]"), int(port), counts[target])
        threading.Thread(target=run, args=arguments, daemon=True).start()
    report(int(sys.argv[1]), counts)


if __name__ == "__main__":
    main()
