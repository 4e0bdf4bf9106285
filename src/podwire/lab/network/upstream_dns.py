"""The DNS server of the external network: authoritative for a fixed list of records, NXDOMAIN for all other names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from podwire.dns.authority import Authority
from podwire.dns.listen import listening
from podwire.dns.records import SOA, Record
from podwire.dns.responder import zone_responder
from podwire.dns.sink import Zone
from podwire.engine.row import Delta

ROOT_HEAD = Record("", SOA("outside.test", "hostmaster.outside.test", minimum=5))
"""SOA of the root zone, so that negative answers are authoritative."""


async def serve_upstream(address: str, records: Iterable[Record], port: int = 53, ttl: int = 30) -> None:
    """Serve these records on UDP and TCP until cancelled. Raises OSError where the port is taken."""
    zone = Zone(ttl)
    await zone.write(Delta(upserts=(ROOT_HEAD, *records)))
    async with listening(zone_responder(Authority(zone, ttl)), (address,), port):
        await asyncio.Event().wait()
