"""ValidatingAdmissionPolicies and their bindings.

Source: k8s.io/kubernetes `pkg/apis/admissionregistration/validation/validation.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import formats, object_meta
from podwire.apiserver.custom import admission_expressions, cel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

ACTIONS = ("Audit", "Deny", "Warn")
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
NOT_FOUND_ACTIONS = ("Allow", "Deny")
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
REASONS = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
SCOPES = ("*", "Cluster", "Namespaced")
WARN_AND_DENY = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response"
)


def policy(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a ValidatingAdmissionPolicy."""
    spec = obj["spec"]
    if spec["failurePolicy"].given:
        yield from spec["failurePolicy"].one_of(FAILURE_POLICIES)
    if spec["paramKind"].given:
        for part in ("apiVersion", "kind"):
            if not spec["paramKind"][part]:
                yield spec["paramKind"][part].required()
    constraints = spec["matchConstraints"]
    if not constraints.given:
        yield constraints.required()
    elif not constraints["resourceRules"]:
        yield constraints["resourceRules"].required()
    yield from _match(constraints)
    yield from _named(spec["matchConditions"])
    yield from _named(spec["variables"])
    if not spec["validations"] and not spec["auditAnnotations"]:
        why = "validations or auditAnnotations must contain at least one item"
        yield spec["validations"].required(why)
        yield spec["auditAnnotations"].required(why)
    for one in spec["validations"]:
        yield from _validation(one)
    for one in spec["auditAnnotations"]:
        if not one["key"]:
            yield one["key"].required()
        yield from _expression(one["valueExpression"])


def binding(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a ValidatingAdmissionPolicyBinding."""
    spec = obj["spec"]
    if not spec["policyName"]:
        yield spec["policyName"].required()
    else:
        yield from spec["policyName"].invalid_each(formats.dns_subdomain(spec["policyName"].text))
    if spec["paramRef"].given:
        yield from _reference(spec["paramRef"])
    yield from _match(spec["matchResources"])
    actions = spec["validationActions"]
    if not actions:
        yield actions.required()
    for one in actions:
        yield from one.one_of(ACTIONS)
    if {"Deny", "Warn"} <= {one.text for one in actions}:
        yield actions.invalid(WARN_AND_DENY)


def _validation(one: Field) -> Iterator[Cause]:
    yield from _expression(one["expression"])
    if one["messageExpression"]:
        yield from _expression(one["messageExpression"], admission_expressions.compiled_message)
    if "\n" in one["message"].text:
        yield one["message"].invalid("message must not contain line breaks")
    if one["reason"]:
        yield from one["reason"].one_of(REASONS)


def _reference(ref: Field) -> Iterator[Cause]:
    if bool(ref["name"]) == ref["selector"].given:
        yield ref.invalid("one of name or selector must be specified, and not both")
    if not ref["parameterNotFoundAction"]:
        yield ref["parameterNotFoundAction"].required()
    else:
        yield from ref["parameterNotFoundAction"].one_of(NOT_FOUND_ACTIONS)


def _named(entries: Field) -> Iterator[Cause]:
    for one in entries:
        if not one["name"]:
            yield one["name"].required()
        yield from _expression(one["expression"])


def _match(match: Field) -> Iterator[Cause]:
    if match["matchPolicy"].given:
        yield from match["matchPolicy"].one_of(MATCH_POLICIES)
    for name in ("namespaceSelector", "objectSelector"):
        yield from object_meta.check_selector(match[name])
    for rules in ("resourceRules", "excludeResourceRules"):
        for rule in match[rules]:
            yield from _rule(rule)


def _rule(rule: Field) -> Iterator[Cause]:
    for part in ("apiGroups", "apiVersions", "operations", "resources"):
        if not rule[part]:
            yield rule[part].required()
    for one in rule["operations"]:
        yield from one.one_of(OPERATIONS)
    if rule["scope"].given:
        yield from rule["scope"].one_of(SCOPES)


def _expression(
    field: Field, compiled: Callable[[str], cel.Expression] = admission_expressions.compiled
) -> Iterator[Cause]:
    if not field.text.strip():
        yield field.required("expression is not specified")
        return
    try:
        compiled(field.text)
    except cel.NotCompiledError as error:
        yield field.invalid(f"compilation failed: {error}")
