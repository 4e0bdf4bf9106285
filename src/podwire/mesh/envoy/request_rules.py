"""A rule about requests as a policy of Envoy's RBAC filter of HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from envoy.config.rbac.v3 import rbac_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import filter_state_pb2, metadata_pb2, path_pb2, regex_pb2, string_pb2, value_pb2

from podwire.edge.envoy.client_ranges import cidr_range
from podwire.mesh.authorization import expressions
from podwire.mesh.authorization.model import (
    ClaimCondition,
    Condition,
    HeaderCondition,
    Issued,
    Operation,
    Patterns,
    Rule,
    Source,
)
from podwire.mesh.authorization.pattern import Comparison, Mode, Pattern
from podwire.mesh.envoy import header_expressions
from podwire.mesh.envoy.filter_state import SOURCE_IDENTITY
from podwire.mesh.envoy.tokens import CLAIMS, FILTER

_PERMISSION, _PRINCIPAL = rbac_pb2.Permission, rbac_pb2.Principal


def policy(rule: Rule, port: int, mode: Mode) -> Any:
    """Return the policy; the rule's ports have this one, as far as one operation of it has."""
    operations = [one for one in rule.operations if _has_port(one, port)]
    permissions = [_all_permissions(_operation(one, mode)) for one in operations]
    others = [part for one in rule.conditions for part in _permissions(one, mode)]
    who = [_all_principals(_source(one)) for one in rule.sources]
    also = [part for one in rule.conditions if isinstance(one, Source) for part in _source(one)]
    found = rbac_pb2.Policy(
        permissions=[_all_permissions([*([_any_permission(permissions)] if permissions else []), *others])],
        principals=[_all_principals([*([_any_principal(who)] if who else []), *also])],
    )
    if whole := [part for one in rule.conditions if isinstance(one, HeaderCondition) for part in _whole(one, mode)]:
        found.condition.CopyFrom(header_expressions.all_of(whole))
    return found


def _has_port(one: Operation, port: int) -> bool:
    return (not one.ports or port in one.ports) and port not in one.not_ports


def _permissions(condition: Condition, mode: Mode) -> Iterator[Any]:
    match condition:
        case Operation():
            yield from _operation(condition, mode)
        case HeaderCondition():
            yield from _header(condition, mode)
        case ClaimCondition():
            yield from _claim(condition)
        case Source():
            pass


def _operation(one: Operation, mode: Mode) -> Iterator[Any]:
    other = mode.other
    if one.hosts:
        yield _field(":authority", expressions.hosts(one.hosts))
    if one.not_hosts:
        yield _no(_field(":authority", expressions.hosts(one.not_hosts)))
    if one.methods:
        yield _field(":method", expressions.methods(one.methods, mode))
    if one.not_methods:
        yield _no(_field(":method", expressions.methods(one.not_methods, other)))
    if one.paths:
        yield _path(expressions.paths(one.paths, mode))
    if one.not_paths:
        yield _no(_path(expressions.paths(one.not_paths, other)))


def _header(one: HeaderCondition, mode: Mode) -> Iterator[Any]:
    """Yield where one value is enough."""
    if one.values and mode is Mode.POSSIBLE:
        yield _field(one.name, expressions.header(one.values, mode))
    if one.not_values and mode is Mode.CERTAIN:
        yield _no(_field(one.name, expressions.header(one.not_values, mode.other)))


def _whole(one: HeaderCondition, mode: Mode) -> Iterator[Any]:
    """Yield where all values count."""
    if one.values and mode is Mode.CERTAIN:
        yield header_expressions.all_values_match(one.name, expressions.header(one.values, mode))
    if one.not_values and mode is Mode.POSSIBLE:
        unwanted = header_expressions.all_values_match(one.name, expressions.header(one.not_values, mode.other))
        yield header_expressions.negated(unwanted)


def _claim(one: ClaimCondition) -> Iterator[Any]:
    if one.values:
        yield _any_permission([_has_claim(one.path, each) for each in one.values])
    if one.not_values:
        yield _no(_any_permission([_has_claim(one.path, each) for each in one.not_values]))


def _has_claim(path: tuple[str, ...], one: Pattern) -> Any:
    text = value_pb2.ValueMatcher(string_match=_text(one))
    element = value_pb2.ValueMatcher(list_match=value_pb2.ListMatcher(one_of=text))
    return _any_permission([_PERMISSION(metadata=_metadata(path, each)) for each in (text, element)])


def _source(source: Source) -> list[Any]:
    found = []
    for desired, unwanted, made in (
        (source.identities, source.not_identities, _identity),
        (source.namespaces, source.not_namespaces, _namespace),
        (source.addresses, source.not_addresses, _addresses),
        (source.tokens, source.not_tokens, _issued),
    ):
        make: Callable[[Any], Any] = made
        if desired:
            found.append(make(desired))
        if unwanted:
            found.append(_PRINCIPAL(not_id=make(unwanted)))
    return found


def _identity(patterns: Patterns) -> Any:
    return _identity_is(expressions.identity(one) for one in patterns)


def _namespace(patterns: Patterns) -> Any:
    return _identity_is(expressions.namespace(one) for one in patterns)


def _identity_is(texts: Iterable[str]) -> Any:
    match = string_pb2.StringMatcher(safe_regex=_expression("|".join(f"(?:{one})" for one in texts)))
    return _PRINCIPAL(filter_state=filter_state_pb2.FilterStateMatcher(key=SOURCE_IDENTITY, string_match=match))


def _addresses(ranges: Iterable[str]) -> Any:
    return _any_principal([_PRINCIPAL(source_ip=cidr_range(one)) for one in ranges])


def _issued(every: Iterable[Issued]) -> Any:
    return _any_principal(
        [
            _all_principals(
                _PRINCIPAL(metadata=_metadata((claim,), value_pb2.ValueMatcher(string_match=_text(one))))
                for claim, one in (("iss", each.issuer), ("sub", each.subject))
            )
            for each in every
        ]
    )


def _metadata(path: tuple[str, ...], value: Any) -> Any:
    segments = [metadata_pb2.MetadataMatcher.PathSegment(key=one) for one in (CLAIMS, *path)]
    return metadata_pb2.MetadataMatcher(filter=FILTER, path=segments, value=value)


def _text(one: Pattern) -> Any:
    match one.comparison:
        case Comparison.PREFIX:
            return string_pb2.StringMatcher(prefix=one.value)
        case Comparison.SUFFIX:
            return string_pb2.StringMatcher(suffix=one.value)
        case Comparison.PRESENT:
            return string_pb2.StringMatcher(safe_regex=_expression("(?s).+"))
        case _:
            return string_pb2.StringMatcher(exact=one.value)


def _field(name: str, expression: str) -> Any:
    match = string_pb2.StringMatcher(safe_regex=_expression(expression))
    return _PERMISSION(header=route_components_pb2.HeaderMatcher(name=name, string_match=match))


def _path(expression: str) -> Any:
    match = string_pb2.StringMatcher(safe_regex=_expression(expression))
    return _PERMISSION(url_path=path_pb2.PathMatcher(path=match))


def _expression(text: str) -> Any:
    return regex_pb2.RegexMatcher(regex=text)


def _no(permission: Any) -> Any:
    return _PERMISSION(not_rule=permission)


def _all_permissions(permissions: Iterable[Any]) -> Any:
    found = list(permissions)
    if len(found) < 2:
        return found[0] if found else _PERMISSION(any=True)
    return _PERMISSION(and_rules=_PERMISSION.Set(rules=found))


def _any_permission(permissions: list[Any]) -> Any:
    return permissions[0] if len(permissions) == 1 else _PERMISSION(or_rules=_PERMISSION.Set(rules=permissions))


def _all_principals(principals: Iterable[Any]) -> Any:
    found = list(principals)
    if len(found) < 2:
        return found[0] if found else _PRINCIPAL(any=True)
    return _PRINCIPAL(and_ids=_PRINCIPAL.Set(ids=found))


def _any_principal(principals: list[Any]) -> Any:
    return principals[0] if len(principals) == 1 else _PRINCIPAL(or_ids=_PRINCIPAL.Set(ids=principals))
