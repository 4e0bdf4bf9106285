"""The explanation of a Service as values: what `-o json` prints, and what the text shows."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from podwire.insight.answer_form import Verdict
from podwire.kube.backend_choice import Outcome, Reason, Topology, TrafficPolicy


class Value(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a report; names in JSON are in camelCase."""


class Severity(enum.StrEnum):
    """How much a finding matters: clients fail, some may fail, or nothing is wrong."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Finding(Value, frozen=True):
    """One thing that a reader should know, and what to do about it; `reason` is a constant for programs."""

    severity: Severity
    reason: str
    text: str
    remedy: str = ""


def has_error(findings: Iterable[Finding]) -> bool:
    """Whether clients fail."""
    return any(one.severity is Severity.ERROR for one in findings)


class Access(enum.StrEnum):
    """How a client reaches the Service: its traffic policy depends on it."""

    CLUSTER = "cluster address"
    """A cluster address, from anywhere."""
    INSIDE = "from inside"
    """A node port, external or load balancer address, from a pod of this node or from the node itself."""
    OUTSIDE = "from outside"
    """The same, from anywhere else."""


class Source(enum.StrEnum):
    """The address that an endpoint sees as the client's."""

    KEPT = "kept"
    MASQUERADED = "masqueraded"


class FrontendLine(Value, frozen=True):
    """An address and port that clients connect to; the address is empty for a port of every node.

    `announcer` is the node that announces a load balancer's address: empty for none, absent where none has to.
    `sources` are the only clients that are admitted, absent for all.
    """

    kind: str
    address: str
    protocol: str
    port: int
    port_name: str = ""
    announcer: str | None = None
    sources: tuple[str, ...] | None = None


class AccessLine(Value, frozen=True):
    """What clients meet on one way, on one node."""

    access: Access
    policy: TrafficPolicy
    outcome: Outcome
    endpoints: int
    source: Source | None
    fallback: bool = False
    topology: Topology = Topology.NONE


class EndpointLine(Value, frozen=True):
    """One endpoint, and for each way of access why it is used or not."""

    address: str
    port: int
    pod: str
    node: str
    zone: str
    state: str
    reasons: tuple[Reason, ...]


class PortLine(Value, frozen=True):
    """One port of the Service in one family, on one node."""

    name: str
    protocol: str
    port: int
    target_port: str
    family: str
    access: tuple[AccessLine, ...]
    endpoints: tuple[EndpointLine, ...]


class NodeName(Value, frozen=True):
    """A node, its zone, and where it has node ports: addresses and ranges."""

    name: str
    zone: str
    node_port_addresses: tuple[str, ...]


class NodeLine(Value, frozen=True):
    """Nodes on which everything is the same."""

    nodes: tuple[NodeName, ...]
    ports: tuple[PortLine, ...]


class Report(Value, frozen=True):
    """All of it. `settings` are fields of the Service that have an effect, in words."""

    service: str
    type: str
    settings: tuple[tuple[str, str], ...]
    frontends: tuple[FrontendLine, ...]
    nodes: tuple[NodeLine, ...]
    findings: tuple[Finding, ...]
    kernel: tuple[str, ...] | None = None
    """Differences to the rows of the agents; None where they were not compared."""
    is_planned: bool = False

    @property
    def verdict(self) -> Verdict:
        """Whether nothing makes clients fail."""
        return Verdict.NOT_ALLOWED if has_error(self.findings) else Verdict.ALLOWED

    @property
    def answer(self) -> str:
        """The first error, else what is served in a few words."""
        error = next((one for one in self.findings if one.severity is Severity.ERROR), None)
        if error is not None:
            return error.text.rstrip(".")
        return "clients are served" if self.frontends else "no node programs anything for it"
