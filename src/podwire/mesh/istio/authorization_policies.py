"""Istio's AuthorizationPolicy as an AuthorizationPolicy of this mesh. Pure.

What cannot be expressed makes a rule that allows vanish, and one that denies match more: nothing becomes open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from podwire.mesh.istio.surroundings import Surroundings
from podwire.mesh.istio.targets import is_alone, pods_of, references
from podwire.mesh.istio.written import ConversionError, Converted, Object, made, selector

_CLAIM = re.compile(r"request\.auth\.claims((?:\[[^\[\]]+\])+)")
_HEADER = re.compile(r"request\.headers\[([^\[\]]+)\]")
_OF_SOURCE = {"source.ip": "addresses", "source.namespace": "namespaces", "source.principal": "identities"}
_CLAIM_OF = {"request.auth.audiences": ["aud"], "request.auth.presenter": ["azp"]}
_SOURCE_FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]]
_EXTERNAL = "use an ExternalAuth filter of an HTTPRoute"
_LEFT_OUT = ("spec.rules", "the rules are left out: everything is denied in their place")
_NOT_HERE = "in its namespace, as the target is no Service of these files: add the Service, or select its pods"
_OTHERS = "to the pods of the Service, as another policy that allows can be for them: write one policy of both"
_OPERATION_FIELDS = {"ports": int, "hosts": str, "methods": str, "paths": str}


def converted(source: Mapping[str, Any], around: Surroundings) -> Converted:
    """Return the policies of this mesh. One whose action or targets cannot be expressed becomes a closed one."""
    spec = source.get("spec") or {}
    action = spec.get("action", "ALLOW")
    if action == "CUSTOM":
        found = _read(source, "DENY", spec, around)
        reason = "CUSTOM cannot be converted. Closed: what its rules match is denied; " + _EXTERNAL
        return Converted(found.objects, (("spec.action", reason), *found.lost))
    if action not in ("ALLOW", "DENY", "AUDIT"):
        return closed(source, "spec.action", f"{action} is no action of Istio")
    return _read(source, action, spec, around)


def closed(source: Mapping[str, Any], path: str, reason: str) -> Converted:
    """Return a policy that denies everything to the pods of the written one's namespace."""
    found = made("AuthorizationPolicy", source, {"action": "DENY", "rules": [{}]})
    lost = ((path, f"{reason}. Closed: everything is denied in its namespace"),)
    return Converted((found,), lost if path == "spec" else (*lost, _LEFT_OUT))


def _read(source: Mapping[str, Any], action: str, spec: Mapping[str, Any], around: Surroundings) -> Converted:
    rules, lost = _rules(spec, action)
    named = references(spec)
    if not named:
        found: Object = {**selector(spec), "action": action, "rules": rules}
        return Converted((made("AuthorizationPolicy", source, found),), tuple(lost))
    field = "spec.targetRefs" if spec.get("targetRefs") else "spec.targetRef"
    objects: list[Object] = []
    differs: list[tuple[str, str]] = []
    namespace = str((source.get("metadata") or {}).get("namespace") or "default")
    for number, target in enumerate(named):
        path = field if field == "spec.targetRef" else f"{field}[{number}]"
        pods = pods_of(target, namespace, around)
        is_same = pods is not None and (action != "ALLOW" or is_alone(source, pods, around))
        suffix = f"-{number}" if len(named) > 1 else ""
        objects.append(
            made("AuthorizationPolicy", source, _of_target(pods, action, rules, is_same=is_same), suffix=suffix)
        )
        (differs if is_same else lost).append((path, _target_note(pods, action, is_same=is_same)))
    if not differs and action == "ALLOW":
        lost.append(_LEFT_OUT)
    return Converted(tuple(objects), tuple(lost), tuple(differs))


def _of_target(pods: Mapping[str, str] | None, action: str, rules: list[Object], *, is_same: bool) -> Object:
    place: Object = {"selector": {"matchLabels": dict(pods)}} if pods else {}
    if is_same or action != "ALLOW":
        return {**place, "action": action, "rules": rules}
    return {**place, "action": "DENY", "rules": [{}]}


def _target_note(pods: Mapping[str, str] | None, action: str, *, is_same: bool) -> str:
    if is_same:
        return "the rules hold for all connections to the pods of the Service, also to a pod's own address"
    if action == "ALLOW":
        return f"Closed: everything is denied {_OTHERS if pods else _NOT_HERE}"
    return f"Closed: the rules hold for all pods {_NOT_HERE}"


def _rules(spec: Mapping[str, Any], action: str) -> tuple[list[Object], list[tuple[str, str]]]:
    rules: list[Object] = []
    lost: list[tuple[str, str]] = []
    for number, written in enumerate(spec.get("rules") or ()):
        path = f"spec.rules[{number}]"
        problems: list[tuple[str, str]] = []
        rule = _rule(written or {}, path, problems)
        lost += problems
        if problems and action == "ALLOW":
            lost.append((path, "the rule is left out: it would allow more than is written"))
        else:
            rules.append(rule)
    return rules, lost


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
    # An item of which nothing is left matches everything, and so does the whole list.
    parts = {"from": sources if all(sources) else [], "to": operations if all(operations) else [], "when": conditions}
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
