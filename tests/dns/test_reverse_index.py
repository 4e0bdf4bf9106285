"""The index of addresses against sets: blocks of it come and go with their first and last addresses."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from podwire.dns.names import reverse_name, suffixes, to_wire
from podwire.dns.reverse_index import ReverseIndex

NEAR = tuple(ipaddress.ip_address(text) for text in ("10.0.0.1", "10.0.0.15", "10.0.0.16", "10.0.1.1", "fd00::1:f"))
"""Two of one block, one of the next, others far away."""
ADDRESSES = [one.packed for one in (*NEAR, ipaddress.ip_address("fd00::1:10"), ipaddress.ip_address("2001:db8::1"))]
SERVICES = (b"\x01a", b"\x01b")

changes = st.lists(st.tuples(st.sampled_from(SERVICES), st.sets(st.sampled_from(ADDRESSES))), max_size=8)


def wire(address: bytes) -> bytes:
    return to_wire(reverse_name(ipaddress.ip_address(address)))


@given(changes)
def test_an_address_leads_to_its_services_and_names_above_it_exist(changes: list[tuple[bytes, set[bytes]]]) -> None:
    index = ReverseIndex()
    held: dict[bytes, set[bytes]] = {one: set() for one in SERVICES}
    for service, addresses in changes:
        index.replace(service, held[service], addresses)
        held[service] = addresses
    above = {
        tail for one in set().union(*held.values()) for place, tail in suffixes(wire(one)) if 0 < place < len(wire(one))
    }
    for address in ADDRESSES:
        owners = {service for service, addresses in held.items() if address in addresses}
        assert owners <= set(index.services(address))
        assert index.address(wire(address)) == address
        for place, tail in suffixes(wire(address)):
            if place and len(tail) > len(to_wire("in-addr.arpa")):
                assert index.has_addresses_below(tail) == (tail in above)
    if not any(held.values()):
        assert not any(index.services(one) for one in ADDRESSES)


def test_a_name_that_spells_no_whole_address_is_none() -> None:
    for name in ("0.10.in-addr.arpa", "example.com", "1.0.0.0.10.in-addr.arpa", "256.0.0.10.in-addr.arpa"):
        assert ReverseIndex().address(to_wire(name)) is None
