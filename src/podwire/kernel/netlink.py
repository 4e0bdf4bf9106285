"""rtnetlink: requests as bytes, sent in batches over one socket, every request acknowledged.

Small and synchronous on purpose: a pod's whole network is 20 requests, and the kernel answers a batch of them within
the one call that sends it. Sources: netlink(7), rtnetlink(7), linux/netlink.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from podwire.kernel.namespaces import inside_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

NETLINK_ROUTE = 0
NETLINK_SOCK_DIAG = 4
NETLINK_NETFILTER = 12

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400

_BATCH_BEGIN, _BATCH_END = 16, 17
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_CAPPED = 0x100
_NLM_F_ACK_TLVS = 0x200
_NLM_F_DUMP_INTERRUPTED = 0x10
_NLMSGERR_ATTR_MSG = 1
_NLA_F_NESTED = 0x8000
_NLA_TYPE_MASK = 0x3FFF
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_BATCH = 100
"""Requests a datagram: about 15 KB, well under the smallest send buffer that a system is set to."""
_RECEIVE = 1 << 18
DUMP_TRIES = 10


class NetlinkError(OSError):
    """The kernel refused a request; the text names the request and, where the kernel gave one, its reason."""

    def __str__(self) -> str:
        return str(self.strerror)


class Request(msgspec.Struct, frozen=True):
    """One change. `body` is the fixed header of the type with its attributes, `subject` names it in errors.

    An errno in `accept` counts as success: EEXIST for what may exist already, ESRCH for what may be gone.
    """

    type: int
    flags: int
    body: bytes
    subject: str
    accept: frozenset[int] = frozenset()


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute with its padding."""
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + b"\0" * (-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds others."""
    return attribute(kind | _NLA_F_NESTED, b"".join(attributes))


def number(kind: int, value: int) -> bytes:
    """A 32-bit attribute."""
    return attribute(kind, struct.pack("=I", value))


def number_be(kind: int, value: int) -> bytes:
    """A 32-bit attribute in network order, as nftables has them."""
    return attribute(kind, struct.pack("!I", value))


def text(kind: int, value: str) -> bytes:
    """A text attribute, closed by a zero byte."""
    return attribute(kind, value.encode() + b"\0")


def attributes(payload: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes from offset on, by kind; of a kind given twice the last one."""
    found: dict[int, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(payload):
        length, kind = _ATTRIBUTE.unpack_from(payload, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _NLA_TYPE_MASK] = payload[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


class Netlink:
    """A netlink socket (rtnetlink by default) in the network namespace at `path`, or in this thread's own.

    The socket stays in the namespace where it was made, whatever the thread does afterwards.
    """

    def __init__(self, path: Path | str | None = None, protocol: int = NETLINK_ROUTE) -> None:
        if path is None:
            self._socket = _open(protocol)
        else:
            with inside_network(path):
                self._socket = _open(protocol)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def fileno(self) -> int:
        """For an event loop: readable when a message waits, of those that answer no request."""
        return self._socket.fileno()

    def take(self, most: int) -> Iterator[bytes | None]:
        """Take up to so many datagrams that wait, without blocking; None for some that were lost (ENOBUFS)."""
        for _ in range(most):
            try:
                yield self._socket.recv(_RECEIVE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                yield None

    def run(self, requests: Iterable[Request]) -> None:
        """Make all changes in order. After the last one the first refusal is raised as NetlinkError."""
        refused = self.attempt(tuple(requests))
        if refused:
            raise refused[0]

    def attempt(self, requests: Sequence[Request]) -> list[NetlinkError]:
        """Make all changes in order; a refused one does not stop the others. Answers the refusals."""
        refused: list[NetlinkError] = []
        for start in range(0, len(requests), _BATCH):
            refused.extend(self._batch(requests[start : start + _BATCH]))
        return refused

    def send(self, requests: Iterable[Request]) -> None:
        """Make changes without waiting for answers: what is refused is a message like any other."""
        datagram = bytearray()
        for request in requests:
            length = _HEADER.size + len(request.body)
            datagram += _HEADER.pack(length, request.type, NLM_F_REQUEST | request.flags, 0, 0) + request.body
            datagram += b"\0" * (-len(datagram) % 4)
        if datagram:
            self._socket.send(datagram)

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """All objects of a dump request, as message payloads.

        A list that changed while it was read is read again, DUMP_TRIES times in all. Raises NetlinkError (EINTR) then.
        """
        for _ in range(DUMP_TRIES):
            payloads, torn = self._dump(kind, body)
            if not torn:
                return payloads
        raise NetlinkError(errno.EINTR, "the list changed while it was read")

    def _dump(self, kind: int, body: bytes) -> tuple[list[bytes], bool]:
        """The payloads, and whether the list changed while it was read."""
        self._sequence += 1
        length = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(length, kind, NLM_F_REQUEST | NLM_F_DUMP, self._sequence, 0) + body)
        payloads: list[bytes] = []
        torn = False
        while True:
            for type_, flags, payload in self._receive(self._sequence):
                torn = torn or bool(flags & _NLM_F_DUMP_INTERRUPTED)
                if type_ in {_NLMSG_ERROR, _NLMSG_DONE}:
                    failure = _refusal("list", payload, flags)
                    if failure.errno:
                        raise failure
                    return payloads, torn
                payloads.append(payload)

    def get(self, kind: int, body: bytes, subject: str) -> bytes:
        """Return the one object of a request, as a message payload. Raises NetlinkError where there is none."""
        self._sequence += 1
        length = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(length, kind, NLM_F_REQUEST, self._sequence, 0) + body)
        answer: list[tuple[int, int, bytes]] = []
        while not answer:
            answer = list(self._receive(self._sequence))
        type_, flags, payload = answer[0]
        if type_ == _NLMSG_ERROR:
            raise _refusal(subject, payload, flags)
        return payload

    def transaction(self, subsystem: int, requests: Sequence[Request]) -> None:
        """Make all changes of a subsystem of nfnetlink, or none. Raises NetlinkError for the first that is refused."""
        header = struct.pack("!BBH", 0, 0, subsystem)
        *most, last = requests
        framed = [
            Request(_BATCH_BEGIN, 0, header, "begin"),
            *most,
            msgspec.structs.replace(last, flags=last.flags | NLM_F_ACK),
            Request(_BATCH_END, 0, header, "commit"),
        ]
        first = self._sequence + 1
        self._sequence += len(framed)
        datagram = bytearray()
        for sequence, request in enumerate(framed, start=first):
            length = _HEADER.size + len(request.body)
            datagram += _HEADER.pack(length, request.type, NLM_F_REQUEST | request.flags, sequence, 0) + request.body
            datagram += b"\0" * (-len(datagram) % 4)
        self._socket.send(datagram)
        self._outcome(first, framed)

    def _outcome(self, first: int, framed: Sequence[Request]) -> None:
        """Read the answers to a transaction, which the kernel gives before `send` returns."""
        refusal: NetlinkError | None = None
        answered = first
        while answered < first + len(framed) - 2:
            for type_, flags, payload in self._receive(first, socket.MSG_DONTWAIT):
                if type_ != _NLMSG_ERROR:
                    continue
                answered = _HEADER.unpack_from(payload, 4)[3]
                error = _refusal(framed[answered - first].subject, payload, flags)
                if error.errno:
                    refusal = refusal or error
                    if answered == first:
                        raise refusal
        if refusal is not None:
            raise refusal

    def _batch(self, requests: Sequence[Request]) -> Iterator[NetlinkError]:
        first = self._sequence + 1
        datagram = bytearray()
        for request in requests:
            self._sequence += 1
            length = _HEADER.size + len(request.body)
            flags = NLM_F_REQUEST | NLM_F_ACK | request.flags
            datagram += _HEADER.pack(length, request.type, flags, self._sequence, 0) + request.body
            datagram += b"\0" * (-len(datagram) % 4)
        self._socket.send(datagram)
        answered = 0
        while answered < len(requests):
            for type_, flags, payload in self._receive(first):
                if type_ != _NLMSG_ERROR:
                    continue
                request = requests[answered]
                answered += 1
                error = _refusal(request.subject, payload, flags)
                if error.errno and error.errno not in request.accept:
                    yield error
        assert self._sequence == first + len(requests) - 1

    def _receive(self, first: int, options: int = 0) -> Iterator[tuple[int, int, bytes]]:
        """The messages of one datagram that answer requests from `first` on; one that failed may have left others."""
        datagram = self._socket.recv(_RECEIVE, options)
        offset = 0
        while offset + _HEADER.size <= len(datagram):
            length, type_, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
            if sequence >= first:
                yield type_, flags, datagram[offset + _HEADER.size : offset + length]
            offset += (length + 3) & ~3


def messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Return type and payload of each message of a datagram."""
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, type_, _, _, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size:
            return
        yield type_, datagram[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _open(protocol: int) -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    netlink.bind((0, 0))
    for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
        netlink.setsockopt(_SOL_NETLINK, option, 1)
    return netlink


def _refusal(subject: str, payload: bytes, flags: int) -> NetlinkError:
    """An acknowledgement as an error; errno 0 means success."""
    code = -struct.unpack_from("=i", payload)[0]
    reason = ""
    if flags & _NLM_F_ACK_TLVS and flags & _NLM_F_CAPPED:
        raw = attributes(payload, 4 + _HEADER.size).get(_NLMSGERR_ATTR_MSG, b"")
        reason = raw.rstrip(b"\0").decode("utf-8", "replace")
    message = f"{subject}: {os.strerror(code)}" + (f" ({reason})" if reason else "")
    return NetlinkError(code, message)
