"""Which moves are events, of which Services."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from podwire.agent.announcement_events import ReportedMoves
from podwire.announcement.rows import ProxyRow
from tests.announcement.objects import balanced

MINE, OTHER = (ProxyRow(ipaddress.ip_address(f"192.0.2.{number}"), "eth0") for number in (1, 2))


class Beacon:
    """What was passed on."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, Collection[ProxyRow]]] = []

    def announce(self, rows: Collection[ProxyRow]) -> None:
        self.moves.append(("announce", rows))

    def withdraw(self, rows: Collection[ProxyRow]) -> None:
        self.moves.append(("withdraw", rows))


def test_all_services_of_an_address_that_comes_here_have_an_event() -> None:
    beacon, events = Beacon(), list[tuple[str, str, str]]()
    services = {MINE.address: [balanced("web", "192.0.2.1"), balanced("db", "192.0.2.1")], OTHER.address: []}
    moves = ReportedMoves(
        "a", beacon, services.__getitem__, lambda service, *event: events.append((service.metadata.name, *event))
    )
    moves.announce([MINE, OTHER])
    moves.withdraw([MINE])
    assert beacon.moves == [("announce", [MINE, OTHER]), ("withdraw", [MINE])]
    assert events == [(name, "NodeAssigned", "node a answers for 192.0.2.1 on eth0") for name in ("web", "db")]
