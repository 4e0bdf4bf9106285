"""A small server that is the authority for what it is given: the outside world's DNS where there is no outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from podwire.dns.authority import Authority
from podwire.dns.listen import listening
from podwire.dns.records import SOA, Record
from podwire.dns.responder import ClusterResponder
from podwire.dns.sink import Zone
from podwire.engine.row import Delta

ROOT_HEAD = Record("", SOA("outside.test", "hostmaster.outside.test", minimum=5))
"""It heads the root zone: every name that it was not given is unknown, and it says so itself."""


async def serve_upstream(address: str, records: Iterable[Record], port: int = 53, ttl: int = 30) -> None:
    """Serve these records on UDP and TCP for ever; all other names are NXDOMAIN. Raises OSError."""
    zone = Zone(ttl)
    await zone.write(Delta(upserts=(ROOT_HEAD, *records)))
    responder = ClusterResponder(Authority(zone, ttl), None)
    responder.ready = True
    async with listening(responder, (address,), port):
        await asyncio.Event().wait()
