import asyncio
import os
import socket

from podwire.lab.base.seqpacket import Packets

WAIT_SECONDS = 30.0


def connected() -> tuple[Packets, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Packets(ours), theirs


async def test_packets_keep_their_boundaries() -> None:
    peer, other = connected()
    other.send(b"one")
    other.send(b"two")
    assert await peer.receive() == (b"one", [])
    assert await peer.receive() == (b"two", [])
    other.close()
    assert await peer.receive() == (b"", [])
    peer.close()


async def test_a_wait_that_ends_after_close_leaves_the_next_owner_of_its_number_alone() -> None:
    peer, other = connected()
    number = peer._socket.fileno()
    waiting = asyncio.ensure_future(peer.receive())
    await asyncio.sleep(0)
    waiting.cancel()
    peer.close()
    reader, writer = os.pipe()
    os.dup2(reader, number)
    woken = asyncio.Event()
    asyncio.get_running_loop().add_reader(number, woken.set)  # before the cancelled task has run its last steps
    await asyncio.gather(waiting, return_exceptions=True)
    os.write(writer, b"x")
    await asyncio.wait_for(woken.wait(), WAIT_SECONDS)
    asyncio.get_running_loop().remove_reader(number)
    for one in {reader, writer, number}:
        os.close(one)
    other.close()
