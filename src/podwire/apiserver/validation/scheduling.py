"""Scheduling constraints of a pod: affinity, tolerations, topology spread, gates.

Source: k8s.io/kubernetes `pkg/apis/core/validation` validateAffinity, ValidateTolerations and their like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats, object_meta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NOT_POSITIVE = "must be greater than zero"
_WEIGHT = "must be in the range 1-100"
_ANY_KEY = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
_NOT_AN_OPERATOR = "not a valid selector operator"


def validate(spec: Field) -> Iterator[Cause]:
    """Check the parts of a pod's spec that a scheduler reads."""
    yield from object_meta.check_labels(spec["nodeSelector"])
    yield from _affinity(spec["affinity"])
    for gate in spec["readinessGates"]:
        kind = gate["conditionType"]
        yield from kind.invalid_each(formats.label_key(kind.text))
    yield from _scheduling_gates(spec["schedulingGates"])
    constraints = list(spec["topologySpreadConstraints"])
    for position, constraint in enumerate(constraints):
        yield from _spread(constraint, constraints[position + 1 :])
    for toleration in spec["tolerations"]:
        yield from _toleration(toleration)


def taint_effect(effect: Field) -> Iterator[Cause]:
    """Check the effect of a taint or toleration that is not empty."""
    if effect.value not in TAINT_EFFECTS:
        yield effect.unsupported(TAINT_EFFECTS)


def added_gates(now: Field, before: Field) -> Iterator[Cause]:
    """Refuse scheduling gates that a pod did not have before."""
    held = {gate["name"].text for gate in before}
    for gate in now:
        if gate["name"].text not in held:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate['name'].text}'"
            yield gate["name"].forbidden(detail)


def _scheduling_gates(gates: Field) -> Iterator[Cause]:
    seen: set[str] = set()
    for gate in gates:
        name = gate["name"].text
        yield from (field_errors.invalid(gate.path, name, text) for text in formats.label_key(name))
        if name in seen:
            yield field_errors.duplicate(gate.path, name)
        seen.add(name)


def _affinity(affinity: Field) -> Iterator[Cause]:
    required = affinity["nodeAffinity"][_REQUIRED]
    terms = required["nodeSelectorTerms"]
    if required.given and not terms:
        yield terms.required("must have at least one node selector term")
    for term in terms:
        yield from _node_term(term, check_values=True)
    for preferred in affinity["nodeAffinity"][_PREFERRED]:
        yield from _weight(preferred["weight"])
        yield from _node_term(preferred["preference"], check_values=False)
    for part in ("podAffinity", "podAntiAffinity"):
        for term in affinity[part][_REQUIRED]:
            yield from _pod_term(term)
        for preferred in affinity[part][_PREFERRED]:
            yield from _weight(preferred["weight"])
            yield from _pod_term(preferred["podAffinityTerm"])


def _weight(weight: Field) -> Iterator[Cause]:
    if not 0 < weight.number <= 100:
        yield field_errors.invalid(weight.path, weight.number, _WEIGHT)


def _node_term(term: Field, *, check_values: bool) -> Iterator[Cause]:
    for line in term["matchExpressions"]:
        yield from _node_requirement(line)
        yield from line["key"].invalid_each(formats.label_key(line["key"].text))
        if check_values:
            for value in line["values"]:
                yield from value.invalid_each(formats.label_value(value.text))
    for line in term["matchFields"]:
        yield from _node_field(line)


def _node_requirement(line: Field) -> Iterator[Cause]:
    values = line["values"]
    match line["operator"].text:
        case "In" | "NotIn":
            if not values:
                yield values.required("must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if values:
                yield values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        case "Gt" | "Lt":
            if len(values) != 1:
                yield values.required("must be specified single value when `operator` is 'Lt' or 'Gt'")
        case operator:
            yield field_errors.invalid(line["operator"].path, operator, _NOT_AN_OPERATOR)


def _node_field(line: Field) -> Iterator[Cause]:
    operator, key, values = line["operator"], line["key"], line["values"]
    if operator.text not in {"In", "NotIn"}:
        yield field_errors.invalid(operator.path, operator.text, _NOT_AN_OPERATOR)
    elif len(values) != 1:
        yield values.required("must be only one value when `operator` is 'In' or 'NotIn' for node field selector")
    if key.text != "metadata.name":
        yield field_errors.invalid(key.path, key.text, "not a valid field selector key")
        return
    for value in values:
        yield from value.invalid_each(formats.dns_subdomain(value.text))


def _pod_term(term: Field) -> Iterator[Cause]:
    yield from object_meta.check_selector(term["labelSelector"])
    yield from object_meta.check_selector(term["namespaceSelector"])
    for name in term["namespaces"]:
        wrong = formats.dns_label(name.text)
        yield from (field_errors.invalid(term["namespace"].path, name.text, text) for text in wrong)
    yield from _label_keys(term)
    key = term["topologyKey"]
    if not key:
        yield key.required("can not be empty")
    yield from (field_errors.invalid(key.path, key.text, text) for text in formats.label_key(key.text))


def _label_keys(term: Field) -> Iterator[Cause]:
    """Check the keys whose values are taken from the pod's own labels."""
    for part in ("matchLabelKeys", "mismatchLabelKeys"):
        if term[part] and not term["labelSelector"].given:
            yield term[part].forbidden("must not be specified when labelSelector is not set")
            continue
        for key in term[part]:
            yield from key.invalid_each(formats.label_key(key.text))
    others = set(term["mismatchLabelKeys"].value or ())
    for key in term["matchLabelKeys"]:
        if key.text in others:
            yield key.invalid("exists in both matchLabelKeys and mismatchLabelKeys")


def _spread(constraint: Field, rest: list[Field]) -> Iterator[Cause]:
    skew, key, action = constraint["maxSkew"], constraint["topologyKey"], constraint["whenUnsatisfiable"]
    if skew.number <= 0:
        yield field_errors.invalid(skew.path, skew.number, _NOT_POSITIVE)
    if not key:
        yield key.required("can not be empty")
    if action.value not in {"DoNotSchedule", "ScheduleAnyway"}:
        yield action.unsupported(("DoNotSchedule", "ScheduleAnyway"))
    if any((one["topologyKey"].value, one["whenUnsatisfiable"].value) == (key.value, action.value) for one in rest):
        path = f"{constraint.path}.{{topologyKey, whenUnsatisfiable}}"
        yield field_errors.duplicate(path, f"{{{key.text}, {action.text}}}")
    domains = constraint["minDomains"]
    if domains.given and domains.number <= 0:
        yield domains.invalid(_NOT_POSITIVE)
    if domains.given and action.text != "DoNotSchedule":
        yield domains.invalid(f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action.text}")
    for part in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if constraint[part].given and constraint[part].value not in {"Honor", "Ignore"}:
            yield constraint[part].unsupported(("Honor", "Ignore"))
    yield from _label_keys(constraint)
    yield from object_meta.check_selector(constraint["labelSelector"])


def _toleration(toleration: Field) -> Iterator[Cause]:
    key, operator, effect = toleration["key"], toleration["operator"], toleration["effect"]
    if key:
        yield from key.invalid_each(formats.label_key(key.text))
    elif operator.text != "Exists":
        yield field_errors.invalid(operator.path, operator.text, _ANY_KEY)
    if toleration["tolerationSeconds"].given and effect.text != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield field_errors.invalid(effect.path, effect.text, detail)
    yield from _toleration_value(operator, toleration["value"])
    if effect:
        yield from taint_effect(effect)


def _toleration_value(operator: Field, value: Field) -> Iterator[Cause]:
    match operator.text:
        case "" | "Equal":
            wrong = ";".join(formats.label_value(value.text))
            yield from [field_errors.invalid(operator.path, value.text, wrong)] if wrong else ()
        case "Exists":
            if value:
                yield field_errors.invalid(operator.path, value.text, "value must be empty when `operator` is 'Exists'")
        case "Lt" | "Gt":
            yield operator.unsupported(("Equal", "Exists", "Lt", "Gt"))
        case _:
            yield operator.unsupported(("Equal", "Exists"))
