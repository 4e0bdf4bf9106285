"""Batches: each datagram gets its own reply, from the address that it was sent to, now or later."""

import contextlib
import select
import socket
from collections.abc import Iterator

import pytest

from podwire.kernel.datagram import LARGEST_DATAGRAM, DatagramSocket, family_of
from podwire.kernel.datagram_batch import LARGEST_REPLY, MOST, DatagramBatch
from tests.sandbox import add_addresses, sandboxed

WILDCARDS = {"0.0.0.0": ("10.9.0.1", "10.9.0.2"), "::": ("fd09::1", "fd09::2")}


@contextlib.contextmanager
def batch_of(address: str) -> Iterator[tuple[DatagramBatch, DatagramSocket]]:
    channel = DatagramSocket(address, 5353)
    try:
        yield DatagramBatch(channel), channel
    finally:
        channel.close()


def client(address: str) -> socket.socket:
    made = socket.socket(family_of(address), socket.SOCK_DGRAM)
    made.settimeout(30)
    made.connect((address, 5353))
    return made


def arrived(batch: DatagramBatch, channel: DatagramSocket) -> list[bytes]:
    """What waits, as soon as anything does. By the loopback a datagram waits when it is sent."""
    assert select.select([channel], [], [], 30)[0]
    return batch.receive()


@sandboxed
def test_each_is_answered_from_the_address_that_it_was_sent_to() -> None:
    add_addresses("lo", "10.9.0.1/32", "10.9.0.2/32", "fd09::1/128", "fd09::2/128")
    for wildcard, targets in WILDCARDS.items():
        with batch_of(wildcard) as (batch, channel):
            assert batch.receive() == []
            clients = [client(address) for address in targets * 3]
            for number, one in enumerate(clients):
                one.send(b"%d" % number)
            raws = arrived(batch, channel)
            assert raws == [b"%d" % number for number in range(6)]
            for number, raw in enumerate(raws):
                batch.reply(number, b"reply to " + raw)
            batch.flush()
            assert [one.recv(100) for one in clients] == [b"reply to %d" % number for number in range(6)]


@sandboxed
def test_a_later_reply_leaves_a_gap_and_goes_to_the_same_client() -> None:
    add_addresses("lo", "10.9.0.1/32", "10.9.0.2/32", "fd09::1/128", "fd09::2/128")
    for wildcard, targets in WILDCARDS.items():
        with batch_of(wildcard) as (batch, channel):
            clients = [client(address) for address in targets * 2]
            for number, one in enumerate(clients):
                one.send(b"%d" % number)
            raws = arrived(batch, channel)
            waits = batch.datagram(1, raws[1])
            assert waits.payload == b"1"
            assert waits.peer == clients[1].getsockname()
            for number in (0, 2, 3):
                batch.reply(number, b"now")
            batch.flush()
            clients[0].send(b"another")
            assert arrived(batch, channel) == [b"another"]
            channel.reply(waits, b"later")
            assert [one.recv(100) for one in clients] == [b"now", b"later", b"now", b"now"]


@sandboxed
def test_more_than_a_batch_and_long_replies() -> None:
    with batch_of("127.0.0.1") as (batch, channel), client("127.0.0.1") as one:
        for number in range(MOST + 3):
            one.send(b"%d" % number)
        assert len(arrived(batch, channel)) == MOST
        batch.reply(0, b"a")
        batch.reply(1, bytes(LARGEST_REPLY + 1))
        batch.reply(2, bytes(LARGEST_REPLY))
        batch.flush()
        batch.flush()
        assert sorted(len(one.recv(9000)) for _ in range(3)) == [1, LARGEST_REPLY, LARGEST_REPLY + 1]
        assert arrived(batch, channel) == [b"%d" % number for number in range(MOST, MOST + 3)]
        batch.flush()
        one.settimeout(0)
        with pytest.raises(BlockingIOError):
            one.recv(100)


@sandboxed
def test_empty_and_long_datagrams() -> None:
    with batch_of("127.0.0.1") as (batch, channel), client("127.0.0.1") as one:
        for payload in (b"", bytes(LARGEST_DATAGRAM + 1), b"last"):
            one.send(payload)
        assert arrived(batch, channel) == [b"", bytes(LARGEST_DATAGRAM), b"last"]
        batch.reply(0, b"")
        batch.reply(2, b"reply")
        batch.flush()
        assert [one.recv(100), one.recv(100)] == [b"", b"reply"]


@sandboxed
def test_what_the_kernel_does_not_send_stops_no_other_reply() -> None:
    with batch_of("127.0.0.1") as (batch, channel):
        clients = [client("127.0.0.1") for _ in range(3)]
        for one in clients:
            one.send(b"hello")
        assert len(arrived(batch, channel)) == 3
        batch.reply(0, b"first")
        batch.reply(1, b"second")
        batch.reply(2, b"third")
        # A port of 0 is refused (udp_sendmsg: EINVAL).
        batch._names[28 + 2 : 28 + 4] = b"\0\0"
        batch.flush()
        assert clients[0].recv(100) == b"first"
        assert clients[2].recv(100) == b"third"


@sandboxed
def test_a_link_local_client_is_answered_on_its_link() -> None:
    add_addresses("lo", "fe80::9/64")
    with batch_of("::") as (batch, channel), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.settimeout(30)
        one.connect(("fe80::9", 5353, 0, socket.if_nametoindex("lo")))
        one.send(b"who")
        raws = arrived(batch, channel)
        assert batch.datagram(0, raws[0]).peer == one.getsockname()
        batch.reply(0, b"me")
        batch.flush()
        assert one.recv(100) == b"me"
