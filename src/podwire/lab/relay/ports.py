"""The ports of the host that are open now, by the key of their forward."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

from podwire.lab.relay import host_addresses
from podwire.lab.relay.forwards import Forward
from podwire.lab.relay.host_addresses import Address
from podwire.lab.relay.listeners import Connections, TcpListener, listener
from podwire.lab.relay.sockets import HostBinder, Sockets
from podwire.lab.relay.table import Entry
from podwire.lab.relay.targets import Target
from podwire.lab.relay.udp import UdpRelay

log = logging.getLogger(__name__)

MOST_PORTS = 1000
TOO_MANY = f"a world has at most {MOST_PORTS} ports on this host"
"""Past it a Service has no port on the host, and an event about it."""

NEEDS_ROOT = "ports below 1024 need root when the world starts"
"""The note of a Service that is at a higher port for this reason."""

Resolver = Callable[[Forward], Awaitable[Sequence[Target]]]


class HostPorts:
    """Opens and closes ports for forwards. Entries of an earlier process (`previous`) get the same ports again."""

    def __init__(
        self,
        host: HostBinder,
        world: Sockets,
        connections: Connections,
        resolver: Resolver,
        previous: dict[str, Entry],
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self._host = host
        self._world = world
        self._connections = connections
        self._resolver = resolver
        self._previous = previous
        self._open: dict[str, TcpListener | UdpRelay] = {}
        self._claim: socket.socket | None = None
        self.subnet = 0

    async def claim(self, first: int) -> None:
        """Take a subnet of loopback addresses that no other world on this machine has, `first` if it is free."""
        for subnet in (first, *host_addresses.SUBNETS):
            if subnet in host_addresses.SUBNETS:
                try:
                    self._claim = await self._host.bind("UDP", *host_addresses.claim_of(subnet))
                except OSError:
                    continue
                self.subnet = subnet
                return
        self.subnet = host_addresses.SUBNETS[0]
        log.warning("no subnet of loopback addresses is free: this world shares 127.%d.0.0/16", self.subnet)

    async def open(self, forward: Forward) -> Entry:
        """Open a port for a forward, the best that is free. Returns its entry, which has a note where it is another."""
        entry = await self._opened(forward) if len(self._open) < MOST_PORTS else _too_many(forward)
        self.entries[forward.key] = entry
        return entry

    def lacks_room(self, key: str) -> bool:
        """Whether this forward is closed because the world has too many ports."""
        return key not in self._open and key in self.entries and self.entries[key].note == TOO_MANY

    def change(self, forward: Forward) -> None:
        """Lead an open port to the same forward with other attributes."""
        entry = self.entries[forward.key]
        self.entries[forward.key] = Entry(forward, entry.host, entry.port, entry.note)

    def close(self, key: str) -> None:
        """Close a forward's port, if it has one."""
        self.entries.pop(key, None)
        if (found := self._open.pop(key, None)) is not None:
            found.close()

    async def _opened(self, forward: Forward) -> Entry:
        before = self._previous.pop(forward.key, None)
        note = before.note if before is not None else ""
        address = (before.host, before.port) if before is not None else None
        for candidate in host_addresses.candidates(forward, self.subnet, address):
            try:
                bound = await self._host.bind(forward.protocol, *candidate)
            except OSError as error:
                note = note or _reason(error, candidate)
                continue
            self._serve(forward, bound)
            host, port = bound.getsockname()
            return Entry(forward, host, port, note if port != forward.port else "")
        return Entry(forward, note=note)

    def _serve(self, forward: Forward, bound: socket.socket) -> None:
        key = forward.key

        async def resolve() -> Sequence[Target]:
            return await self._resolver(self.entries[key].forward) if key in self.entries else ()

        self._open[key] = listener(forward.protocol, bound, resolve, self._world, self._connections)


def _reason(error: OSError, candidate: Address) -> str:
    address, port = candidate
    if error.errno == errno.EADDRINUSE:
        return f"{address}:{port} is taken on this host"
    if error.errno == errno.EACCES:
        return NEEDS_ROOT
    return f"{address}:{port}: {error.strerror or error}"


def _too_many(forward: Forward) -> Entry:
    return Entry(forward, note=TOO_MANY)
