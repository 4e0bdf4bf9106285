import ipaddress

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.dns import names

LABELS = st.binary(min_size=1, max_size=63)


@st.composite
def wire_names(draw: st.DrawFn) -> bytes:
    parts = draw(st.lists(LABELS, max_size=3))
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


@given(wire_names())
def test_text_is_what_dnspython_reads(wire: bytes) -> None:
    assert dns.name.from_text(names.to_text(wire)).to_wire() == wire


def test_wire_of_plain_text_is_what_dnspython_writes() -> None:
    for text in ("web.shop.svc.cluster.local", "a.", ".", "_http._tcp.web"):
        assert names.to_wire(text) == dns.name.from_text(text).to_wire()


@pytest.mark.parametrize("text", ["a..b", "a" * 64, ".".join(["a" * 60] * 5), "bücher.example"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(names.FormatError, match="no domain name"):
        names.to_wire(text)


@given(wire_names(), wire_names())
def test_a_compressed_name_expands_to_itself(name: bytes, question: bytes) -> None:
    message = bytes(12) + question + names.compress(name, question)
    expanded, end = names.expand(message, 12 + len(question))
    assert expanded.lower() == name.lower()
    assert end == len(message)


def test_compression_uses_the_questions_tail() -> None:
    question = names.to_wire("_http._tcp.web.shop")
    assert names.compress(names.to_wire("web.shop"), question) == b"\xc0\x17"
    assert names.compress(names.to_wire("web.other"), question) == names.to_wire("web.other")


def test_pointers_that_do_not_lead_back_are_refused() -> None:
    for message in (b"\xc0\x00", b"\x01a\xc0\x00", b"\x00\xc0\x03\xc0\x01"):
        with pytest.raises(names.FormatError):
            names.expand(message, len(message) - 2)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_expanding_any_bytes_ends(raw: bytes, position: int) -> None:
    try:
        wire, end = names.expand(raw, min(position, len(raw)))
    except names.FormatError:
        return
    assert wire.endswith(b"\0")
    assert end <= len(raw)


@pytest.mark.parametrize(
    ("network", "zones"),
    [
        ("10.244.0.0/16", {"244.10.in-addr.arpa"}),
        ("10.96.0.0/15", {"96.10.in-addr.arpa", "97.10.in-addr.arpa"}),
        ("fd00:10:244::/56", {"0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa"}),
        ("fd00:10:96::/112", {"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa"}),
    ],
)
def test_reverse_zones_cover_the_range_and_no_more(network: str, zones: set[str]) -> None:
    whole = ipaddress.ip_network(network)
    inside, outside = whole[1].reverse_pointer, (whole[0] - 1).reverse_pointer
    assert any(inside.endswith("." + zone) for zone in names.reverse_zones(whole))
    assert not any(outside.endswith("." + zone) for zone in names.reverse_zones(whole))
    if whole.version == 4:
        assert set(names.reverse_zones(whole)) == zones
