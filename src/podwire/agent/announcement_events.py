"""Events about the node that announces an address, on the Services that have it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from podwire.announcement.rows import ProxyRow
from podwire.announcement.sink import Signals
from podwire.kube.addresses import IPAddress
from podwire.kube.services import Service

REASON = "NodeAssigned"

Note = Callable[[Service, str, str], None]
"""Records an event: Service, reason, message."""


class ReportedMoves:
    """Passes moves of addresses on to `signals`, and reports those that came to this node."""

    def __init__(
        self, node: str, signals: Signals, services: Callable[[IPAddress], Iterable[Service]], note: Note
    ) -> None:
        self._node = node
        self._signals = signals
        self._services = services
        self._note = note

    def announce(self, rows: Collection[ProxyRow]) -> None:
        """These addresses have come to this node."""
        self._signals.announce(rows)
        for row in rows:
            for service in self._services(row.address):
                self._note(service, REASON, f"node {self._node} answers for {row.address} on {row.link}")

    def withdraw(self, rows: Collection[ProxyRow]) -> None:
        """These have left it: the node that has them now reports that."""
        self._signals.withdraw(rows)
