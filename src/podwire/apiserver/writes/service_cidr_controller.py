"""ServiceCIDRs: ranges that Services get addresses of, from their creation until nothing uses them.

    event                        effect
    ServiceCIDR created          finalizer and condition Ready are set inside the write; its addresses are given
    DELETE                       marked: no new addresses; not Ready while addresses of no other range are held
    last such address released   the finalizer is removed, and the ServiceCIDR with it
    IPAddress of a Service lost  stored again
    server started               IPAddresses of this server that no Service has are removed

Source: k8s.io/kubernetes `pkg/controller/servicecidrs`, `pkg/registry/core/service/ipallocator/cidrallocator.go`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes import ip_addresses
from podwire.apiserver.writes.options import WriteOptions
from podwire.apiserver.writes.parts import STATUS
from podwire.kube.meta import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from podwire.apiserver.kinds.resources import Registry, Resource
    from podwire.apiserver.storage.revisions import Event, Stored
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.storage.transaction import Transaction
    from podwire.apiserver.writes.admission import Write
    from podwire.apiserver.writes.ip_addresses import IPAddresses
    from podwire.apiserver.writes.service_allocator import ServiceAddresses
    from podwire.apiserver.writes.writer import Writer

Object = dict[str, Any]
Network = IPv4Network | IPv6Network

log = logging.getLogger(__name__)

STORAGE = "servicecidrs.networking.k8s.io"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
RETRY_SECONDS = 1.0

_READY = "Kubernetes Service CIDR is ready"
_IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
_AUTHOR = WriteOptions(author="service-cidr-controller")
_STATUS_AUTHOR = WriteOptions(author="service-cidr-controller", subresource="status")


class ServiceCIDRController:
    """Follows ServiceCIDRs, IPAddresses and Services. `admit` and `removed` take part in writes."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        addresses: ServiceAddresses,
        objects: IPAddresses,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._resource = registry.by_kind("networking.k8s.io/v1", "ServiceCIDR")
        self._addresses = addresses
        self._objects = objects
        self._clock = clock
        self._changed = asyncio.Event()
        self._deleting: set[str] = set()
        self._incomplete: set[Key] = set()
        self._unproven: set[Key] = set()
        self._task: asyncio.Task[None] | None = None

    def admit(self, write: Write) -> None:
        """Protect a ServiceCIDR; give a Service its addresses. Raises StatusError 422."""
        if write.resource.storage == STORAGE:
            self._protect(write)
        elif write.resource.storage == "services":
            self._objects.follow(write.transaction, write.resource, write.obj, write.old)

    def removed(self, transaction: Transaction, resource: Resource, obj: Object) -> None:
        """Remove the IPAddresses of a Service that is removed."""
        if resource.storage == "services":
            for address in ip_addresses.cluster_addresses(obj):
                self._objects.remove(transaction, obj, address)

    def networks(self) -> list[Network]:
        """The networks of all ServiceCIDRs, those that are being deleted among them."""
        return [network for stored in self._store.objects(STORAGE) for network in networks(stored.object())]

    def start(self, writer: Writer) -> None:
        """Give addresses of the ranges that the store has, and follow what changes."""
        for stored in self._store.objects(STORAGE):
            self._serve(stored)
        for stored in self._store.objects(ip_addresses.STORAGE):
            self._hold(stored)
        self._store.subscribe(self._on_events)
        self._incomplete.update(stored.key for stored in self._store.objects("services"))
        self._unproven.update(stored.key for stored in self._store.objects(ip_addresses.STORAGE))
        self._changed.set()
        self._task = asyncio.create_task(self._run(writer))

    async def stop(self) -> None:
        """End the background task."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _protect(self, write: Write) -> None:
        metadata = write.obj["metadata"]
        if "deletionTimestamp" in metadata:
            return
        if FINALIZER not in metadata.get("finalizers", ()):
            metadata["finalizers"] = [*metadata.get("finalizers", ()), FINALIZER]
        if write.old is None:
            write.obj["status"] = {"conditions": [self._condition("True", "", _READY)]}

    def _condition(self, ready: str, reason: str, message: str) -> Object:
        now = timestamp(self._clock())
        return {"type": "Ready", "status": ready, "reason": reason, "message": message, "lastTransitionTime": now}

    def _on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.storage == STORAGE:
                self._on_range(event)
            elif event.key.storage == ip_addresses.STORAGE and not event.removed:
                self._hold(event.new)
            elif event.key.storage == ip_addresses.STORAGE:
                self._free(event.new)
                self._on_lost(event.new)

    def _on_range(self, event: Event) -> None:
        if event.removed:
            self._deleting.discard(event.key.name)
            self._addresses.withdraw(event.key.name)
        else:
            self._serve(event.new)
        self._changed.set()

    def _on_lost(self, stored: Stored) -> None:
        """Wake the task where a range may go now, or a Service that exists has lost an object."""
        if ip_addresses.is_managed(stored.labels):
            key = ip_addresses.service_key(stored.object())
            if self._store.get(key) is not None:
                self._incomplete.add(key)
        if self._deleting or self._incomplete:
            self._changed.set()

    def _serve(self, stored: Stored) -> None:
        obj = stored.object()
        if "deletionTimestamp" in obj["metadata"]:
            self._deleting.add(stored.key.name)
        if is_ready(obj):
            self._addresses.serve(stored.key.name, networks(obj))
        else:
            self._addresses.withdraw(stored.key.name)

    def _hold(self, stored: Stored) -> None:
        if not ip_addresses.is_managed(stored.labels):
            self._addresses.hold(stored.key.name)

    def _free(self, stored: Stored) -> None:
        if not ip_addresses.is_managed(stored.labels):
            self._addresses.free(stored.key.name)

    async def _run(self, writer: Writer) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._restore_objects()
                for name in sorted(self._deleting):
                    await self._finish(writer, self._store.get(Key(STORAGE, "", name)))
            except StatusError as error:
                log.warning("ServiceCIDRs are not up to date, trying again in %.0f s: %s", RETRY_SECONDS, error)
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()

    async def _restore_objects(self) -> None:
        """Remove the IPAddresses that no Service holds, once, and store those that Services hold and that are lost."""
        while self._unproven:
            held = self._store.get(self._unproven.pop())
            if held is not None and ip_addresses.is_stale(held, self._store.get):
                await self._store.transact(functools.partial(self._remove_stale, address=held.key.name))
        while self._incomplete:
            key = self._incomplete.pop()
            try:
                await self._restore_of(self._store.get(key))
            except StatusError:
                self._incomplete.add(key)
                raise

    async def _restore_of(self, stored: Stored | None) -> None:
        if stored is None:
            return
        service = stored.object()
        for address in sorted(ip_addresses.cluster_addresses(service)):
            held = self._store.get(Key(ip_addresses.STORAGE, "", address))
            if held is None or ip_addresses.service_key(held.object()) != stored.key:
                await self._store.transact(functools.partial(self._restore, service=service, address=address))

    def _restore(self, transaction: Transaction, service: Object, address: str) -> None:
        key = Key("services", service["metadata"]["namespace"], service["metadata"]["name"])
        current = transaction.get(key)
        if current is not None and address in ip_addresses.cluster_addresses(current.object()):
            self._objects.claim(transaction, service, address)

    def _remove_stale(self, transaction: Transaction, address: str) -> None:
        if self._objects.remove_stale(transaction, address):
            log.warning("IPAddress %s is removed: no Service has this address", address)

    async def _finish(self, writer: Writer, stored: Stored | None) -> None:
        """Remove the finalizer of a range that is being deleted, or report why it stays."""
        if self._resource is None or stored is None:
            return
        obj = stored.object()
        if FINALIZER not in obj["metadata"].get("finalizers", ()):
            return
        if self._is_used(stored.key.name, networks(obj)):
            condition = self._condition("False", "Terminating", _IN_USE)
            if _ready_condition(obj).get("reason") != "Terminating":
                change = _with_condition(condition)
                await writer.update(self._resource, stored.key, change, _STATUS_AUTHOR, STATUS)
        else:
            await writer.update(self._resource, stored.key, _without_finalizer, _AUTHOR)

    def _is_used(self, name: str, own: tuple[Network, ...]) -> bool:
        """Whether an address of a Service is in these networks and in no other range that stays."""
        others = [
            network
            for stored in self._store.objects(STORAGE)
            if stored.key.name != name and "deletionTimestamp" not in (obj := stored.object())["metadata"]
            for network in networks(obj)
        ]
        for stored in self._store.objects(ip_addresses.STORAGE):
            if ip_addresses.is_managed(stored.labels):
                address = ip_address(stored.key.name)
                if any(address in one for one in own) and not any(address in one for one in others):
                    return True
        return False


def is_ready(obj: Object) -> bool:
    """Whether addresses of a ServiceCIDR may be given."""
    return "deletionTimestamp" not in obj["metadata"] and _ready_condition(obj).get("status") == "True"


def may_allocate(transaction: Transaction) -> Callable[[str], bool]:
    """Return whether a range gives addresses, by its name, as the write of this transaction sees it."""

    def usable(name: str) -> bool:
        stored = transaction.get(Key(STORAGE, "", name))
        return stored is not None and is_ready(stored.object())

    return usable


def networks(obj: Object) -> tuple[Network, ...]:
    """The networks of a ServiceCIDR."""
    return tuple(ip_network(text) for text in obj["spec"].get("cidrs", ()))


def _ready_condition(obj: Object) -> Object:
    conditions: Iterable[Object] = (obj.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == "Ready"), {})


def _with_condition(condition: Object) -> Callable[[Object], Object]:
    def change(obj: Object) -> Object:
        others = [one for one in (obj.get("status") or {}).get("conditions") or () if one.get("type") != "Ready"]
        return {**obj, "status": {**(obj.get("status") or {}), "conditions": [*others, condition]}}

    return change


def _without_finalizer(obj: Object) -> Object:
    kept = [name for name in obj["metadata"].get("finalizers", ()) if name != FINALIZER]
    return {**obj, "metadata": {**obj["metadata"], "finalizers": kept}}
