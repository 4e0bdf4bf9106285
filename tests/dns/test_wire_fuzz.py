"""Malformed packets: none makes the server raise, hang or grow, neither from clients nor from upstream servers."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Iterator

import dns.message
import pytest

from podwire.dns.message import Query, parse
from podwire.dns.outcome import Relayed, sent
from podwire.dns.reply import checked, parse_reply, response_of
from tests.dns.blocks import responder
from tests.dns.zones import endpoint, service, slice_of

COREFILE = (
    ". {\nrewrite name suffix .old.test .svc.cluster.local\nkubernetes cluster.local in-addr.arpa\nloadbalance\n}"
)
NAMES = ("web.shop.svc.cluster.local", "_http._tcp.web.shop.svc.cluster.local", "web.shop.old.test", "x.example.com")
MOST_SECONDS = 0.5
"""Of processor time for one packet; it takes 0.1 ms at most."""


def seeds() -> list[bytes]:
    kinds = ("A", "AAAA", "SRV", "ANY", "PTR")
    return [
        dns.message.make_query(name, kind, use_edns=edns).to_wire()
        for name in NAMES
        for kind in kinds
        for edns in (0, -1)
    ]


def damaged(draw: random.Random, wires: list[bytes]) -> Iterator[bytes]:
    """Packets with changed, lost, repeated and random bytes, without end."""
    while True:
        wire = bytearray(draw.choice(wires))
        for _ in range(draw.randint(1, 6)):
            place = draw.randrange(len(wire) or 1)
            match draw.randrange(6):
                case 0:
                    wire[place : place + 1] = draw.randbytes(1)
                case 1:
                    wire[place : place + draw.randint(0, 8)] = b""
                case 2:
                    wire[place:place] = wire[place : place + draw.randint(0, 20)]
                case 3:
                    wire[place:place] = draw.randbytes(draw.randint(0, 40))
                case 4:
                    wire[place : place + 2] = bytes((0xC0 | draw.randrange(64), draw.randrange(256)))
                case _:
                    wire[6:12] = draw.randbytes(6)
        yield bytes(wire[:4096])


def try_queries(count: int, seed: int) -> None:
    pods = slice_of("web", *(endpoint(f"10.244.1.{n}", f"h-{n}") for n in range(2, 30)))
    server, assembly = responder(COREFILE, service("web", "None"), pods)
    packets = damaged(random.Random(seed), seeds())
    for _ in range(count):
        wire = next(packets)
        began = time.thread_time()
        answer = server.answer(wire, stream=False, client=("10.244.0.9", 9))
        assert not isinstance(answer, Awaitable)
        known = server.ready([wire], 0.0)[0]
        assert time.thread_time() - began < MOST_SECONDS, wire.hex()
        if answer is not None:
            assert answer[:2] == wire[:2]
            assert len(answer) <= 1232, wire.hex()
            assert len(answer) < 60 * max(len(wire), 17), f"no amplification: {wire.hex()}"
        if known is not None:
            assert known == answer
    assert assembly.forwarders == []


def try_replies(count: int, seed: int) -> None:
    message = dns.message.make_query("example.com", "A")
    query = parse(message.to_wire())
    assert isinstance(query, Query)
    made = dns.message.make_response(message)
    texts = ("example.com. 30 IN CNAME a.test.", "a.test. 30 IN A 192.0.2.1", "a.test. 30 IN MX 1 m.a.test.")
    text = "\n".join(texts)
    wires = [
        dns.message.from_text(
            f"id 1\nopcode QUERY\nflags QR\n;QUESTION\nexample.com. IN A\n;ANSWER\n{text}\n"
        ).to_wire(),
        made.to_wire(),
    ]
    packets = damaged(random.Random(seed), wires)
    for _ in range(count):
        wire = next(packets)
        began = time.thread_time()
        reply = parse_reply(wire)
        found = checked(reply, query.question) if reply is not None else None
        if found is not None:
            assert len(sent(query, Relayed(found), 512)) <= 512
            response_of(found, 1, query, lambda owner: owner)
        assert time.thread_time() - began < MOST_SECONDS, wire.hex()


def test_damaged_packets() -> None:
    try_queries(3_000, 1)
    try_replies(3_000, 1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_damaged_packets_by_the_million(seed: int) -> None:
    try_queries(250_000, seed)
    try_replies(250_000, seed)
