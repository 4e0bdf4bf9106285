"""The explanation of a connection as values: what `-o json` prints, and what the text shows."""

from __future__ import annotations

import enum

from podwire.insight.answer_form import Verdict
from podwire.insight.mesh_policies.report import MeshLine
from podwire.insight.service.report import Finding, Value


class Word(enum.StrEnum):
    """What a policy means for one end of the connection. No policy denies: an end that none admits is closed."""

    NOT_APPLICABLE = "not applicable"
    ADMITS = "admits"
    DOES_NOT_ADMIT = "does not admit"
    UNDECIDABLE = "undecidable"


class Miss(Value, frozen=True):
    """A part of a rule that does not fit, and why: `spec.ingress[0].from[1].podSelector`."""

    field: str
    place: str
    text: str


class RuleLine(Value, frozen=True):
    """A rule of a policy: whether it admits the connection, else what missed."""

    index: int
    place: str
    word: Word
    misses: tuple[Miss, ...] = ()


class PolicyLine(Value, frozen=True):
    """A policy and its word; `text` is the reason where it is not that of a rule."""

    policy: str
    place: str
    word: Word
    text: str = ""
    rules: tuple[RuleLine, ...] = ()


class TierWord(enum.StrEnum):
    """What a ClusterNetworkPolicy means for one end: its first rule that matches decides."""

    ACCEPTS = "accepts"
    DENIES = "denies"
    PASSES = "passes on"
    NO_MATCH = "does not match"
    NOT_APPLICABLE = "not applicable"
    UNDECIDABLE = "undecidable"


class TierLine(Value, frozen=True):
    """A ClusterNetworkPolicy: its tier, and the rule that matches. The smaller priority comes first."""

    policy: str
    tier: str
    priority: int
    place: str
    word: TierWord
    text: str = ""


class SideLine(Value, frozen=True):
    """One end: egress of the client or ingress of the server, with all policies that may concern it.

    `tiers` are in the order in which they decide; NetworkPolicies come between the tiers Admin and Baseline.
    """

    direction: str
    subject: str
    verdict: Verdict
    text: str
    policies: tuple[PolicyLine, ...] = ()
    tiers: tuple[TierLine, ...] = ()


class ConnectionLine(Value, frozen=True):
    """A connection to pods or to an address, after a Service was resolved. `mesh`: where it is to enrolled pods."""

    source: str
    destination: str
    protocol: str
    port: int
    verdict: Verdict
    sides: tuple[SideLine, ...] = ()
    mesh: MeshLine | None = None


class ServiceLine(Value, frozen=True):
    """A port of the Service on the way, and the port of the pods behind it."""

    service: str
    place: str
    port: int
    name: str
    protocol: str
    target: str
    text: str


class Change(Value, frozen=True):
    """Objects to apply that would allow the connection, and what they are."""

    text: str
    yaml: str


class Report(Value, frozen=True):
    """All of it. `is_planned`: made from files: nothing has an address yet, and every pod is taken to be ready."""

    source: str
    destination: str
    verdict: Verdict
    text: str
    services: tuple[ServiceLine, ...] = ()
    connections: tuple[ConnectionLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    is_planned: bool = False
