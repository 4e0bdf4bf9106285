"""What the CNI operations do: addresses, link, rules and gate, in an order that fails closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import SinkError
from podwire.kernel.element_row import ElementRow
from podwire.pods import links
from podwire.pods.addresses import ExhaustedError
from podwire.pods.attachment import Attachment, AttachmentKey, ContainerLock, Gate, PodIdentity
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from podwire.pods.namespace_pools import NamespacePools, UnknownPoolError
from podwire.pods.rows import source_rows
from podwire.pods.runtime import cni
from podwire.pods.runtime.cni import CniError, Code
from podwire.pods.runtime.ready_mark import RENEW_SECONDS, ReadyMark
from podwire.pods.sink import PodSetSink
from podwire.pods.store import Entry, Store, TakenError
from podwire.pods.uplink import Uplink

log = logging.getLogger(__name__)

GATE_SECONDS = 30.0
"""How long an ADD waits for the pod's policies before it gives up and undoes everything."""


RESTORE_SECONDS = 2.0
"""How long the start waits until leftovers are given back: only that needs the API server."""

LIVE_SECONDS = 5.0
"""How long a link may take from bring-up to its first packet."""

UNKNOWN_NODE = "this node has no podCIDRs or no InternalIP yet: waiting for its Node"


class PodOperations:
    """The operations on one node's attachments.

    `uplink` answers the node's network as it is now with the mtu of pods, or None while the node's addresses are not
    known yet. An attachment is in the store before anything of it is in the kernel, and leaves the store last.
    `mark` shows that an agent before this one had set the node's network up: while it is valid, STATUS succeeds and ADD
    waits until `node_known` is called.
    """

    def __init__(
        self,
        store: Store,
        sources: PodSetSink,
        gate: Gate,
        uplink: Callable[[], Uplink | None],
        cluster: Cluster,
        mark: ReadyMark,
        gate_seconds: float = GATE_SECONDS,
    ) -> None:
        self._store = store
        self._sink = sources
        self._gate = gate
        self._uplink = uplink
        self._cluster = cluster
        self._mark = mark
        self.pools = NamespacePools(tuple(pool.name for pool in cluster.pools))
        self._known = asyncio.Event()
        self._gate_seconds = gate_seconds
        self._guarded: dict[AttachmentKey, Attachment] = {}
        self._sources: Reconciler[AttachmentKey, ElementRow] = Reconciler("sources of pods", self._derive, sources)

    async def run(self) -> None:
        """Keep the anti-spoof rules equal to the attachments until cancelled."""
        await self._sources.run()

    def node_known(self) -> None:
        """Record that this node's ranges and addresses are known from now on."""
        self._known.set()

    async def keep_mark(self) -> None:
        """Renew the mark until cancelled once the node is known, and at the end of this process."""
        await self._known.wait()
        try:
            while True:
                self._mark.renew()
                await asyncio.sleep(RENEW_SECONDS)
        finally:
            self._mark.renew()

    @property
    def reconciler(self) -> Reconciler[AttachmentKey, ElementRow]:
        """That of the anti-spoof rules, for metrics."""
        return self._sources

    def rows(self) -> Iterator[str]:
        """Return the anti-spoof rules of all pods of this node as text."""
        return self._sources.lines()

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """All that have their network."""
        return tuple(entry.attachment for entry in self._store.entries() if entry.ready)

    async def restore(self) -> None:
        """After a start: keep complete attachments, undo those that an ADD left half done, release those of dead pods.

        The links of complete attachments are not touched. One that cannot be undone now stays for GC, or for the next
        ADD of its container.
        """
        present = await asyncio.to_thread(links.present)
        entries = self._store.entries()
        for entry in entries:
            if entry.ready and entry.attachment.host_interface in present:
                self._guarded[entry.attachment.key] = entry.attachment
                self._sources.touch(entry.attachment.key)
        self._sources.inputs_synced()
        left = [entry.attachment for entry in entries if entry.attachment.key not in self._guarded]
        for attachment in left:
            log.info("giving back what is left of the network of %s", attachment.pod)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESTORE_SECONDS):
                await asyncio.gather(*map(self._undo, left))

    async def add(self, key: AttachmentKey, pod: PodIdentity, netns: str) -> cni.Result:
        """Give a container its interface. One that it has already from podwire is answered again."""
        uplink = await self._uplink_soon()
        if self._store.ranges is None:
            raise CniError(Code.TRY_AGAIN_LATER, UNKNOWN_NODE)
        entry = self._store.find(key)
        if entry is not None and entry.ready and not await self._differences(entry.attachment, netns, uplink):
            return _result(entry.attachment, uplink.mtu)
        pool = await self._pool(pod)
        try:
            attachment = self._store.reserve(key, pod, netns, pool)
        except ExhaustedError as error:
            raise CniError(Code.TRY_AGAIN_LATER, str(error)) from None
        try:
            await self._attach(attachment, uplink)
        except Exception as error:
            await self._undo(attachment)
            raise self._refusal(error, attachment) from error
        return _result(attachment, await self._mtu_now(uplink))

    async def _pool(self, pod: PodIdentity) -> str:
        """Return of which pool the pod gets its addresses. Raises CniError where this node has none of it."""
        try:
            async with asyncio.timeout(self._gate_seconds):
                pool = await self.pools.of(pod.namespace)
        except UnknownPoolError as error:
            raise CniError(Code.TRY_AGAIN_LATER, str(error)) from None
        except TimeoutError:
            message = f"namespace {pod.namespace} is not known, nor of which pool its pods get their addresses"
            raise CniError(Code.TRY_AGAIN_LATER, message) from None
        if self._store.ranges_of(pool) is None:
            message = f"this node has no range of pod pool {pool}, which namespace {pod.namespace} has by its label: "
            message += "podwire controller gives it one, or an event of the Node names the reason"
            raise CniError(Code.TRY_AGAIN_LATER, message)
        return pool

    async def adopt(self, key: AttachmentKey, pod: PodIdentity, netns: str, previous: cni.Result) -> frozenset[str]:
        """Take over an interface that earlier plugins made; return the names that its end on the node had."""
        from podwire.pods import adopted_links  # on most nodes podwire makes all links
        from podwire.pods.runtime import chain

        uplink = await self._uplink_soon()
        addresses = chain.pod_addresses(previous, key, self._cluster.ranges)
        try:
            ends = await asyncio.to_thread(adopted_links.find, netns, key.interface)
            names = await asyncio.to_thread(adopted_links.host_names, ends, chain.node_interfaces(previous))
        except adopted_links.UnsuitableLinkError as error:
            raise CniError(Code.INVALID_CONFIGURATION, str(error)) from None
        except OSError as error:
            raise CniError(Code.INPUT_OUTPUT, f"the link of {pod} cannot be read: {error}") from error
        attachment = Attachment(key, pod, netns, addresses, ends.far.mac)
        entry = self._store.find(key)
        if entry == Entry(attachment, True) and not await self._differences(attachment, netns, uplink):
            return names
        try:
            self._store.adopt(attachment)
        except TakenError as error:
            raise CniError(Code.TRY_AGAIN_LATER, f"prevResult: {error}; it must be deleted first") from None
        try:
            await asyncio.to_thread(adopted_links.take_over, attachment, ends)
            await self._admit(attachment, uplink)
        except Exception as error:
            await self._undo(attachment)
            raise self._refusal(error, attachment) from error
        return names

    async def follow(self) -> None:
        """Let the links of all pods follow the uplink as it is now. Raises OSError."""
        uplink, attachments = self._uplink(), self.attachments
        if uplink is not None and attachments:
            await asyncio.to_thread(links.follow, attachments, uplink)

    async def _mtu_now(self, used: Uplink) -> int:
        """The mtu of a pod's new link; where the uplink has changed since it was made the link follows."""
        uplink = self._uplink() or used
        if uplink != used:
            await self.follow()
        return uplink.mtu

    async def _uplink_soon(self) -> Uplink:
        """Return the node's network; after a restart of the agent wait for it. Raises CniError."""
        if self._mark.is_valid():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._gate_seconds):
                    await self._known.wait()
        uplink = self._uplink()
        if uplink is None:
            raise CniError(Code.TRY_AGAIN_LATER, UNKNOWN_NODE)
        return uplink

    async def _attach(self, attachment: Attachment, uplink: Uplink) -> None:
        """The pod's end first, then all that holds it in, last of all the node's end."""
        await asyncio.to_thread(links.make, attachment, uplink.mtu)
        await self._admit(attachment, uplink)

    async def _admit(self, attachment: Attachment, uplink: Uplink) -> None:
        async with asyncio.timeout(self._gate_seconds):
            await self._gate.admit(attachment)
            self._guarded[attachment.key] = attachment
            self._sources.touch(attachment.key)
            await self._sources.settle(attachment.key)
        await asyncio.to_thread(links.connect, attachment, uplink)
        await _live(attachment)
        self._store.finish(attachment.key)

    async def delete(self, key: AttachmentKey) -> None:
        """Take the interface away and give its addresses back, last of all.

        One that an earlier plugin made is closed and left to it.
        """
        entry = self._store.find(key)
        try:
            if entry is None:
                await asyncio.to_thread(links.remove_unless_adopted, key.host_interface)
            elif not entry.attachment.is_adopted:
                await asyncio.to_thread(links.remove, key.host_interface)
            if entry is not None:
                await self._give_back(entry.attachment)
        except TimeoutError as error:
            reason = self._obstacle(entry.attachment) if entry is not None else "the kernel did not answer"
            message = f"removing {key.interface} of {key.container} took too long: {reason}"
            raise CniError(Code.TRY_AGAIN_LATER, message) from error
        except (OSError, SinkError) as error:
            raise CniError(Code.TRY_AGAIN_LATER, f"removing {key.interface} of {key.container}: {error}") from error

    async def _give_back(self, attachment: Attachment) -> None:
        async with asyncio.timeout(self._gate_seconds):
            await self._gate.release(attachment)
            self._guarded.pop(attachment.key, None)
            self._sources.touch(attachment.key)
            await self._sources.settle(attachment.key)
        self._store.release(attachment.key)

    async def _undo(self, attachment: Attachment) -> None:
        """As much as can be undone. What cannot stays in the store, not ready, and GC tries again."""
        try:
            await self.delete(attachment.key)
        except Exception:  # the caller has an error to report already, or a service to start
            log.exception("undoing the network of %s; GC will try again", attachment.pod)

    async def check(self, key: AttachmentKey, netns: str, previous: cni.Result | None) -> None:
        """Compare with what ADD made, exactly."""
        entry, uplink = self._store.find(key), self._uplink()
        if entry is None or not entry.ready:
            raise CniError(Code.DIFFERENT, f"container {key.container} has no interface {key.interface} from podwire")
        if uplink is None:
            raise CniError(Code.TRY_AGAIN_LATER, "the addresses of this node are not known yet: waiting for its Node")
        found = await self._differences(entry.attachment, netns, uplink)
        if previous is not None:
            found += _unlike(previous, entry.attachment)
        if found:
            raise CniError(
                Code.DIFFERENT, f"the network of {entry.attachment.pod} is not as it was made", "; ".join(found)
            )

    async def _differences(self, attachment: Attachment, netns: str, uplink: Uplink) -> list[str]:
        if netns != attachment.netns:
            return [f"the network namespace is {netns} instead of {attachment.netns}"]
        try:
            found = await asyncio.to_thread(lambda: list(_compared(attachment, uplink)))
        except OSError as error:
            return [str(error)]
        missing = [row for row in source_rows(attachment) if not await self._sink.holds(row)]
        return found + [f"the rule that allows {row.element.text} is missing" for row in missing]

    async def status(self) -> None:
        """Return when an ADD could be served now, or soon: while an agent that has restarted waits for the API."""
        needs_ranges = self._cluster.mode is not Mode.NONE
        if self._uplink() is None or (needs_ranges and self._store.ranges is None):
            if self._mark.is_valid():
                return
            raise CniError(Code.NOT_AVAILABLE, UNKNOWN_NODE)
        if self._store.ranges is not None and self._store.exhausted:
            raise CniError(Code.NOT_AVAILABLE, str(ExhaustedError(self._store.ranges)))

    async def collect(self, valid: frozenset[AttachmentKey], lock: ContainerLock) -> None:
        """Remove all attachments that are not valid, those that are half done, and links without an attachment.

        Containers are locked one by one, so that one whose ADD takes long holds up no other.
        """
        faults: list[str] = []
        # Links first: that of an ADD which begins now has its entry in the store before it exists.
        present = await asyncio.to_thread(links.present)
        entries = self._store.entries()
        for name in set(present) - {entry.attachment.host_interface for entry in entries}:
            await asyncio.to_thread(links.remove, name)
        for entry in entries:
            key = entry.attachment.key
            if key in valid and entry.ready:
                continue
            async with lock(key.container):
                # An entry that has become ready meanwhile is of an ADD that ran when the list was made.
                if self._store.find(key) == entry:
                    faults += await self._collected(key)
        if faults:
            raise CniError(Code.TRY_AGAIN_LATER, "not everything could be removed", "; ".join(faults))

    async def _collected(self, key: AttachmentKey) -> list[str]:
        try:
            await self.delete(key)
        except CniError as error:
            return [error.message]
        return []

    def _refusal(self, error: Exception, attachment: Attachment) -> CniError:
        """Return the CNI error of an ADD that failed."""
        if isinstance(error, TimeoutError):
            message = f"{attachment.pod} gets no network before its policies are applied: "
            message += f"after {self._gate_seconds:g} s {self._obstacle(attachment)}"
            return CniError(Code.TRY_AGAIN_LATER, message)
        return _refusal(error, attachment)

    def _obstacle(self, attachment: Attachment) -> str:
        """Return what the attachment waits for now."""
        if self._sources.failure:
            return f"its anti-spoof rules cannot be written: {self._sources.failure}"
        return self._gate.obstacle(attachment)

    def _derive(self, key: AttachmentKey) -> Iterator[ElementRow]:
        attachment = self._guarded.get(key)
        return source_rows(attachment) if attachment else iter(())


async def _live(attachment: Attachment) -> None:
    """Return when the pod can send: usually at once, a few milliseconds later on a busy machine."""
    try:
        async with asyncio.timeout(LIVE_SECONDS):
            # Asking again is rare and cheap; a socket for link events would cost every ADD.
            while not await asyncio.to_thread(links.is_live, attachment):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    except TimeoutError:
        message = f"the link of {attachment.pod} did not come up within {LIVE_SECONDS:g} s"
        raise CniError(Code.TRY_AGAIN_LATER, message) from None


def _result(attachment: Attachment, mtu: int) -> cni.Result:
    node = cni.Interface(attachment.host_interface, links.NODE_MAC, mtu)
    pod = cni.Interface(attachment.key.interface, attachment.mac, mtu, attachment.netns)
    gateways = {address: str(links.GATEWAYS[address.version]) for address in attachment.addresses}
    return cni.Result(
        interfaces=(node, pod),
        ips=tuple(cni.Address(f"{a}/{a.max_prefixlen}", gateway, 1) for a, gateway in gateways.items()),
        routes=tuple(cni.RouteEntry("0.0.0.0/0" if a.version == 4 else "::/0", gw) for a, gw in gateways.items()),
    )


def _compared(attachment: Attachment, uplink: Uplink) -> Iterator[str]:
    """Return what of a pod's link is not as it was made. Raises OSError."""
    if not attachment.is_adopted:
        return links.differences(attachment, uplink)
    from podwire.pods import adopted_links

    return adopted_links.differences(attachment, uplink)


def _unlike(previous: cni.Result, attachment: Attachment) -> list[str]:
    """Return where prevResult differs. Later plugins of the chain may have added to it, so it may have more."""
    found: list[str] = []
    known = {entry.address.partition("/")[0] for entry in previous.ips}
    missing = [f"{one}/{one.max_prefixlen}" for one in attachment.addresses if str(one) not in known]
    if missing:
        found.append(f"prevResult lacks the addresses {', '.join(missing)}")
    if attachment.key.interface not in {entry.name for entry in previous.interfaces}:
        found.append(f"prevResult lacks the interface {attachment.key.interface}")
    return found


def _refusal(error: Exception, attachment: Attachment) -> CniError:
    if isinstance(error, CniError):
        return error
    if isinstance(error, links.ForeignLinkError):
        return CniError(Code.BAD_ENVIRONMENT, f"CNI_IFNAME: {error}; remove it or choose another name")
    if isinstance(error, FileNotFoundError) and error.filename == attachment.netns:
        return CniError(Code.BAD_ENVIRONMENT, f"CNI_NETNS {attachment.netns} does not exist")
    if isinstance(error, OSError):
        return CniError(Code.INPUT_OUTPUT, f"the network of {attachment.pod} could not be made: {error}")
    if isinstance(error, SinkError):
        return CniError(Code.TRY_AGAIN_LATER, f"the rules of {attachment.pod} could not be written: {error}")
    return CniError(Code.INPUT_OUTPUT, f"the network of {attachment.pod} could not be made: {error!r}")
