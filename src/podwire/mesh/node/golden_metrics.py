"""The golden metrics of a node: read from its Envoy now and then, and named by workloads and Services."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from podwire.component.metrics import Family
from podwire.edge.instance.process import request
from podwire.mesh.telemetry.counted import PREFIX
from podwire.mesh.telemetry.labels import reports
from podwire.mesh.telemetry.samples import samples
from podwire.mesh.telemetry.surroundings import Surroundings
from podwire.mesh.telemetry.totals import Totals

log = logging.getLogger(__name__)

READ_SECONDS = 10.0
"""Between two reads: in this time an address may be given to another pod, which would get what the old one has done."""
_PAGE = f"/stats/prometheus?usedonly&filter=^{PREFIX}\\."


class GoldenMetrics:
    """Reads the admin interface of Envoy on this socket. `follow` passes all pods and Services to what it gets."""

    def __init__(self, admin_socket: str, trust_domain: str, follow: Callable[[Surroundings], None]) -> None:
        self._admin_socket = admin_socket
        self._known = Surroundings(trust_domain)
        self._follow = follow
        self._totals = Totals()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self.read()
            await asyncio.sleep(READ_SECONDS)

    async def read(self) -> None:
        """Add what Envoy has counted since the last time; nothing while it does not answer."""
        try:
            page = await request(self._admin_socket, "GET", _PAGE)
        except (OSError, TimeoutError) as error:
            log.debug("Envoy's counters are not read: %s", error)
            return
        self._follow(self._known)
        self._totals.take(samples(page), lambda name, tags: reports(name, tags, self._known))

    def families(self) -> Iterator[Family]:
        """Yield the metrics of the last read."""
        yield from self._totals.families()
