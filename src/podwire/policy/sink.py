"""Rows to elements of the table in the kernel: loaded once, read back after a restart, written piece by piece."""

from __future__ import annotations

import asyncio
import logging
from importlib import resources
from typing import TYPE_CHECKING

from podwire.engine.sink import SinkError
from podwire.kernel import sysctl
from podwire.kernel.conntrack import Conntrack
from podwire.kernel.elements import commands
from podwire.kernel.listing import held_elements
from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nftables import NftablesError
from podwire.kernel.ruleset import Ruleset
from podwire.policy import layout
from podwire.policy.rows import AddressRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from podwire.engine.row import Delta
    from podwire.kernel.elements import Element, IPAddress
    from podwire.kernel.nftables import Nftables
    from podwire.policy.rows import Row

log = logging.getLogger(__name__)

TABLE = "inet podwire-policy"

CHANGES_A_TRANSACTION = 500
"""Additions and deletions; an interval with IPv6 addresses takes about four times the room of a plain element."""


class NftablesSink:
    """The table, and connection tracking, of the network namespace that this thread is in."""

    def __init__(self, nft: Nftables) -> None:
        self._nft = nft
        self._conntrack = Conntrack()
        self._owed: set[IPAddress] = set()
        """Addresses that lost their pod in a write that failed: what is read back then does not tell whose it was."""

    async def read(self) -> Iterable[Row]:
        """The rows that the table holds. Where it is not there it is loaded, and holds none.

        That of another release is replaced, as its numbers may mean something else: until the rows are written no pod
        is known, so new connections wait, closed, and established ones go on.
        """
        try:
            ruleset = Ruleset((TABLE,), resources.files(__package__).joinpath("policy.nft").read_text())
            if not ruleset.stands(self._nft):
                refuse_midstream()
                self._nft.run(ruleset.replacement)
                return ()
            return list(layout.rows(await held_elements(TABLE, layout.COLLECTIONS)))
        except NftablesError as error:
            raise SinkError(f"reading back table {TABLE}: {error}") from error

    async def write(self, delta: Delta[Row]) -> None:
        """Upserts in order, then removals; other tasks get their turn between two transactions.

        Before an address loses its pod, to nobody or to the next one at once, the node forgets the datagrams between it
        and others: what is tracked passes unjudged, also to the next pod with this address. Forgotten first, nothing is
        left over if this process dies; what came meanwhile was let through by the old rows, and is forgotten too.
        """
        self._owed.update(bereft(delta))
        gone = frozenset(self._owed)
        await self._forget(gone)
        try:
            for text in transactions(delta):
                self._nft.run(text)
                await asyncio.sleep(0)
        except NftablesError as error:
            raise SinkError(f"writing table {TABLE}: {error}") from error
        await self._forget(gone)
        self._owed -= gone

    async def _forget(self, addresses: Collection[IPAddress]) -> None:
        try:
            if addresses:
                await asyncio.to_thread(self._conntrack.forget_addresses, addresses)
        except NetlinkError as error:
            raise SinkError(f"forgetting the flows of pods that are gone: {error}") from error


def refuse_midstream() -> None:
    """Let connection tracking of this namespace take up no TCP connection that it did not see begin.

    Else the next packet of a connection whose entry was deleted would make a new one, in either direction.
    """
    try:
        sysctl.write({"net/netfilter/nf_conntrack_tcp_loose": 0})
    except OSError as error:
        log.warning("connections may be taken up midstream: nf_conntrack_tcp_loose cannot be set to 0: %s", error)


def bereft(delta: Delta[Row]) -> Iterator[IPAddress]:
    """The addresses that lose their pod with this batch, to nobody or to another pod.

    Of a row that was read back only the identity is known: where that stays, it is taken for the same pod.
    """
    yield from (row.address for row in delta.removals if isinstance(row, AddressRow))
    if not delta.replaced:
        return
    now = {row.address: row for row in delta.upserts if isinstance(row, AddressRow)}
    for old in delta.replaced:
        if isinstance(old, AddressRow):
            new = now[old.address]
            if new.pod != old.pod if old.pod else new.identity != old.identity:
                yield old.address


def transactions(delta: Delta[Row]) -> Iterator[str]:
    """The batch as nft texts, usually one: then the kernel goes from the old state to the new one in an instant.

    Where it takes several, upserts come before removals, and a row's old and new elements change in the same one. Only
    a row with more changes than fit is taken down first and then set up: closed for that moment, never open.
    """
    replaced = {row.key: row for row in delta.replaced}
    batch = _Batch()
    for row in delta.upserts:
        wanted = layout.elements(row)
        old = replaced.get(row.key)
        held = layout.elements(old) if old is not None else ()
        yield from batch.change(_difference(held, wanted), _difference(wanted, held))
    for row in delta.removals:
        yield from batch.change(list(layout.elements(row)), [])
    yield from batch.flush()


def _difference(left: tuple[Element, ...], right: tuple[Element, ...]) -> list[Element]:
    other = set(right)
    return [element for element in left if element not in other]


class _Batch:
    """Changes that wait to fill one transaction: deletions go first in it, as intervals may not overlap."""

    def __init__(self) -> None:
        self._deletions: list[Element] = []
        self._additions: list[Element] = []

    def change(self, deletions: list[Element], additions: list[Element]) -> Iterator[str]:
        """Add changes that belong together; answers the transactions that are full."""
        size = len(deletions) + len(additions)
        if len(self._deletions) + len(self._additions) + size > CHANGES_A_TRANSACTION:
            yield from self.flush()
        if size <= CHANGES_A_TRANSACTION:
            self._deletions += deletions
            self._additions += additions
            return
        for verb, elements in (("delete", deletions), ("add", additions)):
            for start in range(0, len(elements), CHANGES_A_TRANSACTION):
                yield commands(TABLE, verb, elements[start : start + CHANGES_A_TRANSACTION])

    def flush(self) -> Iterator[str]:
        """The transaction that waits, if there is one."""
        if self._deletions or self._additions:
            yield commands(TABLE, "delete", self._deletions) + commands(TABLE, "add", self._additions)
            self._deletions, self._additions = [], []
