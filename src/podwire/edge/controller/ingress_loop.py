"""The work of the controller for Ingresses: changed objects to resources, the proxy's objects, status and events."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.edge.controller import ingress_front, programming
from podwire.edge.controller.fleets import Fleets
from podwire.edge.controller.ingress_front import PROXY
from podwire.edge.controller.ingress_objects import IngressObjects
from podwire.edge.controller.ingress_translation import IngressTranslation, owner_of_ingress
from podwire.edge.controller.owned_objects import OwnedObjects
from podwire.edge.controller.refusals import Refusals
from podwire.edge.controller.shared_hosts import REASON, SharedHosts
from podwire.edge.envoy import rows
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import INGRESSES
from podwire.edge.ingress.options.options import KEY
from podwire.edge.ingress.servers import Refused
from podwire.edge.ingress.virtual_hosts import Unmet
from podwire.edge.model.tls import Certificate
from podwire.edge.xds.resource import LISTENER
from podwire.kube.ingress import CONTROLLER_NAME
from podwire.kube.kinds import CONFIG_MAPS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.edge.controller.fleet import FleetSettings
    from podwire.edge.controller.identity import Identity
    from podwire.edge.controller.live_objects import LiveObjects
    from podwire.edge.xds.proxy import Proxies, Report
    from podwire.kube.client import Client

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.002
"""Changes that come together are derived together."""
FRONT = NamespacedName("", "front")
"""Key of the queue for the proxy and its Service."""
MOST_EVENTS = 10
"""Of an Ingress and a reason."""
_BEFORE = "What was served before is served still"


class IngressSettings(msgspec.Struct, frozen=True):
    """Which Ingresses are served.

    Attributes:
        controllers: names in the classes that are served.
        without_class: whether an Ingress that names no class is served.

    """

    controllers: tuple[str, ...] = (CONTROLLER_NAME,)
    without_class: bool = False


class IngressLoop:
    """Made before the informers run. `follow` runs in every replica, `lead` in the leader."""

    def __init__(
        self, client: Client, live: LiveObjects, proxies: Proxies, fleet: FleetSettings, settings: IngressSettings
    ) -> None:
        ingresses = Ingresses(settings.controllers, without_class=settings.without_class)
        self.objects = IngressObjects(client, live, ingresses, self._touch, self._front_changed)
        self._shared = SharedHosts(live.objects, ingresses.claims, self._add)
        live.subscribe_edge(self._shared.changed)
        self.objects.subscribe(self._shared.changed)
        self._client = client
        self._live = live
        self._proxies = proxies
        self._translation = IngressTranslation(ingresses, self.objects.objects)
        self._owned = OwnedObjects(client)
        self._fleets = Fleets(client, live, self._owned, fleet)
        self._changed = asyncio.Event()
        self._recorder = Recorder(client, "podwire-ingress-controller")
        self._recorded: dict[NamespacedName, frozenset[tuple[str, str]]] = {}
        self._refusals = Refusals(
            lambda _, reason: log.warning("an Envoy refuses what comes from Ingresses: %s", reason)
        )
        self._problems: dict[str, tuple[Refused | Unmet, ...]] = {}
        self._addresses: tuple[Mapping[str, Any], ...] | None = None
        """Of the Service, once every ready Envoy has acknowledged the listeners."""
        self._queue: WorkQueue[NamespacedName] | None = None
        self._identity: Identity | None = None

    async def follow(self, default: Certificate) -> None:
        """Derive what changed and pass it to the proxy, until cancelled; `default` is for hosts without certificate."""
        self._translation.default = default
        self._changed.set()
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            self._derive()

    async def lead(self, identity: Identity) -> None:
        """Write the proxy's objects, every status and events, until cancelled."""
        self._identity = identity
        queue = self._queue = WorkQueue("ingress controller", self._handle)
        try:
            self._add((FRONT, *self.objects.ingresses.claims))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(queue.run())
                tasks.create_task(self._shared.run())
        finally:
            self._queue = None

    def reported(self, report: Report) -> None:
        """Take what an Envoy acknowledged or refused, or that one came or went."""
        proxy = self._proxies.get(PROXY)
        if report.proxy != PROXY or proxy is None:
            return
        different = self._refusals.take(report, proxy, self._translation)
        self._add(one.key for one in different)
        if report.envoys_changed or any(kind == LISTENER for kind, _ in report.keys):
            self._add((FRONT,))

    def _front_changed(self) -> None:
        self._add((FRONT,))

    def _touch(self) -> None:
        self._changed.set()

    def _derive(self) -> None:
        dirty = self.objects.take()
        if not dirty or not (self.objects.ingresses.claims or self._translation.resources()):
            return
        self.objects.follow_references()
        difference = self._translation.difference(dirty.hosts, dirty.services, certificates=dirty.certificates)
        found = self._proxies.get(PROXY)
        if found is not None:
            found.apply(difference.upserts, difference.removals)
        else:
            self._proxies.add(PROXY, self._translation.resources())
            self._add((FRONT,))
        for host in dirty.hosts:
            self._problems[host] = tuple(self._translation.problems((host,)))
            if not self._problems[host]:
                del self._problems[host]
        for key in self._recorded.keys() - self.objects.ingresses.claims.keys() - {KEY}:
            del self._recorded[key]
        self._add((FRONT, *self.objects.ingresses.claims) if dirty.certificates else self._of_hosts(dirty.hosts))

    def _of_hosts(self, hosts: Iterable[str]) -> Iterator[NamespacedName]:
        for host in hosts:
            yield from (one.item.key for one in self.objects.ingresses.of_host(host))

    def _add(self, keys: Iterable[NamespacedName]) -> None:
        if self._queue is not None:
            for key in keys:
                self._queue.add(key)

    async def _handle(self, key: NamespacedName) -> None:
        if key == FRONT:
            await self._front()
        else:
            await self._ingress(key)

    async def _front(self) -> None:
        """Provide the proxy and its Service; Ingresses report other addresses once they are served. Raises ApiError."""
        if not self.objects.ingresses.claims or self._identity is None:
            return
        self._record_options()
        await self._fleets.provide(self._identity, PROXY)
        current = self._live.services.get(ingress_front.KEY)
        await self._owned.apply(SERVICES, ingress_front.KEY, ingress_front.service(), current)
        addresses = ingress_front.addresses_of(current)
        if addresses != self._addresses and not self._pending():
            self._addresses = addresses
            self._add(self.objects.ingresses.claims)

    async def _ingress(self, key: NamespacedName) -> None:
        claim = self.objects.ingresses.claims.get(key)
        if claim is None:
            return
        reasons = self._record(key)
        if (addresses := self._addresses) is not None:
            writer = StatusWriter(self._client, INGRESSES)
            await writer.write(claim.item, lambda one: ingress_front.status(one, addresses, reasons))

    def _record_options(self) -> None:
        """Record an event for each problem that the ConfigMap of all Ingresses did not have before."""
        item = self.objects.objects.config_maps.get(KEY)
        problems = frozenset((one.reason, one.message) for one in self.objects.ingresses.options.problems)
        if item is not None:
            for reason, message in sorted(problems - self._recorded.get(KEY, frozenset())):
                self._recorder.event(CONFIG_MAPS, item, reason, message, warning=True)
        self._recorded[KEY] = problems

    def _pending(self) -> str:
        """Return why the listeners are not served by every ready Envoy; empty where they are."""
        keys = [one for row in self._translation.listeners() for one in rows.keys(row)]
        return programming.pending(self._proxies.get(PROXY), self._fleets.ready(PROXY), keys)

    def _record(self, key: NamespacedName) -> frozenset[str]:
        """Record an event for each problem that the Ingress did not have before; return the reasons of all."""
        claim = self.objects.ingresses.claims[key]
        found = defaultdict[str, set[str]](set)
        for problem in claim.read.problems:
            found[problem.reason].add(problem.message)
        for unusable in self._translation.certificates.unusable:
            if unusable.ingress == key:
                found["UnusableCertificate"].add(unusable.message)
        found[REASON].update(self._shared.messages(claim))
        source = owner_of_ingress(claim)
        if refusal := self._refusals.of(source):
            found["RefusedByEnvoy"].add(f"Envoy refuses it: {refusal}. {_BEFORE}: change what this names")
        if fault := self._translation.faults.of(source):
            found["NotDerived"].add(f"podwire cannot derive its configuration ({fault}). {_BEFORE}: report this")
        for host in claim.hosts:
            for one in self._problems.get(host, ()):
                if one.ingress == key:
                    entry = one.missing if isinstance(one, Unmet) else one
                    found[entry.reason].add(entry.message)
        now = frozenset((reason, message) for reason, messages in found.items() for message in few(messages))
        for reason, message in sorted(now - self._recorded.get(key, frozenset())):
            self._recorder.event(INGRESSES, claim.item, reason, message, warning=True)
        if now:
            self._recorded[key] = now
        else:
            self._recorded.pop(key, None)
        return frozenset(reason for reason, _ in now)


def few(messages: Collection[str]) -> Iterator[str]:
    """Yield the messages of one reason, of many only some and their number: others' events have their place too."""
    yield from sorted(messages)[:MOST_EVENTS]
    if len(messages) > MOST_EVENTS:
        yield f"{len(messages) - MOST_EVENTS} more of this Ingress, as those of the other events with this reason"
