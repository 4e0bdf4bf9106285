"""Connections are ended at a socket for both ends, and what listens goes on."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from podwire.kernel.address_flows import SocketEnds
from podwire.kernel.tcp_resets import reset
from tests.sandbox import sandboxed

HERE = Path("/proc/self/ns/net")


@contextmanager
def connection(listening: str, target: str) -> Iterator[tuple[socket.socket, socket.socket, socket.socket]]:
    """A server, what it accepted, and the client."""
    family = socket.AF_INET6 if ":" in listening else socket.AF_INET
    with contextlib.ExitStack() as stack:
        dual = listening == "::"
        server = stack.enter_context(socket.create_server((listening, 0), family=family, dualstack_ipv6=dual))
        client = stack.enter_context(socket.create_connection((target, server.getsockname()[1]), timeout=30))
        accepted = stack.enter_context(server.accept()[0])
        accepted.settimeout(30)
        yield server, accepted, client


def ends_of(one: socket.socket, address: str) -> SocketEnds:
    here = ipaddress.ip_address(address)
    return SocketEnds(here, one.getsockname()[1], here, one.getpeername()[1])


@pytest.mark.parametrize(("listening", "target"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
@sandboxed
def test_both_ends_of_a_connection_that_is_idle_notice(listening: str, target: str) -> None:
    with connection(listening, target) as (_, ended, client), connection(listening, target) as (_, other, sender):
        assert reset(HERE, [ends_of(ended, target)]) == 1
        with pytest.raises(ConnectionAbortedError):
            ended.recv(1)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        sender.send(b"x")
        assert other.recv(1) == b"x"


@sandboxed
def test_what_listens_and_what_is_not_there_is_left_alone() -> None:
    here = ipaddress.ip_address("127.0.0.1")
    with connection("127.0.0.1", "127.0.0.1") as (server, accepted, client):
        port = server.getsockname()[1]
        assert reset(HERE, [SocketEnds(here, port, here, 9), SocketEnds(here, 9, here, 9)]) == 0
        client.send(b"x")
        assert accepted.recv(1) == b"x"
        with socket.create_connection(("127.0.0.1", port), timeout=30):
            server.accept()[0].close()
