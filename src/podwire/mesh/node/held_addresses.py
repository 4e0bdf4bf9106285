"""The addresses that Envoy has an identity for, in the kernel: the node's agent gives none of them to a new pod."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from podwire.edge.xds.proxy import Proxy
from podwire.edge.xds.resource import LISTENER, SECRET
from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import Sink
from podwire.kube.addresses import IPAddress
from podwire.mesh.envoy.inside import INSIDE, INSIDE_TLS, LEG
from podwire.mesh.envoy.listeners import INBOUND, INBOUND_TLS, OUTBOUND
from podwire.redirection.frontend_sink import IDENTIFIED, FrontendSink
from podwire.redirection.rows import ElementRow, identified_rows
from podwire.redirection.sink import is_loaded

LOADED_SECONDS = 0.2
READ_AGAIN_SECONDS = 30.0
_OWNER = "node"
_LISTENERS = tuple((LISTENER, one) for one in (OUTBOUND, INBOUND, INBOUND_TLS, INSIDE, INSIDE_TLS, LEG))


class HeldAddresses:
    """An address is there before Envoy is configured with it, and until Envoy has acknowledged that it is gone.

    What an earlier process has written remains until then, too.
    """

    def __init__(self, sink: Sink[ElementRow] | None = None) -> None:
        self._wanted: frozenset[IPAddress] = frozenset()
        self._held: frozenset[IPAddress] = frozenset()
        self._elements: Reconciler[str, ElementRow] = Reconciler(
            "addresses of Envoy", lambda _: identified_rows(self._held), sink or FrontendSink.here(IDENTIFIED)
        )

    async def add(self, addresses: Iterable[IPAddress]) -> None:
        """Return once the kernel has these too; at once without rules of redirection, which lead nothing to Envoy."""
        self._wanted = frozenset(addresses)
        self._hold(self._held | self._wanted)
        while is_loaded():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOADED_SECONDS):
                    await self._elements.settle(_OWNER)
                    return

    def follow(self, proxy: Proxy) -> None:
        """Take what Envoy has acknowledged."""
        gone = (self._held - self._wanted) if self._held else frozenset()
        secrets = tuple((SECRET, str(one)) for one in gone)
        if proxy.envoys() and not proxy.lacking((*_LISTENERS, *secrets)):
            self._hold(self._wanted)
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
