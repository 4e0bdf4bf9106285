"""What an answer says about addresses, made by another library."""

import dns.message
import dns.rrset
import pytest

from podwire.dns.address_answer import address_answer


def answer(name: str, kind: str, *records: str) -> bytes:
    """`records` as in a zone file: name, ttl, type, data."""
    made = dns.message.make_response(dns.message.make_query(name, kind))
    for record in records:
        owner, ttl, of_type, data = record.split()
        made.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", of_type, data))
    return made.to_wire()


def test_addresses_through_aliases_and_the_shortest_time() -> None:
    found = address_answer(
        answer("A.Test.", "A", "a.test. 9 CNAME b.test.", "b.test. 60 A 192.0.2.1", "b.test. 60 A 192.0.2.2")
    )
    assert found is not None
    assert (found.name, [str(one) for one in found.addresses], found.ttl) == ("a.test", ["192.0.2.1", "192.0.2.2"], 9)
    six = address_answer(answer("a.test.", "AAAA", "a.test. 5 AAAA 2001:db8::1"))
    assert six is not None
    assert [str(one) for one in six.addresses] == ["2001:db8::1"]


def test_records_of_other_names_do_not_count() -> None:
    found = address_answer(answer("a.test.", "A", "a.test. 9 A 192.0.2.1", "other.test. 9 A 192.0.2.9"))
    assert found is not None
    assert [str(one) for one in found.addresses] == ["192.0.2.1"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 12,
        dns.message.make_query("a.test.", "A").to_wire(),
        answer("a.test.", "A"),
        answer("a.test.", "A", "other.test. 9 A 192.0.2.9"),
        answer("a.test.", "TXT", "a.test. 9 A 192.0.2.1"),
        answer("a.test.", "A", "a.test. 9 A 192.0.2.1")[:-1],
    ],
    ids=("empty", "header", "query", "no-record", "other-name", "text", "cut"),
)
def test_anything_else_says_nothing(raw: bytes) -> None:
    assert address_answer(raw) is None
