"""Established connections after policies changed: which changes of rows forbid something, and which flows that ends.

Rules judge first packets only. What they forbid later is judged again here, by the model, for the pods whose rows
became narrower: the entries that connection tracking has of their addresses, and no others.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Protocol

import msgspec

from podwire.kernel.conntrack import Conntrack
from podwire.kernel.links import addresses as link_addresses
from podwire.kernel.netlink import Netlink, NetlinkError
from podwire.kernel.worker import Worker
from podwire.policy.rows import AddressRow, IsolatedRow, LinkRow, ResolverRow, Row, SelfRow
from podwire.policy.tier_rows import AnyTierRow, NodeAddressRow
from podwire.policy.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from podwire.engine.row import Delta
    from podwire.engine.sink import OrderedSink
    from podwire.kernel.address_flows import AddressFlow
    from podwire.policy.model import Identity, IPAddress
    from podwire.policy.view import View

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
PAUSE_SECONDS = 0.2
"""Time between two looks at connection tracking: changes in it are judged together, as each look walks its table."""
_NAMES = {socket.IPPROTO_TCP: "TCP", socket.IPPROTO_UDP: "UDP", socket.IPPROTO_SCTP: "SCTP"}


class Narrowed(msgspec.Struct, frozen=True):
    """Whose connections may be forbidden after a batch: identities by number, and addresses."""

    subjects: frozenset[int] = frozenset()
    addresses: frozenset[IPAddress] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.subjects or self.addresses)

    def __or__(self, other: Narrowed) -> Narrowed:
        return Narrowed(self.subjects | other.subjects, self.addresses | other.addresses)


def narrowed(delta: Delta[Row]) -> Narrowed:
    """Return what a batch may forbid: what is allowed no longer, who is isolated now, addresses of other identity.

    Rows that only allow more cut nothing, nor do addresses without a pod: the sink deletes their flows.
    """
    subjects = set(_subjects(delta.removals, isolating=False)) | set(_subjects(delta.replaced, isolating=False))
    subjects |= set(_subjects(delta.upserts, isolating=True))
    moved = {row.address for row in delta.replaced if isinstance(row, AddressRow)}
    return Narrowed(frozenset(subjects), frozenset(moved))


def _subjects(rows: Iterable[Row], *, isolating: bool) -> Iterator[int]:
    """The subjects of rows that isolate, or of those that allow; decisions of ClusterNetworkPolicies may do both."""
    for row in rows:
        if isinstance(row, AddressRow | LinkRow | SelfRow | ResolverRow | NodeAddressRow):
            continue
        if isinstance(row, AnyTierRow) or isinstance(row, IsolatedRow) == isolating:
            yield row.subject


def forbidden(view: View, flows: Iterable[AddressFlow], own: Collection[IPAddress]) -> Iterator[AddressFlow]:
    """Return the flows that the policies of this node's pods forbid now.

    What the node itself sends (`own` are its addresses) is never judged, nor is what belongs to another connection.
    """
    for flow in flows:
        if flow.related or flow.source in own:
            continue
        source, answering = view.bearer(flow.source), view.bearer(flow.answering)
        ends = view.party(flow.source), view.party(flow.answering)
        judged = verdict(view, *ends, _NAMES.get(flow.protocol, ""), flow.port, established=True)
        sent = source is None or not source.local or judged.egress.allowed
        received = answering is None or not answering.local or judged.ingress.allowed
        if not (sent and received):
            yield flow


class Numbers(Protocol):
    """The numbers of identities (podwire.policy.identities.IdentityAllocator)."""

    def identity(self, identity: Identity) -> int:
        """The number of an identity."""
        ...


class Tracking(Protocol):
    """What is needed of connection tracking (podwire.kernel.conntrack.Conntrack)."""

    def flows_of(self, addresses: Collection[IPAddress]) -> list[AddressFlow]:
        """Return the entries with an end at one of the addresses. Raises NetlinkError."""
        ...

    def delete_flows(self, flows: Iterable[AddressFlow]) -> None:
        """Delete entries. Raises NetlinkError."""
        ...


async def _at_once() -> None:
    return


class Resets(Protocol):
    """Ends connections at their sockets (podwire.policy.stream_resets.StreamResets)."""

    def namespaces(self) -> Mapping[IPAddress, str]:
        """Return the paths of the network namespaces of this node's pods."""
        ...

    def reset(self, flows: Iterable[AddressFlow], namespaces: Mapping[IPAddress, str]) -> None:
        """End what has a socket in one of these namespaces. Blocks, never raises."""
        ...


class EstablishedFlows:
    """Ends the connections that changes forbid, in the network namespace that this thread is in.

    `complete` returns when all pods are known that policies read: a peer that is not known yet is no reason to end its
    connections. `resets`: without them the ends are not notified.
    """

    def __init__(
        self,
        view: View,
        numbers: Numbers,
        complete: Callable[[], Awaitable[object]] = _at_once,
        tracking: Tracking | None = None,
        resets: Resets | None = None,
    ) -> None:
        self._view = view
        self._complete = complete
        self._numbers = numbers
        self._tracking = tracking if tracking is not None else Conntrack()
        self._resets = resets
        self._worker = Worker("established")
        self._due = Narrowed()
        self._wake = asyncio.Event()
        self.ended = 0
        """Entries that were deleted."""

    def applied(self, delta: Delta[Row]) -> None:
        """A batch is in the kernel."""
        found = narrowed(delta)
        if found:
            self._due |= found
            self._wake.set()

    def judge_all(self) -> None:
        """Judge what all pods of this node have: the process before this one may have died before it did."""
        self._due |= Narrowed(addresses=frozenset(self._view.local_addresses()))
        self._wake.set()

    async def run(self) -> None:
        """Follow the changes until cancelled."""
        while True:
            await self._wake.wait()
            await self._complete()
            self._wake.clear()
            due, self._due = self._due, Narrowed()
            try:
                await self.end_forbidden(due)
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception as error:  # enforcement of new connections does not depend on it
                if isinstance(error, NetlinkError):
                    log.warning("connections that policies forbid cannot be ended yet: %s", error)
                else:
                    log.exception("connections that policies forbid cannot be ended yet")
                self._due |= due
                self._wake.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def end_forbidden(self, due: Narrowed) -> None:
        """Judge the connections of these pods again, and delete the entries of those that are forbidden."""
        addresses = self._addresses(due)
        if not addresses:
            return
        flows, own = await self._worker.run(self._read, addresses)
        ending = list(forbidden(self._view, flows, own))
        if ending:
            await self._end(ending)
            self.ended += len(ending)
            log.info("%d connections ended that policies forbid now", len(ending))

    async def _end(self, flows: Sequence[AddressFlow]) -> None:
        """Reset first: that is a packet of the connection, which passes as long as its entry is there."""
        if self._resets is not None:
            await self._worker.run(self._resets.reset, flows, self._resets.namespaces())
        await self._worker.run(self._tracking.delete_flows, flows)

    def _addresses(self, due: Narrowed) -> set[IPAddress]:
        found = set(due.addresses)
        for address in self._view.local_addresses() if due.subjects else ():
            bearer = self._view.bearer(address)
            if bearer is not None and self._numbers.identity(bearer.identity) in due.subjects:
                found.add(address)
        return found

    def _read(self, addresses: Collection[IPAddress]) -> tuple[list[AddressFlow], set[IPAddress]]:
        with Netlink() as netlink:
            own = {found.address for found in link_addresses(netlink)}
        return self._tracking.flows_of(addresses), own


class FollowedSink:
    """A sink of rows whose batches are passed on after they were applied."""

    def __init__(self, sink: OrderedSink[Row], flows: EstablishedFlows | None = None) -> None:
        self._sink = sink
        self._flows = flows

    def follow(self, flows: EstablishedFlows) -> None:
        """Pass batches on to these from now on."""
        self._flows = flows

    async def read(self) -> Iterable[Row]:
        """Return all rows that the target holds now. Raises SinkError."""
        return await self._sink.read()

    async def in_order(self, delta: Delta[Row]) -> Sequence[Delta[Row]]:
        """Return batches of this one that open nothing as they come one after the other. Raises SinkError."""
        return await self._sink.in_order(delta)

    async def write(self, delta: Delta[Row]) -> None:
        """Apply a batch, then pass it on; one that failed too, as parts of it may be applied. Raises SinkError."""
        try:
            await self._sink.write(delta)
        finally:
            if self._flows is not None:
                self._flows.applied(delta)
