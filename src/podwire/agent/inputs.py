"""The objects that an agent follows: one informer a kind, shared by all capabilities."""

from __future__ import annotations

import asyncio

from podwire.kube.client import Client
from podwire.kube.informer import Informer
from podwire.kube.kinds import ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, NODES, PODS, SERVICE_CIDRS, SERVICES
from podwire.kube.optional_informer import OptionalInformer


class Inputs:
    """The informers. They may run before their listeners exist, which receive each known object then."""

    def __init__(self, client: Client) -> None:
        self.nodes = Informer(client, NODES)
        self.services, self.slices = Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES)
        self.pods, self.namespaces = Informer(client, PODS), Informer(client, NAMESPACES)
        self.policies = Informer(client, NETWORK_POLICIES)
        self.service_cidrs = OptionalInformer(client, SERVICE_CIDRS)
        self.required = (self.nodes, self.services, self.slices, self.pods, self.namespaces, self.policies)
        """Those without which nothing is complete."""
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to list; `run` returns or raises what comes of it."""
        self._running = asyncio.create_task(self._follow())

    async def run(self) -> None:
        """Follow the server until cancelled, from where `start` began. Raises ListenerError."""
        if self._running is None:
            self.start()
        assert self._running is not None
        await self._running

    async def synced(self) -> None:
        """Wait until every required kind has been listed once."""
        for informer in self.required:
            await informer.synced.wait()

    async def _follow(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for informer in self.required:
                tasks.create_task(informer.run())
            tasks.create_task(self.service_cidrs.run())
