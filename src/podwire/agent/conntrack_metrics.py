"""Metrics of the node's connection tracking: how full its table is, and connections that found no place.

Sources: Documentation/networking/nf_conntrack-sysctl.rst, net/netfilter/nf_conntrack_standalone.c (ct_cpu_seq_show).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from podwire.component.metrics import Family, counter, gauge

ENTRIES = Path("/proc/sys/net/netfilter/nf_conntrack_count")
LIMIT = Path("/proc/sys/net/netfilter/nf_conntrack_max")
STATISTICS = Path("/proc/net/stat/nf_conntrack")


class ConntrackState(msgspec.Struct, frozen=True):
    """Numbers of the network namespace that this process is in; the limit is the machine's."""

    entries: int
    limit: int
    dropped: int
    """Packets that were dropped, as the table was full or a slot of it."""
    insert_failed: int
    """Connections that lost a race for the same addresses and ports."""

    @staticmethod
    def read() -> ConntrackState | None:
        """None where this kernel does not show it, as in a user namespace."""
        try:
            entries, limit = int(ENTRIES.read_text()), int(LIMIT.read_text())
            dropped, failed = totals(STATISTICS.read_text(), "drop", "insert_failed")
        except (OSError, ValueError):
            return None
        return ConntrackState(entries, limit, dropped, failed)


def totals(statistics: str, *columns: str) -> tuple[int, ...]:
    """The sums of columns over all processors: a line of names, then one of hexadecimal numbers each.

    Raises ValueError where there is no such column.
    """
    names, *lines = (line.split() for line in statistics.splitlines())
    return tuple(sum(int(line[names.index(column)], 16) for line in lines) for column in columns)


def of_conntrack(state: ConntrackState | None) -> Iterator[Family]:
    """The metrics; without a state only their names."""
    if state is None:
        state = ConntrackState(0, 0, 0, 0)
    yield gauge("podwire_conntrack_entries", "Connections that the node tracks.", state.entries)
    yield gauge("podwire_conntrack_limit", "Connections that the machine can track; 0 where unknown.", state.limit)
    yield counter("podwire_conntrack_dropped_packets_total", "Packets dropped, as the table is full.", state.dropped)
    text = "Connections that lost a race for the same addresses and ports."
    yield counter("podwire_conntrack_insert_failed_total", text, state.insert_failed)
