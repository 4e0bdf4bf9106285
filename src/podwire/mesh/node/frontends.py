"""Which connections to Services the kernel leads to Envoy: those for which Envoy has the routes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from podwire.edge.xds.proxy import Proxy
from podwire.edge.xds.resource import LISTENER
from podwire.engine.reconcile import Reconciler
from podwire.kube.meta import NamespacedName
from podwire.mesh.envoy.routed import ROUTED, RoutedService
from podwire.mesh.node.routing import Routing
from podwire.redirection.frontend_sink import FrontendSink
from podwire.redirection.rows import ElementRow, frontend_rows
from podwire.redirection.sink import is_loaded

LOADED_SECONDS = 0.2
READ_AGAIN_SECONDS = 30.0
"""An agent of another release loads the rules again, without these elements."""


class Frontends:
    """Additions wait until Envoy has acknowledged the routes; removals do not."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self._served: dict[NamespacedName, tuple[RoutedService, ...]] = {}
        self._needed = asyncio.Event()
        self._elements: Reconciler[NamespacedName, ElementRow] = Reconciler(
            "frontends", self._rows, FrontendSink.here()
        )

    def follow(self, proxy: Proxy) -> None:
        """Take what Envoy serves now."""
        wanted, known = self._routing.services, self._served
        if proxy.envoys() and not proxy.lacking(((LISTENER, ROUTED),)):
            served = dict(wanted)
        else:
            served = {key: found for key, found in known.items() if wanted.get(key) == found}
        changed = {key for key in served.keys() | known.keys() if served.get(key) != known.get(key)}
        self._served = served
        if changed:
            self._elements.touch(*changed)
            self._needed.set()

    async def run(self) -> None:
        """Wait for the first Service with routes and work until cancelled."""
        await self._needed.wait()
        while not is_loaded():  # noqa: ASYNC110  the agent of the node loads the rules once this pod is ready
            await asyncio.sleep(LOADED_SECONDS)
        self._elements.inputs_synced()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._elements.run())
            while True:
                await asyncio.sleep(READ_AGAIN_SECONDS)
                self._elements.read_again()

    def _rows(self, service: NamespacedName) -> Iterator[ElementRow]:
        for one in self._served.get(service, ()):
            yield from frontend_rows(one.addresses, one.port)
