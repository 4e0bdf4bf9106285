"""DNS answers in a stream of captured packets. No I/O; what is no DNS over UDP is passed over.

Sources: draft-ietf-opsawg-pcap, RFC 791, RFC 8200 (without extension headers), RFC 768, RFC 1035.
"""

from __future__ import annotations

import ipaddress
import struct
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from podwire.dns.message import QR
from podwire.dns.names import to_text
from podwire.dns.query_log import rcode_name, type_name
from podwire.dns.records import RecordType
from podwire.dns.reply import ANSWER, Reply, parse_reply
from podwire.kernel import pcap

DNS_PORT = 53
MOST_OPEN = 4096
"""Questions that are remembered until their answer comes, to know how long it took."""
_ETHERNET = 14
_UDP = struct.Struct("!HHHH")


class DnsAnswer(msgspec.Struct, frozen=True):
    """One answer as a client received it. `seconds` from its question, None where that was not seen."""

    time: float
    client: str
    server: str
    client_port: int
    name: str
    type: str
    code: str
    addresses: tuple[str, ...] = ()
    records: int = 0
    seconds: float | None = None


class Frame(msgspec.Struct, frozen=True):
    """The UDP payload of a packet and its ends."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    payload: bytes


class AnswerStream:
    """Reads a pcap stream piece by piece."""

    def __init__(self) -> None:
        self._rest = b""
        self._to_skip = pcap.HEADER_BYTES
        self._open: OrderedDict[tuple[str, int, int], float] = OrderedDict()

    def feed(self, piece: bytes) -> Iterator[DnsAnswer]:
        """The answers that this piece completes."""
        self._rest += piece
        if self._to_skip:
            if len(self._rest) < self._to_skip:
                return
            self._rest, self._to_skip = self._rest[self._to_skip :], 0
        while len(self._rest) >= pcap.RECORD_BYTES:
            size = pcap.RECORD_BYTES + pcap.captured_bytes(self._rest[: pcap.RECORD_BYTES])
            if len(self._rest) < size:
                return
            seconds, micros = struct.unpack_from("<II", self._rest)
            found = frame_of(self._rest[pcap.RECORD_BYTES : size])
            self._rest = self._rest[size:]
            if found is not None:
                yield from self._answers(found, seconds + micros / 1e6)

    def _answers(self, frame: Frame, time: float) -> Iterator[DnsAnswer]:
        raw = frame.payload
        if len(raw) < 12:
            return
        if frame.destination_port == DNS_PORT and not raw[2] & QR >> 8:
            self._open[frame.source, frame.source_port, raw[0] << 8 | raw[1]] = time
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        elif frame.source_port == DNS_PORT and (reply := parse_reply(raw)) is not None:
            asked = self._open.pop((frame.destination, frame.destination_port, reply.id), None)
            yield _answer(frame, reply, time, time - asked if asked is not None else None)


def _answer(frame: Frame, reply: Reply, time: float, seconds: float | None) -> DnsAnswer:
    answers = [one for one in reply.records if one.section == ANSWER]
    addresses = (reply.raw[one.data : one.end] for one in answers if one.type in {RecordType.A, RecordType.AAAA})
    return DnsAnswer(
        time,
        frame.destination,
        frame.source,
        frame.destination_port,
        to_text(reply.question[:-4].lower()),
        type_name(int.from_bytes(reply.question[-4:-2], "big")),
        rcode_name(reply.rcode),
        tuple(str(ipaddress.ip_address(one)) for one in addresses if len(one) in {4, 16}),
        len(answers),
        seconds,
    )


def frame_of(raw: bytes) -> Frame | None:
    """The UDP datagram in an Ethernet frame; None where there is none, or only a fragment of one."""
    kind = raw[12:14]
    if kind == b"\x08\x00" and len(raw) >= _ETHERNET + 20:
        size = (raw[_ETHERNET] & 0x0F) * 4
        fragment = int.from_bytes(raw[_ETHERNET + 6 : _ETHERNET + 8], "big") & 0x3FFF
        protocol, ends, start = raw[_ETHERNET + 9], raw[_ETHERNET + 12 : _ETHERNET + 20], _ETHERNET + size
        if fragment:
            return None
    elif kind == b"\x86\xdd" and len(raw) >= _ETHERNET + 40:
        protocol, ends, start = raw[_ETHERNET + 6], raw[_ETHERNET + 8 : _ETHERNET + 40], _ETHERNET + 40
    else:
        return None
    if protocol != 17 or len(raw) < start + _UDP.size:
        return None
    source_port, destination_port, length, _ = _UDP.unpack_from(raw, start)
    half = len(ends) // 2
    source, destination = (str(ipaddress.ip_address(one)) for one in (ends[:half], ends[half:]))
    return Frame(source, destination, source_port, destination_port, raw[start + _UDP.size : start + length])
