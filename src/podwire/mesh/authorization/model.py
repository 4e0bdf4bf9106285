"""Policies of authorization, as values: no Kubernetes, no Envoy. Pure.

A policy is for the workloads of a namespace that it selects. A connection or request is refused where a rule of a DENY
policy matches, or where there are ALLOW policies and no rule of them matches. AUDIT policies change nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

import msgspec

from podwire.kube.meta import LabelSelector, NamespacedName
from podwire.mesh.authorization.pattern import Pattern

Patterns = tuple[Pattern, ...]
EVERYWHERE = "podwire-system"
"""The namespace whose policies are for the workloads of all namespaces."""


class Action(enum.StrEnum):
    """What a policy does with what its rules match."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    AUDIT = "AUDIT"


class Issued(msgspec.Struct, frozen=True):
    """Whose token a request has, and of which issuer."""

    issuer: Pattern
    subject: Pattern


class Source(msgspec.Struct, frozen=True):
    """Who connects or requests: all fields hold, one value of each; `not_` fields: no value.

    Attributes:
        identities: SPIFFE ids. Who has none matches only `not_` fields.
        namespaces: of the identity.
        addresses: ranges of the address that connects.
        tokens: who a verified token is for.

    """

    identities: Patterns = ()
    not_identities: Patterns = ()
    namespaces: Patterns = ()
    not_namespaces: Patterns = ()
    addresses: tuple[str, ...] = ()
    not_addresses: tuple[str, ...] = ()
    tokens: tuple[Issued, ...] = ()
    not_tokens: tuple[Issued, ...] = ()

    @property
    def reads_requests(self) -> bool:
        """Whether requests must be read."""
        return bool(self.tokens or self.not_tokens)


class Operation(msgspec.Struct, frozen=True):
    """What is connected to or requested: all fields hold, one value of each; `not_` fields: no value.

    Attributes:
        ports: of the workload.
        hosts: of requests, without port.
        paths: without query.

    """

    ports: tuple[int, ...] = ()
    not_ports: tuple[int, ...] = ()
    hosts: Patterns = ()
    not_hosts: Patterns = ()
    methods: Patterns = ()
    not_methods: Patterns = ()
    paths: Patterns = ()
    not_paths: Patterns = ()

    @property
    def reads_requests(self) -> bool:
        """Whether requests must be read."""
        fields = (self.hosts, self.not_hosts, self.methods, self.not_methods, self.paths, self.not_paths)
        return any(fields)


class HeaderCondition(msgspec.Struct, frozen=True):
    """A header of the request, its name in lower case, has one of the values, and none of `not_values`."""

    name: str
    values: Patterns = ()
    not_values: Patterns = ()
    reads_requests = True


class ClaimCondition(msgspec.Struct, frozen=True):
    """A claim of the verified token has one of the values, and none of `not_values`. A list has each of its elements.

    `path` leads to the claim: one name, or names of nested objects.
    """

    path: tuple[str, ...]
    values: Patterns = ()
    not_values: Patterns = ()
    reads_requests = True


Condition = Source | Operation | HeaderCondition | ClaimCondition


class Rule(msgspec.Struct, frozen=True):
    """Matches where one source (or there is none), one operation (or there is none) and all conditions hold."""

    sources: tuple[Source, ...] = ()
    operations: tuple[Operation, ...] = ()
    conditions: tuple[Condition, ...] = ()
    name: str = ""

    @property
    def reads_requests(self) -> bool:
        """Whether requests must be read to know whether it matches."""
        return any(one.reads_requests for one in (*self.sources, *self.operations, *self.conditions))

    @property
    def reads_paths(self) -> bool:
        """Whether a path is compared."""
        every = (*self.operations, *(one for one in self.conditions if isinstance(one, Operation)))
        return any(one.paths or one.not_paths for one in every)


class Policy(msgspec.Struct, frozen=True):
    """A policy for selected workloads of its namespace; an ALLOW policy without rules allows nothing."""

    key: NamespacedName
    action: Action = Action.ALLOW
    rules: tuple[Rule, ...] = ()
    selector: LabelSelector = LabelSelector()
    kind: str = "AuthorizationPolicy"

    def named_rules(self) -> Iterator[tuple[str, Rule]]:
        """Yield the rules with names for logs and metrics: NAMESPACE/POLICY/RULE."""
        for number, rule in enumerate(self.rules):
            yield f"{self.key}/{rule.name or number}", rule


class Connection(msgspec.Struct, frozen=True):
    """A connection to a port of a workload; `identity` is the verified SPIFFE id, empty where there is none."""

    address: str
    port: int
    identity: str = ""


class Request(msgspec.Struct, frozen=True):
    """A request as it is after normalisation.

    Attributes:
        path: without query.
        headers: names in lower case; repeated ones are repeated here.
        claims: of the verified token; None: there is none.

    """

    method: str = "GET"
    path: str = "/"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    claims: dict[str, object] | None = None


def of_action(policies: Iterable[Policy], action: Action) -> tuple[Policy, ...]:
    """Return the policies with an action."""
    return tuple(one for one in policies if one.action is action)
