import select
import socket
import subprocess
import time

import pytest

from podwire.kernel.datagram import DatagramSocket, family_of, listen_stream
from tests.sandbox import sandboxed


def test_families() -> None:
    assert (family_of("10.0.0.1"), family_of("::")) == (socket.AF_INET, socket.AF_INET6)
    with pytest.raises(ValueError, match="localhost"):
        family_of("localhost")


@sandboxed
def test_a_wildcard_socket_answers_from_the_address_of_the_query() -> None:
    for address in ("10.9.0.1/32", "10.9.0.2/32", "fd09::1/128", "fd09::2/128"):
        extra = ["nodad"] if ":" in address else []
        subprocess.run(["ip", "address", "add", address, "dev", "lo", *extra], check=True)
    for wildcard, asked in (("0.0.0.0", ("10.9.0.1", "10.9.0.2")), ("::", ("fd09::1", "fd09::2"))):
        server = DatagramSocket(wildcard, 5353)
        assert server.receive() is None
        for address in asked:
            with socket.socket(family_of(address), socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                deadline = time.monotonic() + 5
                # A new address may drop a first datagram on a busy machine.
                while True:
                    client.sendto(b"who", (address, 5353))
                    if select.select([server], [], [], 0.5)[0]:
                        break
                    assert time.monotonic() < deadline
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
