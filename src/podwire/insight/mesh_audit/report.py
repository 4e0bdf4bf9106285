"""Pods that are reachable without identity, without encryption or without a rule, and policies without effect. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

import msgspec

from podwire.mesh.authorization.decision import connection_decision, needs_requests
from podwire.mesh.authorization.model import Connection
from podwire.mesh.authorization.selection import Authorization, selects
from podwire.mesh.model.workload import Workload

NOBODY = "192.0.2.1"
"""The address of a client without identity (RFC 5737): a rule that allows its range is meant."""


class Lack(enum.StrEnum):
    """What is missing."""

    ENCRYPTION = "encryption"
    IDENTITY = "identity"
    RULE = "rule"
    PODS = "pods"


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


def audit(workloads: Iterable[Workload], authorization: Authorization) -> Report:
    """Return the report on all pods with addresses of their own."""
    pods = sorted(workloads, key=lambda one: one.key)
    found = [finding for one in pods for finding in _of_pod(one, authorization)]
    found += _of_policies(pods, authorization)
    return Report(tuple(found), len(pods), sum(one.enrolled for one in pods))


def _of_pod(one: Workload, authorization: Authorization) -> Iterator[Finding]:
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
    if ports := sorted(_open_to_nobody(one, authorization)):
        shown = "all ports" if 0 in ports else f"port {', '.join(map(str, ports))}"
        remedy = 'add a policy {action: DENY, rules: [{from: [{notIdentities: ["*"]}]}]}'
        yield Finding(name, Lack.IDENTITY, f"clients without mutual TLS may connect to {shown}: {remedy}")


def _open_to_nobody(one: Workload, authorization: Authorization) -> Iterator[int]:
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
    for port in (0, *named, *http):
        is_read = port in http and needs_requests(policies, port)
        if connection_decision(policies, Connection(NOBODY, port), reads_requests=is_read).allowed:
            yield port


def _of_policies(pods: Iterable[Workload], authorization: Authorization) -> Iterator[Finding]:
    enrolled = [one for one in pods if one.enrolled]
    every = [(f"AuthorizationPolicy {one.key}", one.key, one.selector) for one in authorization.policies]
    every += [(f"RequestAuthentication {one.key}", one.key, one.selector) for one in authorization.tokens]
    for name, key, selector in every:
        if not any(selects(key, selector, one) for one in enrolled):
            yield Finding(name, Lack.PODS, "it selects no enrolled pod: correct its selector, or delete it")
