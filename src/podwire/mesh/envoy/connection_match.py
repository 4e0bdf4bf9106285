"""Rules about connections as a matcher (xDS) that decides before anything is connected.

Envoy's RBAC filter of connections decides with the first byte of the client: one that is denied would get what a server
says first. A filter chain is chosen earlier.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from envoy.extensions.matching.input_matchers.ip.v3 import ip_pb2
from xds.core.v3 import extension_pb2
from xds.type.matcher.v3 import matcher_pb2, regex_pb2, string_pb2

from podwire.edge.envoy.client_ranges import cidr_range
from podwire.edge.envoy.message import packed
from podwire.mesh.authorization import expressions
from podwire.mesh.authorization.decision import needs_requests
from podwire.mesh.authorization.model import (
    Action,
    Condition,
    Operation,
    Patterns,
    Policy,
    Rule,
    Source,
    of_action,
)
from podwire.mesh.authorization.pattern import Mode, Pattern
from podwire.mesh.envoy.filter_state import SOURCE_IDENTITY
from podwire.mesh.envoy.matching import nested

_MATCHERS = matcher_pb2.Matcher.MatcherList
_PREDICATE = _MATCHERS.Predicate


def connection_match(policies: Iterable[Policy], port: int | None, allowed: Any, denied: Any) -> Any:
    """Return the `OnMatch` for connections to workloads with these policies, as `connection_decision` decides.

    `port`: the only one that is meant; None: all of them, none of which has requests that are read. `allowed` and
    `denied` are actions, each an `OnMatch`.
    """
    policies = tuple(policies)
    is_read = port is not None and needs_requests(policies, port)
    deny, allow = (Mode.CERTAIN, Mode.POSSIBLE) if is_read else (Mode.POSSIBLE, Mode.CERTAIN)
    allowing = of_action(policies, Action.ALLOW)
    found = matcher_pb2.Matcher()
    for one in of_action(policies, Action.DENY):
        _add(found, one.rules, port, deny, denied)
    for one in allowing:
        _add(found, one.rules, port, allow, allowed)
    last = denied if allowing else allowed
    if not found.matcher_list.matchers:
        return last
    found.on_no_match.CopyFrom(last)
    return nested(found)


def audited_match(
    policies: Iterable[Policy], port: int | None, allowed: Callable[[str], Any], denied: Callable[[str], Any]
) -> Any:
    """Return the `OnMatch` of `connection_match` with actions by the first rule of AUDIT policies that matches.

    Its name is empty where none does. Rules about requests are recorded by the filters of requests.
    """
    policies = tuple(policies)
    found = matcher_pb2.Matcher()
    for one in of_action(policies, Action.AUDIT):
        for name, rule in one.named_rules():
            if not rule.reads_requests:
                outcome = connection_match(policies, port, allowed(name), denied(name))
                _add(found, (rule,), port, Mode.CERTAIN, outcome)
    last = connection_match(policies, port, allowed(""), denied(""))
    if not found.matcher_list.matchers:
        return last
    found.on_no_match.CopyFrom(last)
    return nested(found)


def _add(found: Any, rules: Iterable[Rule], port: int | None, mode: Mode, outcome: Any) -> None:
    for rule in rules:
        predicate = _all_of(_rule_parts(rule, port, mode))
        found.matcher_list.matchers.append(_MATCHERS.FieldMatcher(predicate=predicate, on_match=outcome))


def _rule_parts(rule: Rule, port: int | None, mode: Mode) -> Iterator[Any]:
    for group in (rule.sources, rule.operations):
        if group:
            yield _any_of([_all_of(_parts(one, port, mode)) for one in group])
    for one in rule.conditions:
        yield from _parts(one, port, mode)


def _parts(condition: Condition, port: int | None, mode: Mode) -> Iterator[Any]:
    if isinstance(condition, Source):
        yield from _source_parts(condition)
    elif isinstance(condition, Operation):
        yield from _port_parts(condition, port)
    if condition.reads_requests and mode is Mode.CERTAIN:
        yield _NEVER


def _source_parts(source: Source) -> Iterator[Any]:
    for patterns, unwanted, text in (
        (source.identities, source.not_identities, expressions.identity),
        (source.namespaces, source.not_namespaces, expressions.namespace),
    ):
        if patterns:
            yield _identity_is(patterns, text)
        if unwanted:
            yield _not(_identity_is(unwanted, text))
    if source.addresses:
        yield _address_in(source.addresses)
    if source.not_addresses:
        yield _not(_address_in(source.not_addresses))


def _port_parts(one: Operation, port: int | None) -> Iterator[Any]:
    if port is None:
        if one.ports:
            yield _port_is(one.ports)
        if one.not_ports:
            yield _not(_port_is(one.not_ports))
    elif (one.ports and port not in one.ports) or port in one.not_ports:
        yield _NEVER


def _identity_is(patterns: Patterns, text: Callable[[Pattern], str]) -> Any:
    match = string_pb2.StringMatcher(safe_regex=_expression("|".join(f"(?:{text(one)})" for one in patterns)))
    return _single(network_inputs_pb2.FilterStateInput(key=SOURCE_IDENTITY), value_match=match)


def _address_in(ranges: Iterable[str]) -> Any:
    found = ip_pb2.Ip(cidr_ranges=[cidr_range(one) for one in ranges], stat_prefix="authorization")
    return _single(network_inputs_pb2.SourceIPInput(), custom_match=_extension("ip", found))


def _port_is(ports: Iterable[int]) -> Any:
    choices = [
        _single(network_inputs_pb2.DestinationPortInput(), value_match=string_pb2.StringMatcher(exact=str(one)))
        for one in ports
    ]
    return _any_of(choices)


def _single(taken: Any, **match: Any) -> Any:
    return _PREDICATE(single_predicate=_PREDICATE.SinglePredicate(input=_extension("input", taken), **match))


def _expression(text: str) -> Any:
    return regex_pb2.RegexMatcher(google_re2=regex_pb2.RegexMatcher.GoogleRE2(), regex=text)


def _extension(name: str, message: Any) -> Any:
    return extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(message))


def _not(predicate: Any) -> Any:
    return _PREDICATE(not_matcher=predicate)


def _all_of(predicates: Iterable[Any]) -> Any:
    found = list(predicates)
    if len(found) < 2:
        return found[0] if found else _ALWAYS
    return _PREDICATE(and_matcher=_PREDICATE.PredicateList(predicate=found))


def _any_of(predicates: Iterable[Any]) -> Any:
    found = list(predicates)
    return found[0] if len(found) == 1 else _PREDICATE(or_matcher=_PREDICATE.PredicateList(predicate=found))


def _everywhere() -> Any:
    ranges = [cidr_range(str(ipaddress.ip_network(one))) for one in ("0.0.0.0/0", "::/0")]
    found = ip_pb2.Ip(cidr_ranges=ranges, stat_prefix="authorization")
    return _single(network_inputs_pb2.SourceIPInput(), custom_match=_extension("ip", found))


_ALWAYS = _everywhere()
_NEVER = _not(_ALWAYS)
