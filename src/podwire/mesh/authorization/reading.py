"""Objects of `mesh.podwire.dev` as policies, with what is wrong in them. Pure.

What cannot be read matches nothing in a rule that allows, and everything in one that denies.
"""

from __future__ import annotations

import ipaddress
import json
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from podwire.mesh.authorization import pattern
from podwire.mesh.authorization.model import (
    Action,
    ClaimCondition,
    Condition,
    HeaderCondition,
    Issued,
    Operation,
    Policy,
    Rule,
    Source,
)
from podwire.mesh.authorization.pattern import Comparison, Pattern
from podwire.mesh.authorization.tokens import Issuer, TokenHeader, TokenPolicy
from podwire.mesh.kinds.authorization_policy import (
    AuthorizationPolicy,
    AuthorizationRule,
    RuleCondition,
    RuleOperation,
    RuleSource,
    TokenSubject,
)
from podwire.mesh.kinds.request_authentication import RequestAuthentication, TokenIssuer

T = TypeVar("T")
V = TypeVar("V")
_WHOLE_ID = "spiffe://"
_FORBIDDEN_HEADERS = frozenset({"host", "x-forwarded-client-cert"})


class Read(msgspec.Struct, frozen=True):
    """A policy, and its problems: each names the field and what to do."""

    policy: Policy
    problems: tuple[str, ...] = ()


class ReadTokens(msgspec.Struct, frozen=True):
    """A policy of tokens, and its problems."""

    policy: TokenPolicy
    problems: tuple[str, ...] = ()


def read(item: AuthorizationPolicy) -> Read:
    """Return the policy that an object means."""
    problems: list[str] = []
    action = Action.DENY
    try:
        action = Action(item.spec.action)
    except ValueError:
        problems.append(f"spec.action: {item.spec.action!r} is not ALLOW, DENY or AUDIT: all is denied; correct it")
        return Read(Policy(item.key, action, (Rule(),), item.spec.selector), tuple(problems))
    rules = []
    for number, rule in enumerate(item.spec.rules):
        reading = _Reading(f"spec.rules[{number}]")
        made = reading.rule(rule)
        problems += reading.problems
        if not reading.problems or action is Action.DENY:
            rules.append(made)
    return Read(Policy(item.key, action, tuple(rules), item.spec.selector), tuple(problems))


def read_tokens(item: RequestAuthentication) -> ReadTokens:
    """Return the policy of tokens that an object means. Of an issuer that cannot be read all tokens are refused."""
    problems: list[str] = []
    issuers = []
    for number, one in enumerate(item.spec.issuers):
        if problem := _issuer_problem(one):
            problems.append(f"spec.issuers[{number}].{problem}")
            one = msgspec.structs.replace(one, jwks="", jwks_uri="")  # noqa: PLW2901
        issuers.append(_issuer(one))
    return ReadTokens(TokenPolicy(item.key, tuple(issuers), item.spec.selector), tuple(problems))


class _Reading:
    """Fields of one rule; those that cannot be read are left out, and listed in `problems`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.problems: list[str] = []

    def rule(self, rule: AuthorizationRule) -> Rule:
        sources = [self._source(f"from[{number}]", one) for number, one in enumerate(rule.sources)]
        operations = [self._operation(f"to[{number}]", one) for number, one in enumerate(rule.operations)]
        conditions = [self._condition(f"when[{number}]", one) for number, one in enumerate(rule.conditions)]
        return Rule(tuple(sources), tuple(operations), tuple(one for one in conditions if one is not None), rule.name)

    def _source(self, path: str, one: RuleSource) -> Source:
        return Source(
            self._each(path, "identities", one.identities, _identity),
            self._each(path, "notIdentities", one.not_identities, _identity),
            self._each(path, "namespaces", one.namespaces, pattern.read),
            self._each(path, "notNamespaces", one.not_namespaces, pattern.read),
            self._each(path, "addresses", one.addresses, _range),
            self._each(path, "notAddresses", one.not_addresses, _range),
            self._each(path, "tokens", one.tokens, _issued),
            self._each(path, "notTokens", one.not_tokens, _issued),
        )

    def _operation(self, path: str, one: RuleOperation) -> Operation:
        return Operation(
            self._each(path, "ports", one.ports, _port),
            self._each(path, "notPorts", one.not_ports, _port),
            self._each(path, "hosts", one.hosts, pattern.read),
            self._each(path, "notHosts", one.not_hosts, pattern.read),
            self._each(path, "methods", one.methods, pattern.read),
            self._each(path, "notMethods", one.not_methods, pattern.read),
            self._each(path, "paths", one.paths, pattern.read_path),
            self._each(path, "notPaths", one.not_paths, pattern.read_path),
        )

    def _condition(self, path: str, one: RuleCondition) -> Condition | None:
        if bool(one.header) == bool(one.claim):
            self._problem(path, "exactly one of header and claim is needed")
            return None
        if not one.values and not one.not_values:
            self._problem(path, "values or notValues are needed; values: ['*'] means that there is one")
            return None
        if one.claim:
            values = self._each(path, "values", one.values, pattern.read)
            return ClaimCondition(one.claim, values, self._each(path, "notValues", one.not_values, pattern.read))
        name = one.header.lower()
        if name.startswith(":") or name in _FORBIDDEN_HEADERS:
            self._problem(
                f"{path}.header", f"{name} is no header that a client sets: use hosts, methods, paths, identities"
            )
            return None
        values = self._each(path, "values", one.values, _header_value)
        return HeaderCondition(name, values, self._each(path, "notValues", one.not_values, _header_value))

    def _each(self, path: str, field: str, values: Sequence[V], reader: Callable[[V], T]) -> tuple[T, ...]:
        found = []
        for number, value in enumerate(values):
            try:
                found.append(reader(value))
            except ValueError as error:
                self._problem(f"{path}.{field}[{number}]", str(error))
        return tuple(found)

    def _problem(self, path: str, message: str) -> None:
        self.problems.append(f"{self._path}.{path}: {message}")


def _identity(text: str) -> Pattern:
    """Return the pattern of SPIFFE ids that a text means: `NAMESPACE/SERVICEACCOUNT`, `*` or (part of) an id."""
    if text == "*" or text.startswith(_WHOLE_ID):
        return pattern.read(text)
    namespace, slash, account = text.partition("/")
    if not slash or not namespace or not account or "/" in account or "*" in namespace:
        raise ValueError(f"{text!r} is not NAMESPACE/SERVICEACCOUNT, NAMESPACE/* or a SPIFFE id")
    found = pattern.read(account)
    tail = f"/ns/{namespace}/sa/"
    if found.comparison is Comparison.EXACT:
        return Pattern(Comparison.SUFFIX, tail + found.value)
    raise ValueError(f"{text!r}: for all ServiceAccounts of a namespace use namespaces: [{namespace}]")


def _range(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is not an address or a range (10.0.0.0/8, fd00::/8)") from None


def _port(number: int) -> int:
    if not 1 <= number <= 65535:
        raise ValueError(f"{number} is not a port from 1 to 65535")
    return number


def _issued(one: TokenSubject) -> Issued:
    return Issued(pattern.read(one.issuer), pattern.read(one.subject))


def _header_value(text: str) -> Pattern:
    if "," in text or text != text.strip():
        raise ValueError(f"{text!r} has a comma, which separates values, or a blank at an end: write one value each")
    return pattern.read(text)


def _issuer_problem(one: TokenIssuer) -> str:
    if not one.issuer:
        return "issuer: it is needed: write the iss of its tokens"
    if bool(one.jwks) == bool(one.jwks_uri):
        return "jwks: exactly one of jwks and jwksUri is needed"
    if one.jwks and not _is_key_set(one.jwks):
        return "jwks: it is no JSON object with keys (RFC 7517, 5)"
    if one.jwks_uri and urllib.parse.urlsplit(one.jwks_uri).scheme not in ("http", "https"):
        return f"jwksUri: {one.jwks_uri!r} is no URL of http or https"
    return ""


def _is_key_set(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and isinstance(value.get("keys"), list)


def _issuer(one: TokenIssuer) -> Issuer:
    return Issuer(
        one.issuer,
        one.audiences,
        one.jwks,
        one.jwks_uri,
        tuple(TokenHeader(each.name, each.prefix) for each in one.from_headers),
        one.from_params,
        one.from_cookies,
        one.forward_original_token,
        one.output_payload_to_header,
        tuple((each.header, each.claim) for each in one.output_claim_to_headers),
    )


def problems_text(problems: Iterable[str]) -> str:
    """Return the problems as a message of a condition."""
    return "; ".join(problems)
