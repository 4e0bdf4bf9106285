"""The server of the health check node ports: listens on each Service's port while the Service has it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from podwire.agent.service_health import CheckPort, check_port, listen_addresses, page
from podwire.component.endpoints import Page, serving
from podwire.kernel import links
from podwire.kernel.netlink import Netlink
from podwire.kube.addresses import IPAddress, usable
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.feed import Feed
from podwire.kube.local_endpoints import LocalEndpoints
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""Until a port is tried again that could not be listened on."""
FAILED = "FailedToStartServiceHealthcheck"
"""The reason of the event, as kube-proxy's."""

Warn = Callable[[Service, str, str], None]
"""Records a warning event: Service, reason, message."""


class Health(Protocol):
    """What the answers depend on, beside endpoints."""

    @property
    def healthy(self) -> bool:
        """Whether the kernel has the rules of all Services."""
        ...


class Place(msgspec.Struct, frozen=True):
    """The node, and which of its addresses have node ports."""

    node: str
    nodeport_addresses: tuple[str, ...]


class _Listening(msgspec.Struct, frozen=True):
    """What a Service is served on now."""

    check: CheckPort
    addresses: tuple[IPAddress, ...]


class HealthCheckPorts:
    """Opens and closes ports as Services change; `run` must run once, in the node's network namespace."""

    def __init__(
        self, place: Place, services: Feed[Service], slices: Feed[EndpointSlice], nodes: Feed[Node], health: Health
    ) -> None:
        self._place = place
        self._feeds = (services, slices, nodes)
        self._services = services
        self._slices = slices
        self._health = health
        self._local = LocalEndpoints(self._all_slices)
        self._desired: dict[NamespacedName, CheckPort] = {}
        self._internal: tuple[IPAddress, ...] = ()
        self._open: dict[NamespacedName, tuple[_Listening, contextlib.AsyncExitStack]] = {}
        self._changed = asyncio.Event()
        services.subscribe(self._service_changed)
        slices.subscribe(self._slice_changed)
        nodes.subscribe(self._node_changed)

    async def run(self, warn: Warn) -> None:
        """Serve until cancelled; ports that cannot be listened on are reported and tried again."""
        for feed in self._feeds:
            await feed.synced.wait()
        try:
            while True:
                self._changed.clear()
                complete = await self._follow(warn)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if complete else RETRY_SECONDS):
                        await self._changed.wait()
        finally:
            for _, stack in self._open.values():
                await stack.aclose()

    async def _follow(self, warn: Warn) -> bool:
        """Close what is not desired any more, then open what is missing: one may take over another's port.

        Return False where a port could not be opened, or the node's addresses could not be read.
        """
        try:
            addresses = self._addresses() if self._desired else ()
        except OSError as error:
            log.warning("health check node ports stay as they are: the node's addresses cannot be read: %s", error)
            return False
        desired = {key: _Listening(port, addresses) for key, port in self._desired.items()}
        for key in [key for key, (open_, _) in self._open.items() if desired.get(key) != open_]:
            _, stack = self._open.pop(key)
            await stack.aclose()
        failures = [key for key in desired if key not in self._open and not await self._start(key, desired[key], warn)]
        return not failures

    async def _start(self, key: NamespacedName, desired: _Listening, warn: Warn) -> bool:
        """Listen on all addresses or on none."""
        stack = contextlib.AsyncExitStack()
        try:
            for address in desired.addresses:
                answer = functools.partial(self._page, key, desired.check.family_for(address))
                await stack.enter_async_context(serving(answer, [(str(address), desired.check.port)]))
        except OSError as error:
            await stack.aclose()
            service = self._services.objects.get(key)
            message = f"node {self._place.node} failed to start healthcheck {key} on port {desired.check.port}: {error}"
            log.warning("%s; trying again in %.0f s", message, RETRY_SECONDS)
            if service is not None:
                warn(service, FAILED, message)
            return False
        self._open[key] = (desired, stack)
        return True

    def _page(self, key: NamespacedName, family: int) -> Page:
        return page(key, self._local.ready(key, self._place.node, family), healthy=self._health.healthy)

    def _addresses(self) -> tuple[IPAddress, ...]:
        with Netlink() as netlink:
            held = [entry.address for entry in links.addresses(netlink)]
        return listen_addresses(self._place.nodeport_addresses, self._internal, held)

    def _service_changed(self, change: Change[Service]) -> None:
        self._local.service_changed(change)
        item = change.item
        port = check_port(change.new) if change.new is not None else None
        if port == self._desired.get(item.key):
            return
        if port is None:
            del self._desired[item.key]
        else:
            self._desired[item.key] = port
        self._changed.set()

    def _slice_changed(self, change: Change[EndpointSlice]) -> None:
        self._local.slice_changed(change)

    def _node_changed(self, change: Change[Node]) -> None:
        if change.new is None or change.new.metadata.name != self._place.node:
            return
        internal = tuple(found for found in map(usable, change.new.internal_addresses) if found is not None)
        if internal != self._internal:
            self._internal = internal
            self._changed.set()

    def _all_slices(self) -> Iterable[EndpointSlice]:
        return self._slices.objects.values()
