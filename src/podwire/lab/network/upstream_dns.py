"""The DNS server of the external network: authoritative for its records, NXDOMAIN for all other names."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from podwire.dns.authority import Authority
from podwire.dns.listen import listening
from podwire.dns.records import SOA, Record, address_data
from podwire.dns.responder import zone_responder
from podwire.dns.sink import Zone
from podwire.engine.row import Delta

ROOT_HEAD = Record("", SOA("outside.test", "hostmaster.outside.test", minimum=5))
"""SOA of the root zone, so that negative answers are authoritative."""
TTL_SECONDS = 5
LONGEST_LINE = 64 << 20
"""Bytes."""

Names = Mapping[str, tuple[str, ...]]


async def serve_upstream(
    address: str, records: Iterable[Record], names: Path | None = None, port: int = 53, ttl: int = TTL_SECONDS
) -> None:
    """Serve these records on UDP and TCP until cancelled. Raises OSError where the port is taken.

    `names` is a unix socket that receives further names with their addresses: lines of JSON, of which the last one
    counts, also after its sender has ended. They replace the records of the same name.
    """
    own = tuple(records)
    zone = Zone(ttl)
    await zone.write(Delta(upserts=(ROOT_HEAD, *own)))
    async with listening(zone_responder(Authority(zone, ttl)), (address,), port):
        if names is None:
            await asyncio.Event().wait()
        else:
            await _receive(names, zone, own)


async def _receive(socket: Path, zone: Zone, own: tuple[Record, ...]) -> None:
    held = set(own)
    senders: set[asyncio.StreamWriter] = set()

    async def received(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal held
        senders.add(writer)
        try:
            while line := await reader.readline():
                desired = set(merged(own, msgspec.json.decode(line, type=dict[str, tuple[str, ...]])))
                await zone.write(Delta(upserts=tuple(desired - held), removals=tuple(held - desired)))
                held = desired
        finally:
            senders.discard(writer)
            writer.close()

    socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(received, str(socket), limit=LONGEST_LINE)
    os.chmod(socket, 0o600)
    try:
        async with server:
            await server.serve_forever()
    finally:
        for one in senders:
            one.close()


def merged(own: Iterable[Record], names: Names) -> Iterator[Record]:
    """Yield the records of the server itself, and those of names that it has received, which replace its own."""
    yield from (one for one in own if one.name not in names)
    for name, addresses in names.items():
        yield from (Record(name, address_data(ipaddress.ip_address(one))) for one in addresses)
