"""Many datagrams of one socket by one system call: of a loaded server's time the calls are the most.

Sources: recvmmsg(2), sendmmsg(2), cmsg(3), ip(7) IP_PKTINFO, ipv6(7) IPV6_PKTINFO.
"""

from __future__ import annotations

import ctypes
import mmap
import socket
import sys

from podwire.kernel.datagram import LARGEST_DATAGRAM, Datagram, DatagramSocket, is_link_local

MOST = 32
"""Datagrams of a batch."""
LARGEST_REPLY = 2048
"""Bytes; a longer one has a system call of its own."""

_NAME_BYTES = 28
"""struct sockaddr_in6, the longer one of both families."""
_CONTROL_BYTES = 64
"""More than packet information of either family takes."""
_WORD = 4


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


class _Control(ctypes.Structure):
    """struct cmsghdr."""

    _fields_ = (("length", ctypes.c_size_t), ("level", ctypes.c_int), ("kind", ctypes.c_int))


_MESSAGE_BYTES, _CONTROL_HEAD = ctypes.sizeof(_Message), ctypes.sizeof(_Control)
_LENGTH_WORD = _Message.length.offset // _WORD
_MESSAGE_WORDS, _CONTROL_WORDS = _MESSAGE_BYTES // _WORD, _CONTROL_BYTES // _WORD
_VECTOR_SIZES = ctypes.sizeof(_Vector) // ctypes.sizeof(ctypes.c_size_t)


class DatagramBatch:
    """Up to MOST datagrams of a socket and the replies to them; of one thread.

    Memory is prepared once: a datagram costs Python one copy in and one copy out.
    """

    def __init__(self, channel: DatagramSocket) -> None:
        self._channel = channel
        self._narrow = channel.family == socket.AF_INET
        self._payloads = memoryview(mmap.mmap(-1, MOST * LARGEST_DATAGRAM))
        self._replies = memoryview(mmap.mmap(-1, MOST * LARGEST_REPLY))
        self._names = bytearray(MOST * _NAME_BYTES)
        self._control = bytearray(MOST * _CONTROL_BYTES)
        self._received, self._received_vectors = self._table(self._payloads, LARGEST_DATAGRAM, _CONTROL_BYTES)
        space = socket.CMSG_SPACE(12 if self._narrow else 20)  # struct in_pktinfo, struct in6_pktinfo
        self._sent, vectors = self._table(self._replies, LARGEST_REPLY, space)
        self._blank = bytes(self._received)
        self._lengths = memoryview(self._received).cast("I")
        self._reply_lengths = memoryview(vectors).cast("P")
        self._control_words = memoryview(self._control).cast("I")
        # The number of the interface is the first part of struct in_pktinfo and the second of struct in6_pktinfo.
        self._interface_word = (_CONTROL_HEAD + (0 if self._narrow else 16)) // _WORD
        self._received_at, self._sent_at = _place(self._received), _place(self._sent)
        self._first = self._end = 0
        libc = ctypes.CDLL(None)
        self._receive_many, self._send_many = libc.recvmmsg, libc.sendmmsg
        self._receive_many.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._send_many.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)

    def _table(self, payloads: memoryview, size: int, control: int) -> tuple[bytearray, bytearray]:
        """Messages with one part of these payloads each, and the lengths of the parts."""
        messages, vectors = bytearray(MOST * _MESSAGE_BYTES), bytearray(MOST * ctypes.sizeof(_Vector))
        heads = (_Message * MOST).from_buffer(messages)
        for number, vector in enumerate((_Vector * MOST).from_buffer(vectors)):
            vector.base, vector.length = _place(payloads) + number * size, size
            heads[number].header = _Header(
                _place(self._names) + number * _NAME_BYTES,
                16 if self._narrow else _NAME_BYTES,
                ctypes.addressof(vector),
                1,
                _place(self._control) + number * _CONTROL_BYTES,
                control,
            )
        return messages, vectors

    def receive(self) -> list[bytes]:
        """The payloads of the next datagrams; none where nothing waits, or where the kernel reports what a reply met.

        What was received before, and has no reply yet, is gone.
        """
        self._received[:] = self._blank
        count = self._receive_many(self._channel.fileno(), self._received_at, MOST, socket.MSG_DONTWAIT, None)
        self._first = self._end = 0
        payloads, lengths = self._payloads, self._lengths
        return [
            bytes(payloads[begin : begin + lengths[word]])
            for begin, word in zip(
                range(0, count * LARGEST_DATAGRAM, LARGEST_DATAGRAM),
                range(_LENGTH_WORD, MOST * _MESSAGE_WORDS, _MESSAGE_WORDS),
                strict=False,
            )
        ]

    def datagram(self, number: int, payload: bytes) -> Datagram:
        """A datagram of the batch with what a later reply needs."""
        name = self._names[number * _NAME_BYTES : (number + 1) * _NAME_BYTES]
        port = int.from_bytes(name[2:4], "big")
        begin = number * _CONTROL_BYTES
        head = _Control.from_buffer(self._control, begin)
        data = bytes(self._control[begin + _CONTROL_HEAD : begin + head.length])
        route = self._channel.route(((head.level, head.kind, data),))
        if self._narrow:
            return Datagram(payload, (socket.inet_ntoa(name[4:8]), port), route)
        scope = int.from_bytes(name[24:28], sys.byteorder)
        return Datagram(payload, (socket.inet_ntop(socket.AF_INET6, name[8:24]), port, 0, scope), route)

    def reply(self, number: int, payload: bytes) -> None:
        """Answer a datagram of the batch at the next `flush`; the kernel may lose it, as any datagram."""
        size = len(payload)
        if size > LARGEST_REPLY:
            self._channel.reply(self.datagram(number, b""), payload)
            return
        if number != self._end:
            self.flush()
            self._first = number
        self._end = number + 1
        begin = number * LARGEST_REPLY
        self._replies[begin : begin + size] = payload
        self._reply_lengths[number * _VECTOR_SIZES + 1] = size
        if self._narrow or not is_link_local(self._control, number * _CONTROL_BYTES + _CONTROL_HEAD):
            self._control_words[number * _CONTROL_WORDS + self._interface_word] = 0

    def flush(self) -> None:
        """Send what was answered."""
        first, end = self._first, self._end
        while first < end:
            place = self._sent_at + first * _MESSAGE_BYTES
            done = self._send_many(self._channel.fileno(), place, end - first, socket.MSG_DONTWAIT)
            first += max(done, 1)  # what the kernel does not take is lost
        self._first = self._end


def _place(buffer: bytearray | memoryview) -> int:
    """The address of the first byte."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
