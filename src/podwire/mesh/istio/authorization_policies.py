"""Istio's AuthorizationPolicy as an AuthorizationPolicy of this mesh. Pure.

What cannot be said makes a rule that allows vanish, and one that denies match more: nothing becomes open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from podwire.mesh.istio.written import ConversionError, Converted, Object, made, selector

_CLAIM = re.compile(r"request\.auth\.claims((?:\[[^\[\]]+\])+)")
_HEADER = re.compile(r"request\.headers\[([^\[\]]+)\]")
_OF_SOURCE = {"source.ip": "addresses", "source.namespace": "namespaces", "source.principal": "identities"}
_CLAIM_OF = {"request.auth.audiences": ["aud"], "request.auth.presenter": ["azp"]}
_SOURCE_FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]]
_OPERATION_FIELDS = {"ports": int, "hosts": str, "methods": str, "paths": str}


def converted(source: Mapping[str, Any]) -> Converted:
    """Return the policy of this mesh; none for one whose action or targets are refused."""
    spec = source.get("spec") or {}
    action = spec.get("action", "ALLOW")
    if action not in ("ALLOW", "DENY", "AUDIT"):
        return Converted((), (("spec.action", f"{action} has no counterpart: the policy is left out"),))
    if spec.get("targetRef") or spec.get("targetRefs"):
        return Converted((), (("spec.targetRefs", "the policy is left out: select pods by spec.selector"),))
    lost: list[tuple[str, str]] = []
    rules = []
    for number, rule in enumerate(spec.get("rules") or ()):
        path = f"spec.rules[{number}]"
        problems: list[tuple[str, str]] = []
        rules.append((_rule(rule or {}, path, problems), bool(problems)))
        lost += problems
        if problems and action == "ALLOW":
            rules.pop()
            lost.append((path, "the rule is left out: it would allow more than is written"))
    found: Object = {**selector(spec), "action": action, "rules": [rule for rule, _ in rules]}
    return Converted((made("AuthorizationPolicy", source, found),), tuple(lost))


def _rule(rule: Mapping[str, Any], path: str, lost: list[tuple[str, str]]) -> Object:
    sources = [
        _source((one or {}).get("source") or {}, f"{path}.from[{number}].source", lost)
        for number, one in enumerate(rule.get("from") or ())
    ]
    operations = [
        _operation((one or {}).get("operation") or {}, f"{path}.to[{number}].operation", lost)
        for number, one in enumerate(rule.get("to") or ())
    ]
    conditions: list[Object] = []
    for number, one in enumerate(rule.get("when") or ()):
        try:
            _condition(one, sources, operations, conditions)
        except ConversionError as error:
            lost.append((f"{path}.when[{number}]", str(error)))
    parts = {"from": [one for one in sources if one], "to": [one for one in operations if one], "when": conditions}
    return {name: value for name, value in parts.items() if value}


def _source(written: Mapping[str, Any], path: str, lost: list[tuple[str, str]]) -> Object:
    found: Object = {}
    for name, values in written.items():
        base, is_not = _positive(name)
        if base not in _SOURCE_FIELDS:
            lost.append((f"{path}.{name}", "it has no counterpart"))
            continue
        field, convert = _SOURCE_FIELDS[base]
        try:
            _add(found, field, is_not, [convert(str(one)) for one in values])
        except ConversionError as error:
            lost.append((f"{path}.{name}", str(error)))
    return found


def _operation(written: Mapping[str, Any], path: str, lost: list[tuple[str, str]]) -> Object:
    found: Object = {}
    for name, values in written.items():
        base, is_not = _positive(name)
        if base not in _OPERATION_FIELDS:
            lost.append((f"{path}.{name}", "it has no counterpart"))
            continue
        try:
            _add(found, base, is_not, [_OPERATION_FIELDS[base](one) for one in values])
        except ValueError as error:
            lost.append((f"{path}.{name}", str(error)))
    return found


def _positive(name: str) -> tuple[str, bool]:
    """Return the field without `not` before it, and whether it had it."""
    if name.startswith("not") and name[3:4].isupper():
        return name[3].lower() + name[4:], True
    return name, False


def _add(found: Object, field: str, is_not: bool, values: list[Any]) -> None:
    name = f"not{field[0].upper()}{field[1:]}" if is_not else field
    found.setdefault(name, []).extend(values)


def _condition(one: Mapping[str, Any], sources: list[Object], operations: list[Object], found: list[Object]) -> None:
    key = str(one.get("key", ""))
    values, others = [list(one.get(name) or ()) for name in ("values", "notValues")]
    if header := _HEADER.fullmatch(key):
        found.append(_with_values({"header": header[1]}, values, others))
    elif claim := _CLAIM.fullmatch(key):
        found.append(_with_values({"claim": re.findall(r"\[([^\[\]]+)\]", claim[1])}, values, others))
    elif key in _CLAIM_OF:
        found.append(_with_values({"claim": _CLAIM_OF[key]}, values, others))
    elif key in _OF_SOURCE or key == "request.auth.principal":
        field = _OF_SOURCE.get(key, "tokens")
        convert = {"identities": principal, "tokens": token}.get(field, str)
        _join(sources, field, [convert(str(one)) for one in values], [convert(str(one)) for one in others])
    elif key == "destination.port":
        _join(operations, "ports", [int(one) for one in values], [int(one) for one in others])
    else:
        raise ConversionError(f"{key} has no counterpart")


def _with_values(found: Object, values: list[str], others: list[str]) -> Object:
    return {**found, **({"values": values} if values else {}), **({"notValues": others} if others else {})}


def _join(parts: list[Object], field: str, values: list[Any], others: list[Any]) -> None:
    """Add values to every part, as a condition is for all of them. Raises ConversionError where it has such values."""
    if not parts:
        parts.append({})
    for one in parts:
        if values and field in one:
            raise ConversionError(f"it and {field} are both needed: write what both have into one")
        if values:
            one[field] = values
        if others:
            _add(one, field, is_not=True, values=others)


def principal(text: str) -> str:
    """Return the identity that a principal means: a SPIFFE id without `spiffe://`, or a part of one with a star."""
    return text if text.startswith("*") else f"spiffe://{text}"


def token(text: str) -> Object:
    """Return issuer and subject of ISSUER/SUBJECT. Raises ConversionError for another place of the star."""
    if text == "*":
        return {"issuer": "*", "subject": "*"}
    issuer, slash, subject = text.rpartition("/")
    if (
        not slash
        or not issuer
        or not subject
        or "*" in (issuer[:-1] or "")
        or subject.strip("*") != subject.rstrip("*")
    ):
        raise ConversionError(f"{text!r} is not ISSUER/SUBJECT, ISSUER/* or */SUBJECT")
    return {"issuer": issuer, "subject": subject}


def _account(text: str) -> str:
    """Return the identity of NAMESPACE/SERVICEACCOUNT."""
    return text


_SOURCE_FIELDS = {
    "principals": ("identities", principal),
    "namespaces": ("namespaces", str),
    "serviceAccounts": ("identities", _account),
    "ipBlocks": ("addresses", str),
    "requestPrincipals": ("tokens", token),
}


def strict(source: Mapping[str, Any]) -> Converted:
    """Return the policy that a PeerAuthentication means: who has no identity is denied, on ports in STRICT mode."""
    spec = source.get("spec") or {}
    mode = (spec.get("mtls") or {}).get("mode", "UNSET")
    ports = {int(port): (one or {}).get("mode", "UNSET") for port, one in (spec.get("portLevelMtls") or {}).items()}
    lost = [
        (path, "DISABLE has no counterpart: label the pods podwire.dev/mesh: disabled")
        for path, one in (("spec.mtls.mode", mode), *((f"spec.portLevelMtls.{port}", ports[port]) for port in ports))
        if one == "DISABLE"
    ]
    operations = list(_strict_ports(mode, ports))
    if operations is not None and not operations:
        return Converted((), tuple(lost))
    rule: Object = {"name": "mutual-tls", "from": [{"notIdentities": ["*"]}]}
    to = [one for one in operations if one]
    rules = [{**rule, **({"to": to} if to else {})}]
    return Converted(
        (
            made(
                "AuthorizationPolicy",
                source,
                {**selector(spec), "action": "DENY", "rules": rules},
                suffix="-mutual-tls",
            ),
        ),
        tuple(lost),
    )


def _strict_ports(mode: str, ports: Mapping[int, str]) -> Iterator[Object]:
    """Yield the ports in STRICT mode: an empty operation is all of them."""
    if mode == "STRICT":
        open_ports = sorted(port for port, one in ports.items() if one in ("PERMISSIVE", "DISABLE"))
        yield {"notPorts": open_ports} if open_ports else {}
    elif closed := sorted(port for port, one in ports.items() if one == "STRICT"):
        yield {"ports": closed}
