"""What the demo proves about `examples/shop`: which pod connects to which, and the expected outcome. Pure.

The table below names what is allowed; everything else between the same parties must be denied. Each target of a deny
is allowed to another pod, so that silence means a policy and not a broken network.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SPREAD_TIMES = 40
"""Connections that show a Service's spread: three pods miss one of them by chance in 3 of 10 million runs."""


class Expected(enum.Enum):
    """What the policies define."""

    ALLOW = "allow"
    DENY = "deny"


class Via(enum.Enum):
    """How the target is found."""

    SERVICE = "its Service's name"
    POD_ELSEWHERE = "the address of a pod on another node"
    NAME_ONLY = "DNS: the name is only looked up"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, and the Service of the same name that selects it."""

    namespace: str
    name: str
    replicas: int = 1

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection that the policies allow, and why."""

    source: Workload
    target: Workload
    port: int
    why: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: a pod of `source` connects to a pod of `target`, `times` times; `answers` pods must take part."""

    source: Workload
    target: Workload
    port: int
    expected: Expected
    why: str
    via: Via = Via.SERVICE
    protocol: str = "TCP"
    times: int = 1
    answers: int = 1

    @property
    def host(self) -> str:
        """The name that the source uses: short within a namespace, as people write it."""
        if self.source.namespace == self.target.namespace:
            return self.target.name
        return f"{self.target.name}.{self.target.namespace}"

    @property
    def label(self) -> str:
        """The target as a reader sees it."""
        match self.via:
            case Via.NAME_ONLY:
                return f"DNS: {self.host}"
            case Via.POD_ELSEWHERE:
                return f"pod of {self.host}:{self.port} on another node"
            case Via.SERVICE:
                return f"{self.host}:{self.port}" + (f" x {self.times}" if self.times > 1 else "")

    @property
    def id(self) -> str:
        """The same question always has the same text."""
        return f"{self.source} -> {self.label}"


FRONTEND = Workload("shop", "frontend", 2)
BACKEND = Workload("shop", "backend", 3)
DATABASE = Workload("shop", "database")
BROWSER = Workload("visitors", "browser")
PROMETHEUS = Workload("monitoring", "prometheus")

SOURCES = (BROWSER, FRONTEND, BACKEND, DATABASE, PROMETHEUS)
TARGETS = ((FRONTEND, 80), (BACKEND, 8080), (BACKEND, 9090), (DATABASE, 5432))
FLOWS = (
    Flow(BROWSER, FRONTEND, 80, "namespace visitors has the label may-enter=shop"),
    Flow(FRONTEND, BACKEND, 8080, "both policies name the other side and port 8080"),
    Flow(BACKEND, DATABASE, 5432, "both policies name the other side and port 5432"),
    Flow(PROMETHEUS, BACKEND, 9090, "backend lets monitoring in at its port metrics"),
)


def probes() -> tuple[Probe, ...]:
    """All probes in the order of the report: names, allowed flows, spread, then denied flows."""
    connections = tuple(_connections())
    allowed = [probe for probe in connections if probe.expected is Expected.ALLOW]
    denied = [probe for probe in connections if probe.expected is Expected.DENY]
    return (*_lookups(), *allowed, *_elsewhere(), *_spread(), *denied, *_closed_elsewhere())


def uncontrolled(questions: Iterable[Probe]) -> list[Probe]:
    """Denies whose target no other pod may reach: their silence would prove nothing."""
    probes = tuple(questions)
    open_targets = {(p.target, p.port, p.protocol) for p in probes if p.expected is Expected.ALLOW}
    return [p for p in probes if p.expected is Expected.DENY and (p.target, p.port, p.protocol) not in open_targets]


def _connections() -> Iterator[Probe]:
    flows = {(flow.source, flow.target, flow.port): flow for flow in FLOWS}
    for source in SOURCES:
        for target, port in TARGETS:
            flow = flows.get((source, target, port))
            if flow is not None:
                yield Probe(source, target, port, Expected.ALLOW, flow.why)
            elif source != target:
                yield Probe(source, target, port, Expected.DENY, _refusal(source, target, port))


def _lookups() -> Iterator[Probe]:
    """DNS is open to all, also to the database, which may connect to no pod."""
    why = "policy allow-dns opens DNS to all of shop"
    yield Probe(FRONTEND, BACKEND, 53, Expected.ALLOW, why, Via.NAME_ONLY, "UDP")
    yield Probe(DATABASE, FRONTEND, 53, Expected.ALLOW, why, Via.NAME_ONLY, "UDP")
    yield Probe(BROWSER, FRONTEND, 53, Expected.ALLOW, "no policy selects visitors", Via.NAME_ONLY, "UDP")


def _elsewhere() -> Iterator[Probe]:
    for flow in FLOWS[:2]:
        why = "pods reach each other across nodes, without address translation"
        yield Probe(flow.source, flow.target, flow.port, Expected.ALLOW, why, Via.POD_ELSEWHERE)


def _closed_elsewhere() -> Iterator[Probe]:
    why = "policies apply to pods, not to names: an address gives no access"
    yield Probe(PROMETHEUS, FRONTEND, 80, Expected.DENY, why, Via.POD_ELSEWHERE)
    yield Probe(BROWSER, BACKEND, 8080, Expected.DENY, why, Via.POD_ELSEWHERE)


def _spread() -> Iterator[Probe]:
    for flow in FLOWS[:2]:
        target = flow.target
        why = f"the Service leads to {target.replicas} pods: each of them answers"
        yield Probe(flow.source, target, flow.port, Expected.ALLOW, why, times=SPREAD_TIMES, answers=target.replicas)


def _refusal(source: Workload, target: Workload, port: int) -> str:
    """What stops a connection that no policy allows."""
    if any((flow.source, flow.target) == (source, target) for flow in FLOWS):
        return f"{source.name} may talk to {target.name}, but not on port {port}"
    if source.namespace == target.namespace:
        return f"no policy of shop lets {source.name} talk to {target.name}"
    return f"no policy of {target.name} lets {source.namespace} in"
