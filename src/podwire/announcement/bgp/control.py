"""The control socket of bird: one command, and its reply. Source: bird's `doc/reply_codes`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

SECONDS = 5.0
_LAST = " "
"""After the four digits of a line's code: the last line of a reply. A `-` is followed by more."""


async def request(socket: Path, command: str) -> list[str]:
    """Return the lines of the reply, without their codes. Raises OSError and TimeoutError."""
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_unix_connection(socket)
        try:
            await _reply(reader)  # the greeting
            writer.write(f"{command}\n".encode())
            await writer.drain()
            return await _reply(reader)
        finally:
            writer.close()


def established(lines: list[str]) -> Iterator[str]:
    """Return the names of the BGP sessions that are up, from the reply to `show protocols`."""
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[1] == "BGP" and words[-1] == "Established":
            yield words[0]


async def _reply(reader: asyncio.StreamReader) -> list[str]:
    lines: list[str] = []
    while line := (await _line(reader)):
        coded = line[:4].isdecimal()
        lines.append(line[5 if coded else 1 :].rstrip("\n"))
        if coded and line[4:5] == _LAST:
            return lines
    raise ConnectionResetError("bird closed its control socket")


async def _line(reader: asyncio.StreamReader) -> str:
    """bird's user may have put another program in its place: whatever that sends is an OSError."""
    try:
        return (await reader.readline()).decode()
    except ValueError as error:  # longer than the reader's limit, or no text
        raise ConnectionAbortedError(f"bird's control socket: {error}") from None
