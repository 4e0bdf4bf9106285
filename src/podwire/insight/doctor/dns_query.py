"""Does a DNS server answer? One query over UDP and over TCP. Source: RFC 1035, RFC 7766."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterable, Iterator

from podwire.insight.doctor.node_facts import DnsFact
from podwire.kernel.datagram import family_of

NAME = "kubernetes.default.svc.cluster.local"
"""With another cluster domain the server answers that it does not exist, which is an answer too."""
PORT = 53
WAIT_SECONDS = 2.0
TRIES = 2
_ANSWERS = frozenset({0, 3})
"""NOERROR and NXDOMAIN."""
_HEADER = struct.Struct(">6H")


def query(number: int, name: str = NAME) -> bytes:
    """A query for the A records of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return _HEADER.pack(number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def problem_of(message: bytes, number: int) -> str:
    """Why a message is no answer to the query of this number; empty where it is one."""
    if len(message) < _HEADER.size:
        return "its answer is too short"
    found, flags, *_ = _HEADER.unpack_from(message)
    if found != number or not flags & 0x8000:
        return "it sent something else"
    return "" if flags & 0xF in _ANSWERS else f"its answer has the response code {flags & 0xF}"


def answers(servers: Iterable[str], port: int = PORT) -> Iterator[DnsFact]:
    """Query each server over both protocols. Blocks some seconds where it does not answer."""
    for server in servers:
        yield DnsFact(server, "UDP", _tried(server, port, _by_udp))
        yield DnsFact(server, "TCP", _tried(server, port, _by_tcp))


def _tried(server: str, port: int, way: object) -> str:
    assert callable(way)
    problem = ""
    for _ in range(TRIES):
        number = secrets.randbelow(1 << 16)
        try:
            problem = problem_of(way(server, port, query(number)), number)
        except OSError as error:
            problem = str(error) or type(error).__name__
        if not problem:
            return ""
    return problem


def _by_udp(server: str, port: int, message: bytes) -> bytes:
    with socket.socket(family_of(server), socket.SOCK_DGRAM) as udp:
        udp.settimeout(WAIT_SECONDS)
        udp.connect((server, port))
        udp.send(message)
        return udp.recv(65535)


def _by_tcp(server: str, port: int, message: bytes) -> bytes:
    with socket.create_connection((server, port), timeout=WAIT_SECONDS) as tcp:
        tcp.sendall(struct.pack(">H", len(message)) + message)
        received = b""
        while len(received) < 2 or len(received) < 2 + struct.unpack_from(">H", received)[0]:
            piece = tcp.recv(65535)
            if not piece:
                break
            received += piece
        return received[2:]
