"""The table of whole answers: the same bytes are answered alike, with turned records, until something changes."""

import dns.message
import pytest

from podwire.dns.corefile.cache import CacheSettings
from podwire.dns.message import Query, Response, parse
from podwire.dns.names import ROOT
from podwire.dns.outcome import Relayed, sent
from podwire.dns.ready_answers import ReadyAnswers
from podwire.dns.reply import parse_reply
from podwire.dns.reply_cache import ReplyCache
from tests.dns.blocks import responder
from tests.dns.zones import endpoint, found, service, slice_of

NAMES = ("web.shop.svc.cluster.local", "none.shop.svc.cluster.local", "_http._tcp.web.shop.svc.cluster.local")
COREFILE = ". {\nkubernetes cluster.local\nloadbalance\n}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["A", "SRV"])
@pytest.mark.parametrize("edns", [True, False])
def test_an_answer_from_the_table_is_the_one_that_would_be_made(name: str, kind: str, edns: bool) -> None:
    pods = slice_of("web", *(endpoint(f"10.244.1.{n}") for n in range(2, 5)))
    server, _ = responder(COREFILE, service("web", "None"), pods)
    message = dns.message.make_query(name, kind, use_edns=edns)
    firsts, records = set(), 0
    for number in range(20):
        message.id = number
        wire = message.to_wire()
        made = server.answer(wire, stream=False)
        assert server.ready([wire], 0.0) == [made]
        assert isinstance(made, bytes)
        answer = dns.message.from_wire(made)
        records = len(found(answer))
        firsts.add(str(answer.answer[0][0]) if records else "")
    assert len(firsts) == max(records, 1)


def test_letters_and_flags_are_part_of_the_question() -> None:
    server, _ = responder(COREFILE, service("web", "10.96.0.5"))
    wire = dns.message.make_query(NAMES[0], "A").to_wire()
    server.answer(wire, stream=False)
    other_flags = bytes((wire[0], wire[1], wire[2] ^ 1)) + wire[3:]
    known = server.ready([wire.replace(b"web", b"wEb"), wire, other_flags, wire], 0.0)
    assert [answer is not None for answer in known] == [False, True, False, True]


def query() -> tuple[bytes, Query]:
    wire = dns.message.make_query("example.com", "A").to_wire()
    parsed = parse(wire)
    assert isinstance(parsed, Query)
    return wire, parsed


def test_an_answer_is_used_for_its_time_and_until_the_data_change() -> None:
    table = ReadyAnswers()
    wire, parsed = query()
    table.keep(wire, parsed, Response(seconds=0), 512, 10.0)
    assert table.find([wire], 10.0) == [None]
    reply = parse_reply(sent(parsed, Response(), 512))
    assert reply is not None
    table.keep(wire, parsed, Relayed(reply, 0, 0.5), 512, 10.0)
    assert table.find([wire], 10.4) != [None]
    assert table.find([wire], 10.5) == [None]
    table.keep(wire, parsed, Response(), 512, 10.0)
    assert table.find([wire], 1e9) != [None]
    table.clear()
    assert table.find([wire], 10.0) == [None]


@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize("seconds", [1, 40])
def test_a_kept_reply_ages_in_the_table_as_it_does_in_the_cache(edns: bool, seconds: int) -> None:
    message = dns.message.make_query("example.com", "A", use_edns=edns)
    wire, answered = message.to_wire(), dns.message.make_response(message)
    for text in (f"example.com. {seconds} IN CNAME a.test.", f"a.test. {seconds + 1} IN A 192.0.2.1"):
        answered.answer += dns.message.from_text(f"id 1\nflags QR\n;ANSWER\n{text}\n").answer
    parsed, reply = parse(wire), parse_reply(answered.to_wire())
    assert isinstance(parsed, Query)
    assert reply is not None
    cache, table = ReplyCache(CacheSettings(zones=(ROOT,))), ReadyAnswers()
    cache.keep(parsed, reply, 10.0)
    first = cache.find(parsed, 10.3)
    assert first is not None
    table.keep(wire, parsed, first, 512, 10.3)
    lives = set()
    for now in (10.4, 10.99, 11.0, 12.2, 12.7, 12.999):
        kept = cache.find(parsed, now)
        assert kept is not None
        assert table.find([wire], now) == [sent(parsed, kept, 512)]
        lives.add(dns.message.from_wire(sent(parsed, kept, 512)).answer[0].ttl)
    assert lives == {max(seconds - passed, 0) for passed in range(3)}
    end = 10.0 + max(seconds, 5)
    assert table.find([wire], end - 0.01) != [None]
    assert table.find([wire], end) == [None]


def test_what_is_not_used_makes_room() -> None:
    table = ReadyAnswers(2000)
    wire, parsed = query()
    table.keep(wire, parsed, Response(), 512, 0.0)
    for number in range(100):
        other = dns.message.make_query(f"n{number}.test", "A").to_wire()
        table.keep(other, parsed, Response(), 512, 0.0)
        assert table.find([wire], 0.0) != [None], "it is used, so it stays"
    assert len(table) < 20


def test_questions_in_turns_that_fit_are_all_kept() -> None:
    _, parsed = query()
    wires = [dns.message.make_query(f"n{number:02}.test", "A").to_wire() for number in range(20)]
    table = ReadyAnswers(20 * 180)
    for wire in wires:
        table.keep(wire, parsed, Response(), 512, 0.0)
    for _ in range(3):
        for wire in wires:
            assert table.find([wire], 0.0) != [None]
            table.keep(wire, parsed, Response(), 512, 0.0)
    assert len(table) == 20


def test_the_table_is_bounded() -> None:
    _, parsed = query()
    table = ReadyAnswers(10 * 180)
    for number in range(1000):
        table.keep(dns.message.make_query(f"n{number:03}.test", "A").to_wire(), parsed, Response(), 512, 0.0)
        assert len(table) <= 11
    assert len(table) >= 8


def test_an_answer_that_stays_as_it_is_takes_no_more_than_its_bytes() -> None:
    table = ReadyAnswers()
    wire, parsed = query()
    answer = table.keep(wire, parsed, Response(), 512, 0.0)
    assert answer is not None
    assert table.entry(wire) == answer[2:]
    assert table.counts[0] == 0
    assert table.find([wire], 0.0) == [answer]
    assert table.counts[0] == 1
