"""The addresses that Envoy has an identity for, in the kernel: the node's agent gives none of them to a new pod."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from podwire.edge.xds.proxy import Proxy
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, SECRET
from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import RefusedError, Sink
from podwire.kernel.element_row import ElementRow
from podwire.kube.addresses import IPAddress
from podwire.mesh.envoy.inside import INSIDE, INSIDE_TLS, LEG
from podwire.mesh.envoy.listeners import INBOUND, INBOUND_TLS, OUTBOUND
from podwire.redirection.frontend_sink import FrontendSink
from podwire.redirection.rows import identified_rows
from podwire.redirection.sink import IDENTIFIED, is_loaded

LOADED_SECONDS = 0.2
READ_AGAIN_SECONDS = 30.0
_OWNER = "node"
_LISTENERS = tuple((LISTENER, one) for one in (OUTBOUND, INBOUND, INBOUND_TLS, INSIDE, INSIDE_TLS, LEG))


class HeldAddresses:
    """The kernel has an address before Envoy is configured with it, and until Envoy acknowledges that it is removed.

    Removed from endpoints, too: a request must not go to a later pod that listeners do not have yet.

    What an earlier process has written remains until then, too.
    """

    def __init__(self, sink: Sink[ElementRow] | None = None) -> None:
        self._desired: frozenset[IPAddress] = frozenset()
        """Those that Envoy is configured with."""
        self._next: frozenset[IPAddress] = frozenset()
        """Those that it is about to be configured with."""
        self._held: frozenset[IPAddress] = frozenset()
        self._elements: Reconciler[str, ElementRow] = Reconciler(
            "addresses of Envoy", lambda _: identified_rows(self._held), sink or FrontendSink.here(IDENTIFIED)
        )

    async def add(self, addresses: Iterable[IPAddress]) -> None:
        """Return once the kernel has these too; at once without rules of redirection, which lead nothing to Envoy.

        Envoy must be configured with them, and no others, before anything else is awaited.
        """
        self._next = frozenset(addresses)
        self._hold(self._held | self._next)
        while is_loaded() and not await self._is_applied():  # noqa: ASYNC110  the rules may be removed meanwhile
            await asyncio.sleep(LOADED_SECONDS)
        self._desired = self._next

    async def _is_applied(self) -> bool:
        try:
            async with asyncio.timeout(LOADED_SECONDS):
                await self._elements.settle(_OWNER)
        except (TimeoutError, RefusedError):
            return False
        return True

    def follow(self, proxy: Proxy) -> None:
        """Take what Envoy has acknowledged."""
        known = self._desired | self._next
        secrets = tuple((SECRET, str(one)) for one in self._held - known)
        if proxy.envoys() and proxy.is_settled(ENDPOINTS) and not proxy.lacking((*_LISTENERS, *secrets)):
            self._hold(known)
            self._elements.inputs_synced()

    async def run(self) -> None:
        """Work until cancelled, from when the node's agent has loaded the rules."""
        while not is_loaded():  # noqa: ASYNC110  the agent loads them once this pod is ready
            await asyncio.sleep(LOADED_SECONDS)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._elements.run())
            while True:
                await asyncio.sleep(READ_AGAIN_SECONDS)
                self._elements.read_again()

    def _hold(self, addresses: frozenset[IPAddress]) -> None:
        if addresses != self._held:
            self._held = addresses
            self._elements.touch(_OWNER)
