"""Pods that are reachable without identity, without encryption or without a rule, and policies without effect. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

import msgspec

from podwire.kube.meta import LabelSelector
from podwire.mesh.authorization.decision import connection_decision, needs_requests
from podwire.mesh.authorization.model import Connection
from podwire.mesh.authorization.selection import Authorization, selects
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.transport_policy import PERMISSIVE, STRICT, TransportPolicy
from podwire.mesh.model.workload import Workload

UNKNOWN_CLIENT = "192.0.2.1"
"""The address of a client without identity (RFC 5737): a rule that allows its range is meant."""


class Lack(enum.StrEnum):
    """What is missing."""

    ENCRYPTION = "encryption"
    IDENTITY = "identity"
    RULE = "rule"
    PODS = "pods"
    ACCEPTANCE = "acceptance"


class Finding(msgspec.Struct, frozen=True):
    """One object that something is missing of.

    Attributes:
        object: kind, namespace and name.
        without: what is missing.
        why: the reason, and what to do.

    """

    object: str
    without: Lack
    why: str


class Report(msgspec.Struct, frozen=True):
    """The findings, and how many pods there are."""

    findings: tuple[Finding, ...]
    pods: int
    enrolled: int

    def count(self, lack: Lack) -> int:
        """Return how many objects lack something."""
        return sum(one.without is lack for one in self.findings)


PLAIN = Transport()
"""Without policies: plain text is accepted."""


def audit(
    workloads: Iterable[Workload],
    authorization: Authorization,
    transport: Transport = PLAIN,
    unread: Iterable[tuple[str, str]] = (),
) -> Report:
    """Return the report on all pods with addresses of their own. `unread` are policies with what is wrong in each."""
    pods = sorted(workloads, key=lambda one: one.key)
    found = [finding for one in pods for finding in _of_pod(one, authorization, transport)]
    found += _of_policies(pods, authorization, transport)
    found += (Finding(name, Lack.ACCEPTANCE, f"it is not Accepted: {problem}") for name, problem in unread)
    found += (finding for one in transport.policies for finding in _unknown_modes(one))
    return Report(tuple(found), len(pods), sum(one.enrolled for one in pods))


def _of_pod(one: Workload, authorization: Authorization, transport: Transport) -> Iterator[Finding]:
    name = f"Pod {one.key}"
    if not one.enrolled:
        remedy = f"it is not enrolled: label namespace {one.namespace} podwire.dev/mesh=enabled"
        yield from (Finding(name, lack, remedy) for lack in (Lack.ENCRYPTION, Lack.IDENTITY, Lack.RULE))
        return
    if not one.redirected:
        yield Finding(
            name, Lack.ENCRYPTION, f"node {one.node} does not redirect its connections yet: see its agent's log"
        )
    policies = authorization.policies_of(one)
    if not policies:
        yield Finding(name, Lack.RULE, "no AuthorizationPolicy selects it: everybody may connect to all ports")
    if ports := sorted(_open_to_nobody(one, authorization, transport)):
        shown = "all ports" if 0 in ports else f"port {', '.join(map(str, ports))}"
        remedy = "add a TransportPolicy of mode STRICT, or to the one that counts these ports"
        yield Finding(name, Lack.IDENTITY, f"clients without mutual TLS may connect to {shown}: {remedy}")


def _open_to_nobody(one: Workload, authorization: Authorization, transport: Transport) -> Iterator[int]:
    """Yield the ports to which a client without identity may connect; 0 is any port that no rule names."""
    policies = authorization.policies_of(one)
    http = authorization.http_ports(one)
    named = {
        port
        for policy in policies
        for rule in policy.rules
        for operation in rule.operations
        for port in (*operation.ports, *operation.not_ports)
    }
    is_strict, modes = transport.modes(one)
    for port in {0, *named, *http, *modes}:
        if modes.get(port, is_strict):
            continue
        is_read = port in http and needs_requests(policies, port)
        if connection_decision(policies, Connection(UNKNOWN_CLIENT, port), reads_requests=is_read).allowed:
            yield port


def _of_policies(pods: Iterable[Workload], authorization: Authorization, transport: Transport) -> Iterator[Finding]:
    enrolled = [one for one in pods if one.enrolled]
    every = [(f"AuthorizationPolicy {one.key}", one.key, one.selector) for one in authorization.policies]
    every += [(f"RequestAuthentication {one.key}", one.key, one.selector) for one in authorization.tokens]
    every += [
        (f"TransportPolicy {one.key}", one.key, one.spec.selector or LabelSelector()) for one in transport.policies
    ]
    for name, key, selector in every:
        if not any(selects(key, selector, one) for one in enrolled):
            yield Finding(name, Lack.PODS, "it selects no enrolled pod: correct its selector, or delete it")


def _unknown_modes(one: TransportPolicy) -> Iterator[Finding]:
    """Yield what a policy has that is no mode: plain text is accepted there."""
    modes = (("spec.mode", one.spec.mode), *((f"spec.ports of {port.port}", port.mode) for port in one.spec.ports))
    for field, mode in modes:
        if mode not in (STRICT, PERMISSIVE):
            why = f"{field}: {mode!r} is no mode, plain text is accepted: write {STRICT} or {PERMISSIVE}"
            yield Finding(f"TransportPolicy {one.key}", Lack.ACCEPTANCE, why)
