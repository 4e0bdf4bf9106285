"""NetworkPolicy on one node: informers and attachments in, rows in the kernel out, and the gate for new pods."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from podwire.engine.reconcile import Reconciler
from podwire.kube.feed import AwaitableFeed, Feed, first_set
from podwire.kube.meta import NamespacedName
from podwire.policy.derivation import closed, rows
from podwire.policy.model import Identity, policy
from podwire.policy.numbering import who
from podwire.policy.rows import IsolatedRow, Row, numbers_in
from podwire.policy.tier_reading import cluster_policy
from podwire.policy.tier_rows import AnyTierRow
from podwire.policy.tiers import TierSubject
from podwire.policy.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from podwire.engine.sink import Sink
    from podwire.kernel.link_end import LinkEnd
    from podwire.kube.core import Namespace, Node, Pod
    from podwire.kube.network_policy_api import ClusterNetworkPolicy
    from podwire.kube.networking import NetworkPolicy
    from podwire.kube.watch import Change
    from podwire.policy.identities import Allocation, IdentityAllocator
    from podwire.policy.model import IPAddress
    from podwire.policy.peers import PeerPod
    from podwire.policy.pod_ranges import PodRanges
    from podwire.policy.tiers import ClusterPolicy
    from podwire.policy.view import Owner

log = logging.getLogger(__name__)

DEFER_SECONDS = 10.0
"""Longest delay of the first policies that read pods of other nodes: later they isolate, and admit no pod that is not
known."""


class PeerFeed(Protocol):
    """The pods of other nodes, which are followed only when they are required."""

    synced: asyncio.Event

    def require(self) -> None:
        """Follow them from now on."""
        ...

    def subscribe(self, listener: Callable[[Change[PeerPod]], None]) -> None:
        """Call the listener for every change."""
        ...


class PolicyFeeds(msgspec.Struct, frozen=True):
    """What policies are about. `pods` are this node's, `peers` those of others."""

    pods: AwaitableFeed[Pod]
    namespaces: Feed[Namespace]
    policies: Feed[NetworkPolicy]
    cluster_policies: Feed[ClusterNetworkPolicy]
    nodes: Feed[Node]
    peers: PeerFeed

    @property
    def followed(self) -> tuple[Feed[Any], ...]:
        """Those without which nothing is complete."""
        return (self.pods, self.namespaces, self.policies, self.cluster_policies, self.nodes)


class Policies:
    """Keeps the table of this node equal to what the policies of the cluster mean for its pods.

    Nothing is derived, and so nothing changes in the kernel, before all informers have seen everything once and
    every pod that the address store knows has been attached: with half of the objects a pod may look free.

    The pods of other nodes are required with the first policy that reads them: what it isolates would lose its
    connections if it were applied before they are known. So it is applied after that, or after DEFER_SECONDS without
    them. At the start there is no such limit: the kernel has what it had.
    """

    def __init__(
        self,
        node: str,
        feeds: PolicyFeeds,
        sink: Sink[Row],
        numbers: IdentityAllocator,
        always: Sequence[ClusterPolicy] = (),
        ranges: PodRanges | None = None,
    ) -> None:
        """`always`: policies that count whatever objects there are. `ranges`: of pods."""
        self.view = View(node, always, ranges)
        self._informers = feeds.followed
        self._pods = feeds.pods
        self._numbers = numbers
        self._departed: set[Allocation] = set()
        self._departure = asyncio.Event()
        self._reconciler: Reconciler[Owner, Row] = Reconciler(
            "policy", self._derive, sink, self._restore, affected=self._affected
        )
        self._peers = feeds.peers
        self._deferred: list[Callable[[], set[Owner]]] = []
        """Changes of policies, in order, that are applied when the pods of other nodes are known."""
        self._applied = asyncio.Event()
        self._applied.set()
        self._deferring = asyncio.Event()
        self._gave_up = False
        self._away = asyncio.Event()
        """Set where the server is away and what was known before counts."""
        feeds.namespaces.subscribe(lambda change: self._touch(self.view.namespace_changed(change)))
        feeds.policies.subscribe(self._policy_changed)
        feeds.cluster_policies.subscribe(self._cluster_policy_changed)
        feeds.nodes.subscribe(lambda change: self._touch(self.view.tiers.node_changed(change)))
        feeds.pods.subscribe(lambda change: self._touch(self.view.pod_changed(change)))
        feeds.peers.subscribe(lambda change: self._touch(self.view.peer_changed(change)))
        if always:
            feeds.peers.require()

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return (self._reconciler,)

    def start_without_server(self) -> None:
        """Begin with the objects that the informers have, without waiting for the server: it is away.

        They must be a whole state that was known before. Pods that are not among them get no network.
        """
        self._away.set()

    def attach(
        self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress], link: LinkEnd | None = None
    ) -> None:
        """The pod has these addresses on this node: known before the API server sends it, and takes precedence over it.

        Without its link the pod stays closed.
        """
        self._touch(self.view.attach(pod, uid, addresses, link))

    def detach(self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress]) -> None:
        """The pod has these addresses no longer."""
        self._touch(self.view.detach(pod, uid, addresses))

    def name_changed(self, name: str, addresses: Iterable[IPAddress], former: Iterable[IPAddress]) -> None:
        """The cluster's DNS has these addresses for a name now, and had the former ones; none: no longer."""
        self._touch(self.view.tiers.name_changed(name, addresses, former))

    def resolvers_changed(self, addresses: Iterable[IPAddress]) -> None:
        """The cluster's DNS has these addresses now."""
        self._touch(self.view.tiers.resolvers_changed(addresses))

    async def known(self, pod: NamespacedName, uid: str) -> None:
        """Wait until the API server has sent the pod with this uid."""
        await self._pods.wait_for(lambda: self.is_known(pod, uid))

    async def admit(
        self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress], link: LinkEnd | None = None
    ) -> None:
        """Attach, and wait until all rows that concern the pod are in the kernel.

        It waits until the API server has sent the pod with this uid: what is not known cannot be judged. Set a time
        limit. Raises RefusedError when the kernel refuses a row that concerns the pod.
        """
        self.attach(pod, uid, addresses, link)
        await self.known(pod, uid)
        await self._applied.wait()
        await self._reconciler.settle(*self._owners(addresses))

    async def release(self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress]) -> None:
        """Detach, and return when the kernel knows no pod at these addresses: then another one may have them."""
        self.detach(pod, uid, addresses)
        await self._reconciler.settle(*addresses)

    def obstacle(self, pod: NamespacedName, uid: str) -> str:
        """Return what `admit` and `release` wait for now."""
        if not self.is_known(pod, uid):
            return f"the API server has not sent pod {pod} with uid {uid or 'of any value'}"
        if self._deferred:
            return "the API server has not sent the pods of other nodes, which policies name"
        if self._reconciler.failure:
            return f"its policies cannot be written: {self._reconciler.failure}"
        return "its policies are not written yet"

    def lines(self) -> Iterator[str]:
        """All rows as text, after what the numbers in them mean."""
        for allocation in self._numbers.allocations():
            if isinstance(allocation, Identity):
                yield f"{who(self._numbers.identity(allocation))} means {allocation}"
        yield from self._reconciler.lines()

    async def settle(self) -> None:
        """Wait until all changes received before this call are in the kernel."""
        await self._applied.wait()
        await self._reconciler.settle()

    async def run(self) -> None:
        """Run until cancelled."""
        for informer in self._informers:
            await first_set(informer.synced, self._away)
        if self._deferred:
            await first_set(self._peers.synced, self._away)
            self._apply_deferred()
        self._departed.update(self._numbers.allocations())
        self._departure.set()
        self._reconciler.inputs_synced()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reconciler.run())
            tasks.create_task(self._release())
            tasks.create_task(self._follow_deferred())

    def _policy_changed(self, change: Change[NetworkPolicy]) -> None:
        reads_peers = change.new is not None and policy(change.new).reads_peers
        self._apply(lambda: self.view.policy_changed(change), reads_peers=reads_peers)

    def _cluster_policy_changed(self, change: Change[ClusterNetworkPolicy]) -> None:
        reads_peers = change.new is not None and cluster_policy(change.new).reads_peers
        self._apply(lambda: self.view.cluster_policy_changed(change), reads_peers=reads_peers)

    def _apply(self, change: Callable[[], set[Owner]], *, reads_peers: bool) -> None:
        """Make a change of policies now, or once the pods that it reads are known; changes stay in their order."""
        known = self._gave_up or self._away.is_set() or self._peers.synced.is_set()
        early = reads_peers and not known
        if not self._deferred and not early:
            self._touch(change())
            return
        self._peers.require()
        self._deferred.append(change)
        self._applied.clear()
        self._deferring.set()

    async def _follow_deferred(self) -> None:
        while True:
            await self._deferring.wait()
            self._deferring.clear()
            try:
                async with asyncio.timeout(DEFER_SECONDS):
                    await self._peers.synced.wait()
            except TimeoutError:
                self._gave_up = True
                log.warning("the pods of other nodes are not known yet: until they are, policies admit none of them")
            self._apply_deferred()

    def _apply_deferred(self) -> None:
        deferred, self._deferred = self._deferred, []
        for change in deferred:
            self._touch(change())
        self._applied.set()

    def _derive(self, owner: Owner) -> Iterable[Row]:
        """The rows of an owner. What cannot be derived is closed: without rows, pods would not be isolated at all.

        Nor would they be where the kernel refuses to isolate them: then no address bears their identity.
        """
        if not isinstance(owner, Identity | TierSubject) and self._cannot_isolate(owner):
            return ()
        try:
            return tuple(rows(owner, self.view, self._numbers))
        except Exception:
            log.exception("the policies of %s cannot be derived: it is closed", owner)
            return tuple(closed(owner, self._numbers))

    def _cannot_isolate(self, address: IPAddress) -> bool:
        """Whether the address is of a pod of this node that policies isolate, which the kernel refuses."""
        bearer = self.view.bearer(address)
        if bearer is None or not bearer.local:
            return False
        owners = (bearer.identity, TierSubject(bearer.identity))
        return any(_isolates(each.row) for each in self._reconciler.table.refusals(*owners))

    def _affected(self, rows: Iterable[Row]) -> Iterable[Owner]:
        """Return the addresses of this node's pods, where it changes whether some can be isolated."""
        return self.view.local_addresses() if any(map(_isolates, rows)) else ()

    def _owners(self, addresses: Iterable[IPAddress]) -> set[Owner]:
        """Return the owners of the rows that concern the pod with these addresses."""
        identities = [found.identity for address in addresses if (found := self.view.bearer(address)) is not None]
        return {*addresses, *identities, *map(TierSubject, identities)}

    def _restore(self, held: Iterable[Row]) -> None:
        self._numbers.found_in_kernel(number for row in held for number in numbers_in(row))

    def _touch(self, owners: Iterable[Owner]) -> None:
        dirty = set(owners)
        if dirty:
            self._reconciler.touch(*dirty)
        if self.view.departed:
            self._departed |= self.view.departed
            self.view.departed.clear()
            self._departure.set()

    def is_known(self, pod: NamespacedName, uid: str) -> bool:
        """Whether the API server has sent the pod with this uid."""
        known = self._pods.objects.get(pod)
        return known is not None and known.is_run_as(uid)

    async def _release(self) -> None:
        """Give back numbers that nothing needs, only after the kernel has lost all rows with them."""
        while True:
            await self._departure.wait()
            self._departure.clear()
            departed, self._departed = self._departed, set()
            await self._reconciler.settle()
            for allocation in departed:
                if not self.view.alive(allocation):
                    self._numbers.release(allocation)


def _isolates(row: Row) -> bool:
    """Whether connections may pass that must not where the kernel lacks this row."""
    return isinstance(row, IsolatedRow | AnyTierRow)
