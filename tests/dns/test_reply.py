import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from podwire.dns.message import Query, parse
from podwire.dns.reply import LONGEST_TTL, Reply, chased, checked, lifetime, parse_reply, replay

SOA = "example.com. 60 IN SOA ns.example.com. admin.example.com. 1 2 3 4 20"


def query_of(name: str = "example.com", kind: str = "A", **options: object) -> Query:
    query = parse(dns.message.make_query(name, kind, **options).to_wire())  # type: ignore[arg-type]
    assert isinstance(query, Query)
    return query


def reply_of(*answer: str, authority: str = "", rcode: int = 0, kind: str = "A", edns: bool = False) -> Reply:
    message = dns.message.make_response(dns.message.make_query("example.com", kind, use_edns=edns, id=7))
    message.set_rcode(dns.rcode.Rcode(rcode))
    for section, lines in ((message.answer, answer), (message.authority, (authority,) if authority else ())):
        for line in lines:
            name, ttl, of_class, data_type, *rest = line.split()
            section.append(dns.rrset.from_text(name, int(ttl), of_class, data_type, " ".join(rest)))
    reply = parse_reply(message.to_wire())
    assert reply is not None
    return reply


def test_a_reply_must_match_number_and_question() -> None:
    reply = reply_of("example.com. 30 IN A 192.0.2.1")
    assert reply.answers(7, query_of("EXAMPLE.com").question)
    assert not reply.answers(8, query_of().question)
    assert not reply.answers(7, query_of("example.org").question)
    assert not reply.answers(7, query_of(kind="AAAA").question)


def test_a_reply_to_a_question_of_another_length_is_broken() -> None:
    root = dns.message.make_response(dns.message.make_query(".", "A"))
    root.authority.append(dns.rrset.from_text(".", 30, "IN", "NS", "a.test."))
    reply = parse_reply(root.to_wire())
    assert reply is not None
    assert checked(reply, query_of(".").question) is not None
    assert checked(reply, query_of("example.com").question) is None


def test_a_reply_is_kept_as_long_as_its_shortest_record() -> None:
    both = reply_of("example.com. 25 IN CNAME a.example.com.", "a.example.com. 9 IN A 192.0.2.1")
    assert lifetime(both, 30) == 9
    assert lifetime(both, 5) == 5


def test_a_negative_reply_is_kept_by_its_soa_or_not_at_all() -> None:
    assert lifetime(reply_of(rcode=3, authority=SOA), 30) == 20
    assert lifetime(reply_of(authority=SOA), 30) == 20
    assert lifetime(reply_of(rcode=3), 30) == 0


def test_failures_and_cut_replies_are_not_kept() -> None:
    assert lifetime(reply_of(rcode=2, authority=SOA), 30) == 0
    raw = bytearray(reply_of("example.com. 30 IN A 192.0.2.1").raw)
    raw[2] |= 0x02
    cut = parse_reply(bytes(raw))
    assert cut is not None
    assert lifetime(cut, 30) == 0


def test_wild_times_to_live_are_bounded() -> None:
    wild = reply_of("example.com. 2147483647 IN A 192.0.2.1")
    assert wild.records[0].ttl == LONGEST_TTL
    raw = bytearray(wild.raw)
    raw[-10] = 0xFF
    negative = parse_reply(bytes(raw))
    assert negative is not None
    assert negative.records[0].ttl == 0


def test_it_is_said_again_with_the_askers_number_letters_and_age() -> None:
    reply = reply_of("example.com. 30 IN A 192.0.2.1", "example.com. 30 IN A 192.0.2.2", edns=True)
    asker = dns.message.make_query("eXample.COM", "A", id=99)
    query = parse(asker.to_wire())
    assert isinstance(query, Query)
    said = dns.message.from_wire(replay(reply, query, 12, 512))
    assert asker.is_response(said)
    assert str(said.question[0].name) == "eXample.COM."
    assert said.edns == -1
    assert said.answer[0].ttl == 18
    assert {data.to_text() for data in said.answer[0]} == {"192.0.2.1", "192.0.2.2"}


def test_a_long_reply_is_cut_for_a_small_asker() -> None:
    reply = reply_of(*(f"example.com. 30 IN A 192.0.2.{n}" for n in range(100)))
    small = dns.message.from_wire(replay(reply, query_of(), 0, 512))
    assert small.flags & dns.flags.TC
    assert 0 < len(small.answer[0]) < 100
    assert len(small.to_wire()) <= 512
    assert len(dns.message.from_wire(replay(reply, query_of(), 0, 65535)).answer[0]) == 100


def test_the_ad_bit_is_only_set_where_dnssec_is_requested() -> None:
    raw = bytearray(reply_of("example.com. 30 IN A 192.0.2.1").raw)
    raw[3] |= 0x20
    reply = parse_reply(bytes(raw))
    assert reply is not None
    assert not dns.message.from_wire(replay(reply, query_of(), 0, 512)).flags & dns.flags.AD
    assert dns.message.from_wire(replay(reply, query_of(want_dnssec=True), 0, 512)).flags & dns.flags.AD


def test_only_records_on_the_way_from_the_target_are_taken() -> None:
    reply = reply_of(
        "example.com. 30 IN CNAME a.example.com.",
        "victim.org. 30 IN A 192.0.2.66",
        "a.example.com. 30 IN A 192.0.2.1",
    )
    taken = chased(reply, 10, query_of().name, query_of("ext.shop.svc.cluster.local"))
    assert len(taken) == 2
    assert taken[1].endswith(b"\0\0\0\x14\0\4\xc0\0\2\1")


def test_compressed_data_is_expanded() -> None:
    reply = reply_of("example.com. 30 IN MX 10 mail.example.com.", kind="MX")
    taken = chased(reply, 0, query_of().name, query_of("ext.local", "MX"))
    assert taken[0].endswith(b"\0\x0a\4mail\7example\3com\0")


@given(st.binary(max_size=120))
def test_no_bytes_raise(raw: bytes) -> None:
    parse_reply(raw)


@given(st.data())
def test_no_damaged_reply_raises(data: st.DataObject) -> None:
    whole = reply_of("example.com. 30 IN CNAME a.example.com.", "a.example.com. 9 IN A 192.0.2.1", authority=SOA)
    wire = bytearray(whole.raw)
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    reply = parse_reply(bytes(wire[: data.draw(st.integers(0, len(wire)))]))
    if reply is not None and reply.answers(7, query_of().question):
        lifetime(reply, 30)
        chased(reply, 0, query_of().name, query_of())
        assert len(replay(reply, query_of(), 5, 512)) <= 512
