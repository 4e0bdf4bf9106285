"""Metrics of packets that the rules drop on every node, from the named counters of the rulesets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from podwire.component.metrics import Family, counter
from podwire.kernel.counters import CounterDump
from podwire.policy.sink import TABLE_NAME as POLICY
from podwire.services.ruleset import TABLE_NAME as SERVICES

POLICY_REASONS = ("egress", "ingress", "closed")
"""The pod's policies forbid to send it, or to receive it; the pod has no rules yet."""


class DroppedPackets:
    """Counters of the network namespace that this thread is in. They begin again where a ruleset is replaced."""

    def __init__(self) -> None:
        self._dump = CounterDump()

    def families(self) -> Iterator[Family]:
        """Read them from the kernel. Raises NetlinkError."""
        return of_drops(self._dump.packets(POLICY), self._dump.packets(SERVICES))


def of_drops(policy: Mapping[str, int], services: Mapping[str, int]) -> Iterator[Family]:
    """The metrics of the rulesets' counters, by their names."""
    name = "kubeproxy_iptables_ct_state_invalid_dropped_packets_total"
    yield counter(name, "Packets of pods that connection tracking does not know.", policy.get("invalid", 0))
    text = "Packets to loopback addresses from elsewhere."
    yield counter("podwire_loopback_dropped_packets_total", text, services.get("loopback", 0))
    samples = tuple(({"reason": reason}, policy.get(reason, 0)) for reason in POLICY_REASONS)
    yield Family("podwire_policy_dropped_packets_total", "Packets of pods that policies drop.", "counter", samples)
    text = "Of these, packets that are in no flow record, as there were too many a second."
    yield counter("podwire_policy_unrecorded_packets_total", text, policy.get("unrecorded", 0))


def of_established(ended: int) -> Family:
    """The metric of connections that policies ended."""
    text = "Established connections that ended, as policies forbid them now."
    return counter("podwire_policy_ended_connections_total", text, ended)
