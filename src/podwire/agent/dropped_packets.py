"""Metrics of packets that the rules drop on every node, from the named counters of the rulesets."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.component.metrics import Family, counter
from podwire.kernel.counters import CounterDump
from podwire.policy.sink import TABLE_NAME as POLICY
from podwire.services.ruleset import TABLE_NAME as SERVICES


class DroppedPackets:
    """Counters of the network namespace that this thread is in. They begin again where a ruleset is replaced."""

    def __init__(self) -> None:
        self._dump = CounterDump()

    def families(self) -> Iterator[Family]:
        """Read them from the kernel. Raises NetlinkError."""
        invalid = self._dump.packets(POLICY).get("invalid", 0)
        return of_drops(invalid, self._dump.packets(SERVICES).get("loopback", 0))


def of_drops(invalid: int, loopback: int) -> Iterator[Family]:
    """The metrics of these numbers."""
    name = "kubeproxy_iptables_ct_state_invalid_dropped_packets_total"
    yield counter(name, "Packets of pods that connection tracking does not know.", invalid)
    yield counter("podwire_loopback_dropped_packets_total", "Packets to loopback addresses from elsewhere.", loopback)
