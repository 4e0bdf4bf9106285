"""Try many connections at the same time from many network namespaces, in one thread. Blocks.

A socket belongs to the network namespace in which it was made, so one process enters each namespace once and then
waits for all sockets. TCP is answered by the receiving kernel, with a reset where nothing listens. A datagram or an
SCTP INIT is answered by a program or not at all, so that its arrival is seen by a packet socket at the destination too.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import itertools
import os
import resource
import secrets
import selectors
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from podwire.insight.verify import sctp
from podwire.insight.verify.outcome import Attempt, Outcome, Seen
from podwire.kernel.namespaces import inside_network

SILENCE_SECONDS = 0.5
"""A connection that is not hoped for and had no answer after this long, when all others had theirs, is silent."""
PATIENCE_SECONDS = 3.0
"""For those that are hoped for: TCP sends its first packet again after 1 s (RFC 6298, 2)."""
LIMIT_SECONDS = 30.0
"""As long as answers still come in: on a busy machine they are late."""
MOST_AT_ONCE = 2000
FIRST_PORT, LAST_PORT = 20000, 60000
"""Each attempt of a batch has its own source port, which is kept on the way and seen at the destination."""
_SPARE_DESCRIPTORS = 256
_MARK = b"podwire verify "
_ETH_P_ALL = 3
_OUTGOING = 4
"""PACKET_OUTGOING of packet(7)."""
_SYN, _SYN_ACK = 0x02, 0x12
"""Flags of TCP (RFC 9293, 3.1)."""
_CLOSED = frozenset({errno.ECONNREFUSED, errno.ENOPROTOOPT, errno.EPROTO, errno.ECONNRESET})
_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})


def run(attempts: Sequence[Attempt]) -> list[Seen]:
    """Return what was seen of each attempt, in their order."""
    size = _batch_size()
    parts = [attempts[first : first + size] for first in range(0, len(attempts), size)]
    return [seen for part in parts for seen in _Batch(part).run()]


def _batch_size() -> int:
    """As many connections as this process may have descriptors for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(1, min(MOST_AT_ONCE, soft - _SPARE_DESCRIPTORS))


class _Batch:
    """Attempts that are under way at the same time."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self._attempts = attempts
        self._seen: dict[int, Seen] = {}
        self._arrived: set[int] = set()
        self._tag = [secrets.randbits(31) + 1 for _ in attempts]
        self._tags = {tag: number for number, tag in enumerate(self._tag)}
        self._first_port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT - len(attempts))
        self._selector = selectors.DefaultSelector()
        self._networks: dict[socket.socket, str] = {}
        self._relayed: dict[tuple[str, bytes, int], list[int]] = defaultdict(list)
        for number, one in enumerate(attempts):
            for key in _relays(one):
                self._relayed[key].append(number)

    def run(self) -> list[Seen]:
        """Send all, and wait until each has its outcome."""
        with self._selector, contextlib.ExitStack() as stack:
            for watcher in self._watchers(stack):
                self._selector.register(watcher, selectors.EVENT_READ, None)
            clients = self._clients(stack)
            for number, client in clients.items():
                self._begin(number, client)
            began = time.monotonic()
            known, last = 0, began
            while not self._enough(time.monotonic() - began, time.monotonic() - last):
                for key, _ in self._selector.select(timeout=0.02):
                    assert isinstance(key.fileobj, socket.socket)
                    if key.data is None:
                        self._arrivals(key.fileobj)
                    else:
                        self._answer(key.data, key.fileobj)
                if known != len(self._seen) + len(self._arrived):
                    known, last = len(self._seen) + len(self._arrived), time.monotonic()
            for key in list(self._selector.get_map().values()):
                if key.data is None and isinstance(key.fileobj, socket.socket):
                    self._arrivals(key.fileobj)
        return [self._outcome(number) for number in range(len(self._attempts))]

    def _outcome(self, number: int) -> Seen:
        found = self._seen.get(number)
        if self._attempts[number].relay is not None:
            return self._relay_outcome(number, found)
        if found is not None:
            is_refused = found.outcome is Outcome.CLOSED and self._attempts[number].is_translated
            return Seen(Outcome.REJECTED) if is_refused and number not in self._arrived else found
        return Seen(Outcome.ARRIVED if number in self._arrived else Outcome.SILENT)

    def _relay_outcome(self, number: int, found: Seen | None) -> Seen:
        """Return the outcome where Envoy answers the client: whether the pod was reached is seen there."""
        if found is not None and found.outcome not in (Outcome.CUT, Outcome.CLOSED):
            return found
        if number in self._arrived:
            return Seen(Outcome.OPEN if found is None else Outcome.ARRIVED)
        return Seen(Outcome.SILENT if found is None else Outcome.CUT)

    def _enough(self, seconds: float, quiet: float) -> bool:
        """Whether to wait no longer, this long after the beginning and after the last sign of a packet."""
        open_ones = [n for n in range(len(self._attempts)) if n not in self._seen]
        if not open_ones or seconds > LIMIT_SECONDS:
            return True
        if seconds > PATIENCE_SECONDS:
            return quiet > SILENCE_SECONDS
        waited = (n for n in open_ones if self._attempts[n].is_hoped or self._attempts[n].relay is not None)
        hoped = any(n not in self._arrived for n in waited)
        return not hoped and seconds > SILENCE_SECONDS

    def _watchers(self, stack: contextlib.ExitStack) -> Iterator[socket.socket]:
        """One packet socket in each namespace in which arrivals count."""
        for network in {path for one in self._attempts if one.is_watched for path in one.arrivals}:
            with inside_network(network):
                watcher = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
            watcher.setblocking(False)
            self._networks[watcher] = network
            yield stack.enter_context(watcher)

    def _clients(self, stack: contextlib.ExitStack) -> dict[int, socket.socket]:
        """The socket of each attempt that can have one; a namespace is entered once."""
        by_network: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(self._attempts):
            by_network[one.network].append(number)
        made: dict[int, socket.socket] = {}
        for network, numbers in by_network.items():
            try:
                with inside_network(network):
                    for number in numbers:
                        made[number] = stack.enter_context(self._client(number))
            except FileNotFoundError:
                gone = Seen(Outcome.ERROR, f"the sender's network {os.path.basename(network)} does not exist")
                self._seen.update(dict.fromkeys(numbers, gone))
        return made

    def _client(self, number: int) -> socket.socket:
        one = self._attempts[number]
        family = socket.AF_INET if _version(one.address) == 4 else socket.AF_INET6
        if one.protocol == "SCTP":
            made = socket.socket(family, socket.SOCK_RAW, sctp.PROTOCOL)
        else:
            made = socket.socket(family, socket.SOCK_STREAM if one.protocol == "TCP" else socket.SOCK_DGRAM)
        if one.protocol == "TCP":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):  # in use: then its arrival is not seen, and it is tried again
                made.bind(("" if family == socket.AF_INET else "::", self._source_port(number)))
        made.setblocking(False)
        return made

    def _source_port(self, number: int) -> int:
        return self._first_port + number

    def _begin(self, number: int, client: socket.socket) -> None:
        one = self._attempts[number]
        tag = self._tag[number]
        event = selectors.EVENT_WRITE if one.protocol == "TCP" else selectors.EVENT_READ
        try:
            with contextlib.suppress(BlockingIOError):
                client.connect((one.address, 0 if one.protocol == "SCTP" else one.port))
            if one.protocol == "UDP":
                client.send(_MARK + tag.to_bytes(4))
            elif one.protocol == "SCTP":
                client.send(sctp.init(self._source_port(number), one.port, tag))
        except OSError as error:
            self._seen[number] = _failure(error)
            return
        self._selector.register(client, event, number)

    def _answer(self, number: int, client: socket.socket) -> None:
        one = self._attempts[number]
        try:
            if one.protocol == "TCP":
                code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if one.relay is not None and not code:
                    if not self._is_cut(number, client):
                        return
                else:
                    self._seen[number] = _failure(OSError(code, os.strerror(code))) if code else Seen(Outcome.OPEN)
            elif self._is_answer(number, client.recv(2048)):
                self._seen[number] = Seen(Outcome.OPEN)
            else:
                return
        except BlockingIOError:
            return
        except OSError as error:
            self._seen[number] = _failure(error)
        self._selector.unregister(client)

    def _is_cut(self, number: int, client: socket.socket) -> bool:
        """Whether a connection that Envoy has accepted is closed; from now on what comes on it is waited for."""
        try:
            if client.recv(1):
                self._arrived.add(number)  # bytes come from the pod
        except BlockingIOError:
            self._selector.modify(client, selectors.EVENT_READ, number)
            return False
        self._seen[number] = Seen(Outcome.CUT)
        return True

    def _is_answer(self, number: int, packet: bytes) -> bool:
        one = self._attempts[number]
        if one.protocol == "UDP":
            return True
        # A raw socket of IPv4 receives the header of IP too (raw(7)).
        body = packet[(packet[0] & 15) * 4 :] if _version(one.address) == 4 and packet else packet
        return sctp.is_answer(body, self._source_port(number))

    def _arrivals(self, watcher: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, origin = watcher.recvfrom(2048)
                if origin[2] == _OUTGOING:
                    continue
                number = self._owner(packet)
                if number is not None:
                    self._arrived.add(number)
                self._arrived.update(self._relayed.get((self._networks[watcher], *_way(packet)), ()))

    def _owner(self, packet: bytes) -> int | None:
        """The attempt that an IP packet belongs to."""
        place = packet.find(_MARK)
        if place >= 0:
            return self._tags.get(int.from_bytes(packet[place + len(_MARK) : place + len(_MARK) + 4]))
        if not packet:
            return None
        is_four = packet[0] >> 4 == 4
        header = (packet[0] & 15) * 4 if is_four else 40
        protocol = packet[9] if is_four and len(packet) > 9 else packet[6] if len(packet) > 6 else 0
        if protocol == socket.IPPROTO_TCP and len(packet) > header + 13 and packet[header + 13] & _SYN_ACK == _SYN:
            number = int.from_bytes(packet[header : header + 2]) - self._first_port
            return number if 0 <= number < len(self._attempts) else None
        if protocol != sctp.PROTOCOL:
            return None
        return self._tags.get(int.from_bytes(packet[header + 16 : header + 20]))


def _relays(one: Attempt) -> Iterator[tuple[str, bytes, int]]:
    """Yield the network, the source and the port that a relayed connection is known by at the pod."""
    if one.relay is not None:
        for network, source, port in itertools.product(one.arrivals, one.relay.sources, one.relay.ports):
            yield network, ipaddress.ip_address(source).packed, port


def _way(packet: bytes) -> tuple[bytes, int]:
    """Return the source and the port of the first packet of a TCP connection; no port of another packet."""
    if not packet:
        return b"", 0
    is_four = packet[0] >> 4 == 4
    header = (packet[0] & 15) * 4 if is_four else 40
    protocol = packet[9 if is_four else 6] if len(packet) > header + 13 else 0
    if protocol != socket.IPPROTO_TCP or packet[header + 13] & _SYN_ACK != _SYN:
        return b"", 0
    return packet[12:16] if is_four else packet[8:24], int.from_bytes(packet[header + 2 : header + 4])


def _version(address: str) -> int:
    return ipaddress.ip_address(address).version


def _failure(error: OSError) -> Seen:
    if error.errno in _CLOSED:
        return Seen(Outcome.CLOSED)
    if error.errno in _NO_ROUTE:
        return Seen(Outcome.UNREACHABLE)
    if error.errno == errno.ETIMEDOUT:
        return Seen(Outcome.SILENT)
    return Seen(Outcome.ERROR, error.strerror or str(error))
