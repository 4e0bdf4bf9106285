"""A flow record, in the words of Hubble: the same names of fields and values wherever Hubble has them.

A line of the journal is one record as `hubble observe -o json` prints it: `{"flow": {...}, "node_name": ..., "time":
...}`. What Hubble does not have: `rule` of a policy, `original_destination`. Source: cilium `api/v1/flow/flow.proto`.
"""

from __future__ import annotations

import msgspec

from podwire.kube.pod_workloads import Workload

DROPPED, FORWARDED = "DROPPED", "FORWARDED"
EGRESS, INGRESS = "EGRESS", "INGRESS"
POLICY_DENIED, INVALID_IDENTITY = "POLICY_DENIED", "INVALID_IDENTITY"
"""Reasons of drops: no rule admits the connection; the pod has no rules yet."""
CONNECTIONS = "L3_L4"
"""`Type` of records of connections; others, such as L7, are of other producers."""


class _Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a record; what has its default is left out of JSON."""


class Endpoint(_Value, frozen=True):
    """One end. Without `pod_name` it is no pod that the node knows. Labels have Hubble's form, `k8s:key=value`."""

    namespace: str = ""
    labels: tuple[str, ...] = ()
    pod_name: str = ""
    workloads: tuple[Workload, ...] = ()

    @property
    def plain_labels(self) -> dict[str, str]:
        """The labels as the pod has them."""
        pairs = (label.removeprefix("k8s:").partition("=") for label in self.labels)
        return {key: value for key, _, value in pairs}


class Addresses(_Value, frozen=True):
    """Both addresses, the destination after a Service's was translated."""

    source: str
    destination: str
    version: str = msgspec.field(name="ipVersion")


class L4Ports(_Value, frozen=True):
    """Both ports, the destination's after a Service's was translated."""

    source_port: int = 0
    destination_port: int = 0


class L4(_Value, frozen=True):
    """The protocol: the one field that is set."""

    tcp: L4Ports | None = msgspec.field(default=None, name="TCP")
    udp: L4Ports | None = msgspec.field(default=None, name="UDP")
    sctp: L4Ports | None = msgspec.field(default=None, name="SCTP")
    icmp4: dict[str, int] | None = msgspec.field(default=None, name="ICMPv4")
    icmp6: dict[str, int] | None = msgspec.field(default=None, name="ICMPv6")

    @property
    def protocol(self) -> str:
        """TCP, UDP, SCTP, ICMPv4, ICMPv6; empty for any other."""
        names = {"TCP": self.tcp, "UDP": self.udp, "SCTP": self.sctp, "ICMPv4": self.icmp4, "ICMPv6": self.icmp6}
        return next((name for name, ports in names.items() if ports is not None), "")

    @property
    def port(self) -> int | None:
        """The destination's port; None for protocols without."""
        ports = self.tcp or self.udp or self.sctp
        return ports.destination_port if ports is not None else None


class ServiceName(_Value, frozen=True):
    """The Service that the client connected to."""

    name: str
    namespace: str


class OriginalDestination(_Value, frozen=True):
    """The address and port that the client connected to, where they were translated."""

    ip: str
    port: int = 0


class PolicyReference(_Value, frozen=True):
    """A policy, with the rule that admits: `ingress[0]` is the first of `spec.ingress`."""

    name: str
    namespace: str = ""
    kind: str = "NetworkPolicy"
    rule: str = ""


class Flow(_Value, frozen=True):
    """One connection attempt, as its first packet met the policies of this node.

    `..._denied_by` are policies that isolate where none of their rules admits, `..._allowed_by` those that admit.
    """

    time: str
    verdict: str
    node_name: str
    addresses: Addresses = msgspec.field(name="IP")
    source: Endpoint = Endpoint()
    destination: Endpoint = Endpoint()
    l4: L4 = L4()
    type: str = msgspec.field(default="", name="Type")
    traffic_direction: str = ""
    drop_reason_desc: str = ""
    destination_service: ServiceName | None = None
    original_destination: OriginalDestination | None = None
    egress_allowed_by: tuple[PolicyReference, ...] = ()
    ingress_allowed_by: tuple[PolicyReference, ...] = ()
    egress_denied_by: tuple[PolicyReference, ...] = ()
    ingress_denied_by: tuple[PolicyReference, ...] = ()
    summary: str = msgspec.field(default="", name="Summary")


class FlowLine(_Value, frozen=True):
    """One line of the journal and of `podwire flows -o json`."""

    flow: Flow
    node_name: str
    time: str

    @classmethod
    def of(cls, flow: Flow) -> FlowLine:
        """The line of a flow."""
        return cls(flow, flow.node_name, flow.time)


def encode(flow: Flow) -> bytes:
    """Return the line of a flow, with its end."""
    return msgspec.json.encode(FlowLine.of(flow)) + b"\n"


def decode(line: bytes) -> Flow:
    """Return the flow of a line. Raises msgspec.DecodeError."""
    return _DECODER.decode(line).flow


_DECODER = msgspec.json.Decoder(FlowLine)
