"""Whether a connection or request is allowed, and by which rule: the rules' meaning, step by step. Pure."""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Iterable, Mapping

import msgspec

from podwire.mesh.authorization import pattern
from podwire.mesh.authorization.model import (
    Action,
    ClaimCondition,
    Condition,
    Connection,
    HeaderCondition,
    Issued,
    Operation,
    Policy,
    Request,
    Rule,
    Source,
    of_action,
)
from podwire.mesh.authorization.pattern import Mode, Pattern

AMBIGUOUS_PATH = re.compile(r".*%25(?:2[eEfF]|5[cC]).*")
"""Paths that servers which decode twice read differently: refused where a rule has paths. Envoy has the expression."""
_LIST_CLAIMS = frozenset({"scope"})
"""Claims of words that a space separates (RFC 8693, 4.2)."""


class Outcome(enum.StrEnum):
    """Why something is allowed or refused."""

    ALLOWED = "allowed"
    NO_POLICY = "no policy"
    DENIED = "denied"
    NOT_ALLOWED = "not allowed"
    AMBIGUOUS = "ambiguous path"


class Decision(msgspec.Struct, frozen=True):
    """What becomes of a connection or request.

    Attributes:
        outcome: why.
        rule: name of the rule that allowed or denied it; empty where none did.
        audited: names of the rules of AUDIT policies that match.

    """

    outcome: Outcome
    rule: str = ""
    audited: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether it passes."""
        return self.outcome in (Outcome.ALLOWED, Outcome.NO_POLICY)


def request_decision(policies: Iterable[Policy], connection: Connection, request: Request) -> Decision:
    """Return what becomes of a request on a port whose requests are read."""
    policies = tuple(policies)
    if reads_paths(policies, connection.port) and AMBIGUOUS_PATH.fullmatch(request.path):
        return Decision(Outcome.AMBIGUOUS)
    return _decision(policies, connection, request, Mode.POSSIBLE, Mode.CERTAIN)


def connection_decision(policies: Iterable[Policy], connection: Connection, *, reads_requests: bool) -> Decision:
    """Return what becomes of a connection.

    Where its requests are read later, it passes if one of them could be allowed. Where they never are, rules about
    requests allow nothing, and deny all that they could match.
    """
    if reads_requests:
        return _decision(tuple(policies), connection, None, Mode.CERTAIN, Mode.POSSIBLE)
    return _decision(tuple(policies), connection, None, Mode.POSSIBLE, Mode.CERTAIN)


def needs_requests(policies: Iterable[Policy], port: int) -> bool:
    """Whether a rule that could match on this port is about requests."""
    return any(rule.reads_requests and concerns(rule, port) for one in policies for rule in one.rules)


def reads_paths(policies: Iterable[Policy], port: int) -> bool:
    """Whether a rule that could match on this port compares paths."""
    return any(rule.reads_paths and concerns(rule, port) for one in policies for rule in one.rules)


def concerns(rule: Rule, port: int) -> bool:
    """Whether the rule's ports have this one."""
    conditions = [one for one in rule.conditions if isinstance(one, Operation)]
    one_has = not rule.operations or any(_has_port(one, port) for one in rule.operations)
    return one_has and all(_has_port(one, port) for one in conditions)


def _decision(
    policies: tuple[Policy, ...], connection: Connection, request: Request | None, deny: Mode, allow: Mode
) -> Decision:
    audited = tuple(_matching(of_action(policies, Action.AUDIT), connection, request, deny))
    for rule in _matching(of_action(policies, Action.DENY), connection, request, deny):
        return Decision(Outcome.DENIED, rule, audited)
    allowing = of_action(policies, Action.ALLOW)
    if not allowing:
        return Decision(Outcome.NO_POLICY, "", audited)
    for rule in _matching(allowing, connection, request, allow):
        return Decision(Outcome.ALLOWED, rule, audited)
    return Decision(Outcome.NOT_ALLOWED, "", audited)


def _matching(policies: Iterable[Policy], connection: Connection, request: Request | None, mode: Mode) -> list[str]:
    return [
        name
        for policy in policies
        for name, rule in policy.named_rules()
        if rule_matches(rule, connection, request, mode)
    ]


def rule_matches(rule: Rule, connection: Connection, request: Request | None, mode: Mode) -> bool:
    """Whether a rule matches; `request` None: requests are not read."""
    sources = not rule.sources or any(_holds(one, connection, request, mode) for one in rule.sources)
    operations = not rule.operations or any(_holds(one, connection, request, mode) for one in rule.operations)
    return sources and operations and all(_holds(one, connection, request, mode) for one in rule.conditions)


def _holds(condition: Condition, connection: Connection, request: Request | None, mode: Mode) -> bool:
    match condition:
        case Source():
            return _source_holds(condition, connection, request, mode)
        case Operation():
            return _has_port(condition, connection.port) and _operation_holds(condition, request, mode)
        case HeaderCondition():
            return _header_holds(condition, request, mode)
        case ClaimCondition():
            return _claim_holds(condition, request, mode)


def _source_holds(source: Source, connection: Connection, request: Request | None, mode: Mode) -> bool:
    identity, namespace = connection.identity, namespace_of(connection.identity)
    return (
        _one_and_none(source.identities, source.not_identities, identity)
        and _one_and_none(source.namespaces, source.not_namespaces, namespace)
        and (not source.addresses or _within(source.addresses, connection.address))
        and not _within(source.not_addresses, connection.address)
        and (not source.tokens or _has_token(source.tokens, request, mode))
        and not (source.not_tokens and _has_token(source.not_tokens, request, mode.other))
    )


def _operation_holds(one: Operation, request: Request | None, mode: Mode) -> bool:
    if request is None:
        return mode is Mode.POSSIBLE or not one.reads_requests
    other = mode.other
    return (
        (not one.hosts or _host_matches(one.hosts, request.host))
        and not (one.not_hosts and _host_matches(one.not_hosts, request.host))
        and (not one.methods or _method_matches(one.methods, request.method, mode))
        and not (one.not_methods and _method_matches(one.not_methods, request.method, other))
        and (not one.paths or pattern.path_matches(one.paths, request.path, mode))
        and not (one.not_paths and pattern.path_matches(one.not_paths, request.path, other))
    )


def _header_holds(one: HeaderCondition, request: Request | None, mode: Mode) -> bool:
    if request is None:
        return mode is Mode.POSSIBLE
    values = [value for name, value in request.headers if name == one.name]
    desired = not one.values or pattern.elements_match(one.values, values, mode)
    return desired and not (one.not_values and pattern.elements_match(one.not_values, values, mode.other))


def _claim_holds(one: ClaimCondition, request: Request | None, mode: Mode) -> bool:
    if request is None:
        return mode is Mode.POSSIBLE
    values = _claim_values(request.claims, one.path)
    desired = not one.values or any(pattern.any_matches(one.values, value) for value in values)
    return desired and not any(pattern.any_matches(one.not_values, value) for value in values)


def _claim_values(claims: Mapping[str, object] | None, path: tuple[str, ...]) -> list[str]:
    """Return the texts of a claim: numbers, truth values and objects have none."""
    value: object = claims
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return value.split(" ") if path[-1] in _LIST_CLAIMS and len(path) == 1 else [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _has_token(tokens: Iterable[Issued], request: Request | None, mode: Mode) -> bool:
    if request is None:
        return mode is Mode.POSSIBLE
    claims = request.claims or {}
    issuer, subject = claims.get("iss"), claims.get("sub")
    return (
        isinstance(issuer, str)
        and isinstance(subject, str)
        and any(one.issuer.matches(issuer) and one.subject.matches(subject) for one in tokens)
    )


def _host_matches(patterns: Iterable[Pattern], host: str) -> bool:
    name = host.lower().rpartition(":")[0] if re.search(r":\d+$", host) else host.lower()
    return any(one.lower().matches(name.removesuffix(".")) for one in patterns)


def _method_matches(patterns: Iterable[Pattern], method: str, mode: Mode) -> bool:
    if mode is Mode.POSSIBLE:
        return any(one.lower().matches(method.lower()) for one in patterns)
    return pattern.any_matches(patterns, method)


def _has_port(one: Operation, port: int) -> bool:
    return (not one.ports or port in one.ports) and port not in one.not_ports


def _one_and_none(desired: Iterable[Pattern], unwanted: Iterable[Pattern], text: str) -> bool:
    """Whether a text matches; an empty one, of who has no identity, matches nothing."""
    desired = tuple(desired)
    return (not desired or bool(text and pattern.any_matches(desired, text))) and not (
        text and pattern.any_matches(unwanted, text)
    )


def _within(ranges: Iterable[str], address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(one) for one in ranges)


def namespace_of(identity: str) -> str:
    """Return the namespace of a SPIFFE id of a workload; empty for another text."""
    parts = identity.split("/")
    is_workload = len(parts) == 7 and parts[3] == "ns" and parts[5] == "sa"
    return parts[4] if is_workload else ""
