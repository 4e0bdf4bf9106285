"""A kubelet follows a pod's shim through garbage and restarts, and keeps no connection open."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from podwire.lab.base import seqpacket
from podwire.lab.base.seqpacket import Packets
from podwire.lab.base.spawn import SpawnRequest
from podwire.lab.container.plan import SHIM_SOCKET
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimClient


class NoSpawner:
    async def spawn(self, request: SpawnRequest) -> int:
        raise OSError(f"{request.name} is there already")


async def test_what_cannot_be_read_ends_neither_the_follower_nor_leaves_a_connection(tmp_path: Path) -> None:
    listener = seqpacket.listen(tmp_path / SHIM_SOCKET)
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    follower = asyncio.create_task(ShimClient(tmp_path, NoSpawner(), "").follow(lambda _: seen.set()))
    before = 0
    async with asyncio.timeout(60):
        for packet in (b"?", b"?", messages.encode(messages.PodState(records=(), stopping=False, finished=False))):
            connection, _ = await loop.sock_accept(listener)
            peer = Packets(connection)
            await peer.receive()
            before = before or len(os.listdir("/proc/self/fd"))
            await peer.send(packet)
            if packet == b"?":
                assert (await peer.receive())[0] == b"", "the follower has closed its end"
            else:
                await seen.wait()
                assert len(os.listdir("/proc/self/fd")) == before
            peer.close()
    follower.cancel()
    await asyncio.wait((follower,))
    listener.close()
