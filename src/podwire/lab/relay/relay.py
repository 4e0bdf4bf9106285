"""The relay of a world: follows Services and keeps ports of the host open for those that outside clients use."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.informer import Informer
from podwire.kube.kinds import NODES, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.services import EXPOSED_TYPES, Service
from podwire.kube.watch import Change
from podwire.lab.relay import table
from podwire.lab.relay.forwards import Forward, Network, forwards_of, published_forward
from podwire.lab.relay.listeners import Connections, listener
from podwire.lab.relay.ports import NEEDS_ROOT, HostPorts
from podwire.lab.relay.published import PublishedPort
from podwire.lab.relay.sockets import HostBinder, Sockets
from podwire.lab.relay.table import Entry, PublishedEntry, Table
from podwire.lab.relay.targets import ServingNodes, Target, targets_of

log = logging.getLogger(__name__)

COMPONENT = "host-relay"
MOST_CONNECTIONS = 1000
OTHER_DESCRIPTORS = 400
IDLE_SECONDS = 60.0
"""Without ports and connections the process ends; it takes some 15 MB."""
SETTLE_SECONDS = 0.02
"""Changes that come together are written to the table at once."""


class RelayConfig(msgspec.Struct, frozen=True):
    """`folder` is the world's on the host; `internal` are the pools that the outside host does not reach."""

    credentials: Credentials
    folder: Path
    internal: tuple[Network, ...]


class Relay:
    """Follows the API and keeps the host's ports equal to it."""

    def __init__(
        self,
        config: RelayConfig,
        client: Client,
        sockets: tuple[HostBinder, Sockets],
        published: Mapping[PublishedPort, socket.socket],
    ) -> None:
        self._config = config
        self._published = published
        self._services, self._nodes = Informer(client, SERVICES), Informer(client, NODES)
        self._events = Recorder(client, COMPONENT)
        self._serving = ServingNodes(client)
        self._written = table.read(config.folder)
        self._world = sockets[1]
        self._connections = Connections(most_connections())
        known = table.previous(self._written.entries)
        self._ports = HostPorts(*sockets, self._connections, self._resolve, known)
        self._of: dict[NamespacedName, dict[str, Forward]] = {}
        self._unopened: set[NamespacedName] = set()
        self._dirty: set[NamespacedName] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Work until no Service has needed the relay for IDLE_SECONDS."""
        self._services.subscribe(self._service_changed)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(work) for work in (self._services.run(), self._nodes.run(), self._events.run())]
            await self._work()
            for task in beside:
                task.cancel()

    async def _work(self) -> None:
        await self._services.synced.wait()
        await self._nodes.synced.wait()
        for port, bound in self._published.items():  # not before: until then connections wait
            self._publish(port, bound)
        await self._ports.claim(self._written.subnet)
        while True:
            self._changed.clear()
            while self._dirty:
                await self._apply(self._dirty.pop())
            self._write()
            while not await self._change_comes():
                if self._is_idle():
                    log.info("no Service needs this process: it ends until the next one")
                    return
            await asyncio.sleep(SETTLE_SECONDS)

    async def _change_comes(self) -> bool:
        """Whether a Service changes within IDLE_SECONDS."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _is_idle(self) -> bool:
        """A Service of an exposed type counts before it has an address: no later change of it starts the process."""
        exposed = any(service.spec.type in EXPOSED_TYPES for service in self._services.objects.values())
        return not (self._published or exposed or len(self._connections))

    def _service_changed(self, change: Change[Service]) -> None:
        item = change.item
        self._dirty.add(item.key)
        self._changed.set()

    async def _apply(self, key: NamespacedName) -> None:
        """Make the open ports of a Service those that it has now."""
        service = self._services.objects.get(key)
        desired = {} if service is None else {one.key: one for one in forwards_of(service, self._config.internal)}
        before = self._of.pop(key, {})
        for gone in before.keys() - desired.keys():
            self._ports.close(gone)
            self._dirty |= self._unopened
        if service is None:
            self._serving.remove(key)
        self._unopened.discard(key)
        for forward in desired.values():
            await self._keep(key, forward, before)

    async def _keep(self, key: NamespacedName, forward: Forward, before: Mapping[str, Forward]) -> None:
        """Open a forward's port, or leave it as it is. Another Service's with the same key has it until it goes."""
        lacked_room = self._ports.lacks_room(forward.key)
        if forward.key in before and not lacked_room:
            self._ports.change(forward)
        elif forward.key in self._ports.entries and forward.key not in before:
            self._unopened.add(key)
            return
        else:
            entry = await self._ports.open(forward)
            if self._ports.lacks_room(forward.key):
                self._unopened.add(key)
            if not (lacked_room and self._ports.lacks_room(forward.key)):
                self._report(entry)
        self._of.setdefault(key, {})[forward.key] = forward

    def _report(self, entry: Entry) -> None:
        """Log where a Service is reachable; record an event where its own port is not free."""
        forward = entry.forward
        service = self._services.objects.get(forward.service)
        where = f"{entry.host}:{entry.port}" if entry.host else "not reachable from the host"
        log.info("%s %s port %d: %s %s", forward.service, forward.kind, forward.port, where, entry.note)
        if entry.note not in {"", NEEDS_ROOT} and service is not None:
            text = f"{forward.kind} port {forward.port}/{forward.protocol}: {entry.note}; on the host it is {where}"
            self._events.event(SERVICES, service, "HostPortUnavailable", text, warning=True)

    def _publish(self, port: PublishedPort, bound: socket.socket) -> None:
        async def resolve() -> Sequence[Target]:
            found = self._lead(port)
            return await self._resolve(found) if isinstance(found, Forward) else ()

        listener(port.protocol, bound, resolve, self._world, self._connections)

    def _lead(self, port: PublishedPort) -> Forward | str:
        service = self._services.objects.get(NamespacedName(port.namespace, port.name))
        return published_forward(service, port, self._config.internal)

    async def _resolve(self, forward: Forward) -> Sequence[Target]:
        serving = await self._serving.of(forward.service) if forward.local else None
        return targets_of(forward, self._nodes.objects.values(), serving)

    def _write(self) -> None:
        """Write the table where it changed."""
        entries = tuple(
            sorted(self._ports.entries.values(), key=lambda entry: (entry.forward.service, entry.forward.key))
        )
        now = Table(self._ports.subnet, entries, tuple(map(self._published_entry, self._published)))
        if now == self._written:
            return
        try:
            table.write(self._config.folder, now)
        except OSError as error:
            log.warning("%s: %s; 'podwire status' shows an older state", self._config.folder / table.FILE, error)
        else:
            self._written = now

    def _published_entry(self, port: PublishedPort) -> PublishedEntry:
        found = self._lead(port)
        forward, note = (found, "") if isinstance(found, Forward) else (None, found)
        return PublishedEntry(port.namespace, port.name, port.protocol, port.host_port, forward, note)


async def run(
    config: RelayConfig, sockets: tuple[HostBinder, Sockets], published: Mapping[PublishedPort, socket.socket]
) -> None:
    """Relay while a Service needs it."""
    async with Client(config.credentials, COMPONENT) as client:
        await Relay(config, client, sockets, published).run()


def most_connections() -> int:
    """How many connections the limit on descriptors allows; the limit itself is raised as far as it may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(16, min(MOST_CONNECTIONS, (hard - OTHER_DESCRIPTORS) // 2))
