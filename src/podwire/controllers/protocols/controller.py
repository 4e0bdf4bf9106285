"""The protocol controller: a condition on each Service with a port of SCTP, where the kernel lacks that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.controllers.protocols import conditions
from podwire.kernel import transports
from podwire.kube.cache import changed_key
from podwire.kube.kinds import SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.kube.client import Client
    from podwire.kube.services import Service
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


class ProtocolController:
    """Follows Services. The nodes have the kernel of this process, as network namespaces of one machine."""

    def __init__(
        self, client: Client, informers: SharedInformers, has_sctp: Callable[[], bool] = transports.has_sctp
    ) -> None:
        self._has_sctp = has_sctp
        self._services = informers.of(SERVICES)
        self._status: StatusWriter[Service] = StatusWriter(client, SERVICES)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("protocols", self.sync)
        self._services.subscribe(self._service_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Set or remove the condition of one Service."""
        service = self._services.objects.get(key)
        if service is None:
            return
        supported, now = self._has_sctp(), datetime.now(UTC)
        written = await self._status.write(service, lambda item: conditions.status(item, now, supported=supported))
        if written is not None:
            self._services.wrote(written)

    def _service_changed(self, change: Change[Service]) -> None:
        new = change.new
        if new is not None and (conditions.uses_sctp(new) or conditions.has_condition(new)):
            self._queue.add(changed_key(change))
