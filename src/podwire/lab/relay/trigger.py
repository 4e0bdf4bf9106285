"""Start a world's relay when a Service needs it: else it takes no memory."""

from __future__ import annotations

from pathlib import Path

from podwire.kube.services import EXPOSED_TYPES, Service
from podwire.kube.watch import Change
from podwire.lab.base import paths
from podwire.lab.relay.demand import Demand


class RelayTrigger:
    """A listener of Services, to be used in an event loop: requests `role` of pid 1 when one becomes of use to it."""

    def __init__(self, role: str, switch: Path = paths.POWER_SOCKET) -> None:
        self._demand = Demand(role, switch)

    def __call__(self, change: Change[Service]) -> None:
        """Take a change of a Service. Never blocks and never raises. Changes that come together are one request."""
        if _exposed(change.new) and not _exposed(change.old):
            self._demand.require()


def _exposed(service: Service | None) -> bool:
    return service is not None and service.spec.type in EXPOSED_TYPES
