"""The explanation of a URL as values: what `-o json` prints, and what the text shows."""

from __future__ import annotations

import enum

from podwire.insight.answer_form import Verdict
from podwire.insight.connection.report import Change
from podwire.insight.service.report import Finding, Value

ERRORS = 400
"""The least status of an HTTP error."""


class Kind(enum.StrEnum):
    """What a client gets."""

    FORWARDED = "forwarded"
    """A backend answers."""
    PASSED_ON = "passed on"
    """The connection, or the TLS in it, goes to a backend as it is."""
    ANSWERED = "answered"
    """The proxy answers itself: an error, or a redirect."""
    CLOSED = "closed"
    """The connection is refused, closed, or without an answer."""
    UNKNOWN = "unknown"
    """No Gateway is known that gets the request."""


class Outcome(Value, frozen=True):
    """What becomes of the request. `status` is the proxy's own answer; 0 where a backend answers, or nothing does."""

    kind: Kind
    text: str
    status: int = 0
    location: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the client gets what it wants: an answer that is no error, or a connection to a backend."""
        return self.kind in (Kind.FORWARDED, Kind.PASSED_ON) or 0 < self.status < ERRORS


class DnsLine(Value, frozen=True):
    """What the client's resolver has to answer. `addresses`: any of them is the Gateway's."""

    name: str
    addresses: tuple[str, ...]
    text: str


class GatewayLine(Value, frozen=True):
    """The Gateway that gets the request, or the proxy of all Ingresses (`kind`).

    `envoys` are the ready pods of the proxy, with their nodes.
    """

    gateway: str
    gateway_class: str
    addresses: tuple[str, ...]
    service: str
    envoys: tuple[str, ...]
    place: str = ""
    kind: str = "Gateway"


class ListenerLine(Value, frozen=True):
    """A listener of the Gateway, and whether the request comes to it; else why not."""

    name: str
    protocol: str
    port: int
    hostname: str
    certificate: str
    result: str
    is_taken: bool = False


class RouteLine(Value, frozen=True):
    """A route that could match: what it matches, and the result."""

    route: str
    rule: str
    wants: str
    result: str
    is_taken: bool = False
    place: str = ""


class EndpointLine(Value, frozen=True):
    """An endpoint of a backend. `is_used`: whether it gets requests."""

    address: str
    pod: str
    node: str
    state: str
    is_used: bool


class BackendLine(Value, frozen=True):
    """A share of the requests. `status` is the proxy's answer to this share; 0: an endpoint answers.

    `is_cut_off`: whether no NetworkPolicy admits the connection to any of its endpoints.
    """

    backend: str
    weight: int
    percent: float
    text: str
    status: int = 0
    endpoints: tuple[EndpointLine, ...] = ()
    is_cut_off: bool = False


class PolicyLine(Value, frozen=True):
    """One connection on the way, and whether NetworkPolicies and the mesh allow it; with the workloads of pods."""

    source: str
    destination: str
    is_allowed: bool
    text: str
    source_workload: str = ""
    destination_workload: str = ""
    is_undecidable: bool = False


class Report(Value, frozen=True):
    """All of it. `is_planned`: made from files: nothing has an address yet, and every pod is taken to be ready."""

    url: str
    method: str
    client: str
    outcome: Outcome
    dns: DnsLine
    gateway: GatewayLine | None = None
    listeners: tuple[ListenerLine, ...] = ()
    host: str = ""
    routes: tuple[RouteLine, ...] = ()
    steps: tuple[str, ...] = ()
    """What the route does to the request and its answer, in the order in which it is done."""
    backends: tuple[BackendLine, ...] = ()
    policies: tuple[PolicyLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    is_planned: bool = False
    changes: tuple[Change, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether a backend gets the request, or the proxy answers it without an error."""
        if self.outcome.kind is Kind.UNKNOWN and any(one.is_undecidable for one in self.policies):
            return Verdict.UNDECIDABLE
        if self.outcome.is_good and any(one.is_undecidable for one in self.policies):
            return Verdict.UNDECIDABLE
        return Verdict.ALLOWED if self.outcome.is_good else Verdict.NOT_ALLOWED
