import select
import socket

import pytest

from podwire.kernel.datagram import DatagramSocket, family_of, listen_stream
from tests.sandbox import add_addresses, sandboxed


def test_families() -> None:
    assert (family_of("10.0.0.1"), family_of("::")) == (socket.AF_INET, socket.AF_INET6)
    with pytest.raises(ValueError, match="localhost"):
        family_of("localhost")


@sandboxed
def test_a_wildcard_socket_answers_from_the_address_of_the_query() -> None:
    add_addresses("lo", "10.9.0.1/32", "10.9.0.2/32", "fd09::1/128", "fd09::2/128")
    for wildcard, requested in (("0.0.0.0", ("10.9.0.1", "10.9.0.2")), ("::", ("fd09::1", "fd09::2"))):
        server = DatagramSocket(wildcard, 5353)
        assert server.receive() is None
        for address in requested:
            with socket.socket(family_of(address), socket.SOCK_DGRAM) as client:
                client.settimeout(30)
                client.sendto(b"who", (address, 5353))
                assert select.select([server], [], [], 30)[0]
                datagram = server.receive()
                assert datagram is not None
                assert datagram.payload == b"who"
                server.reply(datagram, b"me")
                payload, peer = client.recvfrom(100)
                assert (payload, peer[0]) == (b"me", address)
        server.close()


@sandboxed
def test_both_families_share_a_port_number_and_a_taken_one_is_an_error() -> None:
    with listen_stream("0.0.0.0", 80), listen_stream("::", 80), pytest.raises(OSError, match="in use"):
        listen_stream("0.0.0.0", 80)
