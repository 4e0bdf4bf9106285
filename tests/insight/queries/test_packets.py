"""Answers in captured packets: clients, names, times; pieces may end anywhere, and nothing of a packet is believed."""

from __future__ import annotations

import ipaddress
import random
import struct

import dns.message
import dns.rcode
import dns.rrset
import pytest

from podwire.insight.queries.packets import AnswerStream, DnsAnswer, frame_of
from podwire.insight.queries.record import encode, flow_of, line
from podwire.kernel import pcap

CLIENT, SERVER = ("10.244.1.9", "fd00:10:244:1::9"), ("10.244.1.2", "fd00:10:244:1::2")


def frame(source: str, destination: str, ports: tuple[int, int], payload: bytes) -> bytes:
    udp = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if len(ends) == 8:
        return bytes(12) + b"\x08\x00" + struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends + udp
    return bytes(12) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + ends + udp


def exchange(name: str, address: str, number: int, family: int = 0, began: float = 100.0) -> bytes:
    """Two packets: a question and its answer 2 ms later."""
    query = dns.message.make_query(name, "A", id=number)
    answer = dns.message.make_response(query)
    if address:
        answer.answer.append(dns.rrset.from_text(query.question[0].name, 5, "IN", "A", address))
    else:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    requested = frame(CLIENT[family], SERVER[family], (4000, 53), query.to_wire())
    answered = frame(SERVER[family], CLIENT[family], (53, 4000), answer.to_wire())
    return pcap.record(began, requested, len(requested)) + pcap.record(began + 0.002, answered, len(answered))


@pytest.mark.parametrize("family", [0, 1])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_answers_are_joined_with_their_questions(family: int, size: int) -> None:
    other = frame(CLIENT[family], SERVER[family], (4000, 80), b"no DNS")
    raw = pcap.header() + exchange("Web.test", "192.0.2.1", 1, family) + pcap.record(101, other, len(other))
    raw += exchange("none.test", "", 2, family)
    stream = AnswerStream()
    found = [one for place in range(0, len(raw), size) for one in stream.feed(raw[place : place + size])]
    assert [(one.client, one.server, one.name, one.type, one.code, one.addresses) for one in found] == [
        (CLIENT[family], SERVER[family], "web.test.", "A", "NOERROR", ("192.0.2.1",)),
        (CLIENT[family], SERVER[family], "none.test.", "A", "NXDOMAIN", ()),
    ]
    assert all(one.seconds == pytest.approx(0.002, abs=1e-5) for one in found)


def test_an_answer_without_its_question_has_no_latency() -> None:
    raw = exchange("web.test", "192.0.2.1", 1)
    requested = pcap.RECORD_BYTES + pcap.captured_bytes(raw[: pcap.RECORD_BYTES])
    (found,) = AnswerStream().feed(pcap.header() + raw[requested:])
    assert found.seconds is None
    assert b"latency" not in encode(flow_of(found), found)


def test_names_cannot_begin_a_line_of_their_own() -> None:
    hostile = DnsAnswer(1.0, "10.244.1.9", "10.244.1.2", 4000, r"a\010b.test.", "A", "NOERROR", ("192.0.2.1",) * 9)
    text = line(flow_of(hostile), hostile)
    assert "\n" not in text
    assert text.endswith("192.0.2.1 and 5 more")


def test_no_bytes_raise() -> None:
    draw = random.Random(3)
    whole = exchange("web.test", "192.0.2.1", 1)
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            damaged[draw.randrange(pcap.RECORD_BYTES, len(damaged))] = draw.randrange(256)
        list(AnswerStream().feed(pcap.header() + bytes(damaged)))
        frame_of(draw.randbytes(draw.randrange(80)))
