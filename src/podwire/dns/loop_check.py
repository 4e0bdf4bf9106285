"""The plugin `loop`: finds out whether forwarded questions come back to this server.

A question for a random name goes to the upstream servers of a block. If it is received here, they forward to this
server. Source: github.com/coredns/coredns `plugin/loop/README.md`; the name must not be predictable (CVE-2026-26018).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from podwire.dns.forward import Forwarder
from podwire.dns.message import RD, Query, Rcode, Response
from podwire.dns.names import to_wire
from podwire.dns.outcome import Found
from podwire.dns.records import INTERNET

log = logging.getLogger(__name__)

HINFO = 13


class LoopCheck:
    """A source before `forward`: it knows the question that it sent itself. `found` is called with the reason."""

    def __init__(self, zone: bytes, forwarder: Forwarder, found: Callable[[str], None]) -> None:
        self._forwarder = forwarder
        self._found = found
        self._name = to_wire(f"{secrets.randbits(63)}.{secrets.randbits(63)}")[:-1] + zone

    async def check(self) -> None:
        """Send the question once, and wait for its reply."""
        question = self._name + HINFO.to_bytes(2, "big") + INTERNET.to_bytes(2, "big")
        await self._forwarder.resolve(Query(0, RD, self._name, HINFO, question))

    def answer(self, query: Query, client: str) -> Found:
        """Recognize the question."""
        if query.type != HINFO or query.key != self._name:
            return None
        if not self._forwarder.loop_found:
            self._forwarder.loop_found = True
            servers = ", ".join(map(str, self._forwarder.pool.servers))
            self._found(
                f"names that are forwarded to {servers} come back to this server (from {client}), so none is "
                "forwarded: name other servers in 'forward'"
            )
        return Response(Rcode.REFUSED, seconds=0)
