"""Which connections to Services the kernel leads to Envoy: those for which Envoy has the routes.

Of a Service that has routes of some namespaces alone these are the connections of their pods: for all others the kernel
goes on choosing the endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from podwire.edge.xds.proxy import Proxy
from podwire.edge.xds.resource import LISTENER
from podwire.engine.reconcile import Reconciler
from podwire.kernel.element_row import ElementRow
from podwire.kube.addresses import IPAddress
from podwire.kube.meta import NamespacedName
from podwire.mesh.envoy.routed import ROUTED, RoutedService
from podwire.mesh.node.routing import Routing
from podwire.redirection.frontend_sink import FrontendSink
from podwire.redirection.rows import frontend_rows, routed_rows
from podwire.redirection.sink import is_loaded

LOADED_SECONDS = 0.2
READ_AGAIN_SECONDS = 30.0
"""An agent of another release loads the rules again, without these elements."""


class Frontends:
    """Additions wait until Envoy has acknowledged the routes; removals do not."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self._clients: Mapping[str, Sequence[IPAddress]] = {}
        self._served: dict[NamespacedName, frozenset[ElementRow]] = {}
        self._needed = asyncio.Event()
        self._elements: Reconciler[NamespacedName, ElementRow] = Reconciler(
            "frontends", lambda service: self._served.get(service, ()), FrontendSink.here()
        )

    def use(self, clients: Mapping[str, Sequence[IPAddress]]) -> None:
        """Take the addresses of the node's enrolled pods by namespace, as Envoy is configured with them."""
        self._clients = clients

    def follow(self, proxy: Proxy) -> None:
        """Take what Envoy serves now."""
        services = self._routing.services
        desired = {key: captured(found, self._clients) for key, found in services.items()}
        known = self._served
        if not proxy.envoys() or proxy.lacking(((LISTENER, ROUTED),)):
            desired = {key: rows & known.get(key, frozenset()) for key, rows in desired.items()}
        self._served = {key: rows for key, rows in desired.items() if rows}
        changed = {key for key in self._served.keys() | known.keys() if self._served.get(key) != known.get(key)}
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


def captured(services: Iterable[RoutedService], clients: Mapping[str, Sequence[IPAddress]]) -> frozenset[ElementRow]:
    """Return the rows of a Service's ports; `clients`: addresses of the node's enrolled pods by namespace."""
    rows: set[ElementRow] = set()
    for one in services:
        if not one.cluster:
            rows.update(frontend_rows(one.addresses, one.port))
            continue
        for table in one.frontends:
            rows.update(routed_rows(clients.get(table.client, ()), one.addresses, one.port))
    return frozenset(rows)
