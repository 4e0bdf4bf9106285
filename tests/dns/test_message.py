import ipaddress
import struct

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.dns.message import CLASSIC_SIZE, EDNS_SIZE, Query, Refusal, Response, encode, encode_query, parse, record
from podwire.dns.records import A, RecordType
from tests.dns.zones import ask, endpoint, found, responder_of, say, service, slice_of

WEB = responder_of(service("web", "10.96.0.5"))
NAME = "web.shop.svc.cluster.local"


def query_of(text: str = NAME, kind: str = "A", **options: object) -> Query:
    query = parse(dns.message.make_query(text, kind, **options).to_wire())  # type: ignore[arg-type]
    assert isinstance(query, Query)
    return query


def refused(wire: bytes) -> dns.message.Message:
    refusal = parse(wire)
    assert isinstance(refusal, Refusal)
    return dns.message.from_wire(refusal.wire)


def test_a_query_is_read_as_dnspython_wrote_it() -> None:
    query = query_of(want_dnssec=True, payload=4096)
    assert (query.name, query.type) == (b"\3web\4shop\3svc\7cluster\5local\0", RecordType.A)
    assert query.edns
    assert query.dnssec
    assert query.size == EDNS_SIZE
    assert query_of().size == CLASSIC_SIZE


def test_the_askers_letters_come_back() -> None:
    answer = ask(WEB, "wEb.ShOp.svc.cluster.LOCAL")
    assert str(answer.question[0].name) == "wEb.ShOp.svc.cluster.LOCAL."
    assert str(answer.answer[0].name) == "wEb.ShOp.svc.cluster.LOCAL."
    assert found(answer) == {"10.96.0.5"}


def test_edns_is_answered_only_where_it_is_requested() -> None:
    assert ask(WEB, NAME).edns == -1
    answer = ask(WEB, NAME, want_dnssec=True)
    assert answer.edns == 0
    assert answer.payload == EDNS_SIZE
    assert answer.ednsflags & dns.flags.DO


def test_an_unknown_edns_version_is_badvers() -> None:
    answer = ask(WEB, NAME, use_edns=1)
    assert answer.rcode() == dns.rcode.BADVERS


def test_other_operations_are_not_implemented() -> None:
    message = dns.message.make_query(NAME, "A")
    message.set_opcode(dns.opcode.STATUS)
    assert refused(message.to_wire()).rcode() == dns.rcode.NOTIMP


@pytest.mark.parametrize(("kind", "of_class"), [("AXFR", "IN"), ("IXFR", "IN"), ("TXT", "CH"), ("A", "ANY")])
def test_transfers_and_other_classes_are_refused(kind: str, of_class: str) -> None:
    assert refused(dns.message.make_query(NAME, kind, of_class).to_wire()).rcode() == dns.rcode.REFUSED


def test_answers_and_scraps_get_silence() -> None:
    message = dns.message.make_query(NAME, "A")
    message.flags |= dns.flags.QR
    assert parse(message.to_wire()) is None
    assert parse(b"\0" * 11) is None


@pytest.mark.parametrize(
    "tail",
    [
        b"\xc0\x0c\0\1\0\1",
        b"\xc0\x00\0\1\0\1",
        b"\x03web",
        b"\x40a\0\0\1\0\1",
        b"\0\0\1\0",
        b"\x3fa" + b"a" * 400,
    ],
)
def test_broken_questions_are_format_errors(tail: bytes) -> None:
    wire = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + tail
    refusal = refused(wire)
    assert (refusal.id, refusal.rcode()) == (7, dns.rcode.FORMERR)


def test_two_opt_records_or_two_questions_are_format_errors() -> None:
    question = b"\3web\0\0\1\0\1"
    option = b"\0\0\x29\4\xd0\0\0\0\0\0\0"
    two_options = struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 2) + question + option + option
    two_questions = struct.pack("!HHHHHH", 7, 0, 2, 0, 0, 0) + question + question
    assert refused(two_options).rcode() == refused(two_questions).rcode() == dns.rcode.FORMERR


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    WEB.answer(raw, stream=False)


@given(st.data())
def test_no_damaged_query_raises_and_every_answer_is_readable(data: st.DataObject) -> None:
    wire = bytearray(dns.message.make_query(NAME, "SRV", want_dnssec=True).to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    answer = WEB.answer(bytes(wire[: data.draw(st.integers(0, len(wire)))]), stream=False)
    assert answer is None or isinstance(answer, bytes)
    if answer is not None:
        dns.message.from_wire(answer)


def test_an_answer_that_does_not_fit_is_cut_at_a_record_and_marked() -> None:
    crowd = responder_of(
        service("db", "None"), slice_of("db", *(endpoint(f"10.244.{n // 200}.{n % 200 + 1}") for n in range(1000)))
    )
    name = "db.shop.svc.cluster.local"
    small, large = ask(crowd, name), ask(crowd, name, use_edns=True, payload=4096)
    assert small.flags & dns.flags.TC
    assert large.flags & dns.flags.TC
    assert len(found(small)) == (512 - 12 - len("db.shop.svc.cluster.local") - 2 - 4) // 16
    assert len(small.to_wire()) <= 512 < len(large.to_wire()) <= EDNS_SIZE
    whole = say(crowd, dns.message.make_query(name, "A"), stream=True)
    assert not whole.flags & dns.flags.TC
    assert len(found(whole)) == 1000


def test_additional_records_go_first_and_without_a_mark() -> None:
    query = query_of()
    answer = tuple(record(b"\xc0\x0c", 1, 5, bytes((10, 0, 0, n))) for n in range(3))
    additional = tuple(record(b"\xc0\x0c", 1, 5, bytes((10, 0, 1, n))) for n in range(100))
    message = dns.message.from_wire(encode(query, Response(answer=answer, additional=additional), 512))
    assert not message.flags & dns.flags.TC
    assert len(message.answer[0]) == 3
    assert 0 < len(message.additional[0]) < 100


def test_a_forwarded_query_keeps_what_changes_the_answer() -> None:
    message = dns.message.make_query("Example.com", "MX", want_dnssec=True)
    message.flags |= dns.flags.CD
    query = parse(message.to_wire())
    assert isinstance(query, Query)
    onward = dns.message.from_wire(encode_query(99, query))
    assert onward.id == 99
    assert onward.question == message.question
    assert onward.flags == message.flags
    assert onward.ednsflags & dns.flags.DO
    assert onward.payload == EDNS_SIZE


def test_record_data_is_what_dnspython_writes() -> None:
    assert A(ipaddress.IPv4Address("10.0.0.1")).wire() == b"\x0a\0\0\1"
