"""Query a DNS server until it answers: `python -m tools.cluster.dns_answer ADDRESS NAME SECONDS`. Runs on a node.

Exits with 0 when an A record has come, with 1 when it has not in time.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from pathlib import Path

POLL_SECONDS = 0.05
PORT = 53


def query(name: str) -> bytes:
    """A query for A records (RFC 1035, section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def has_answer(message: bytes) -> bool:
    """Whether a message has no error and has at least one record."""
    if len(message) < 12:
        return False
    _, flags, _, answers, _, _ = struct.unpack("!6H", message[:12])
    return bool(flags & 0xF == 0 and answers)


def wait(address: str, name: str, seconds: float) -> bool:
    """Query until there is an answer; false when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(POLL_SECONDS)
            try:
                client.connect((address, PORT))
                client.send(query(name))
                if has_answer(client.recv(512)):
                    return True
            except OSError:
                time.sleep(POLL_SECONDS)
    return False


def command(address: str, name: str, seconds: float) -> tuple[str, ...]:
    """The command that waits for an answer, as a program of its own."""
    return sys.executable, str(Path(__file__).resolve()), address, name, str(seconds)


if __name__ == "__main__":
    sys.exit(0 if wait(sys.argv[1], sys.argv[2], float(sys.argv[3])) else 1)
