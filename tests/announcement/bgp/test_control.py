"""Replies of bird's control socket, and what is read from them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podwire.announcement.bgp import control
from podwire.announcement.bgp.sessions import Sessions
from podwire.announcement.bgp_settings import BgpPeer

REPLY = """2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     22:40:39.202
 peer_c0000201 BGP        ---        up     22:40:40.167  Established
 peer_c0000202 BGP        ---        start  22:40:40.167  Active        Socket: Connection refused
0000
"""


async def test_a_reply_ends_with_its_last_line(tmp_path: Path) -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"0001 BIRD 2.0.12 ready.\n")
        received.append(await reader.readline())
        writer.write(REPLY.replace("0000\n", "0000 \n").encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "ctl"):
        lines = await control.request(tmp_path / "ctl", "show protocols")
    assert received == [b"show protocols\n"]
    assert list(control.established(lines)) == ["peer_c0000201"]


async def test_a_socket_that_closes_early_is_an_error(tmp_path: Path) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"0001-BIRD\n")
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "ctl"):
        with pytest.raises(ConnectionResetError):
            await control.request(tmp_path / "ctl", "show protocols")


@pytest.mark.parametrize("sent", [b"x" * 100_000 + b"\n", b"\xff\n"])
async def test_what_is_no_reply_is_an_error_of_the_connection(tmp_path: Path, sent: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "ctl"):
        with pytest.raises(ConnectionAbortedError):
            await control.request(tmp_path / "ctl", "show protocols")


async def test_sessions_are_down_while_bird_does_not_answer() -> None:
    up, down = BgpPeer("192.0.2.1", 1), BgpPeer("192.0.2.2", 1)
    replies = [REPLY.splitlines()]

    async def protocols() -> list[str]:
        if not replies:
            raise FileNotFoundError
        return replies.pop()

    sessions = Sessions((up, down), protocols)
    await sessions.poll()
    assert sessions.up == {up: True, down: False}
    await sessions.poll()
    assert sessions.up == {up: False, down: False}
