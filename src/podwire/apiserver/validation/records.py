"""Kinds that mostly hold data: ConfigMaps, Leases, namespaces, priority classes, roles, budgets.

Source: k8s.io/kubernetes `pkg/apis/core/validation`, `pkg/apis/rbac/validation`, `pkg/apis/policy/validation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats, object_meta
from podwire.apiserver.validation import workloads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

DATA_LIMIT = 1024 * 1024
"""Bytes of all values together."""

SYSTEM_PRIORITY_PREFIX = "system-"
SYSTEM_PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
HIGHEST_PRIORITY = 1_000_000_000
"""Of a class that is not the system's own."""

FROZEN = "field is immutable when `immutable` is set"


def config_map(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a ConfigMap."""
    yield from keys(obj["data"])
    yield from keys(obj["binaryData"])
    for key in sorted(set(obj["data"].value or ()) & set(obj["binaryData"].value or ())):
        yield field_errors.invalid(obj["data"].key(key).path, key, "duplicate of key present in binaryData")
    if size(obj["data"]) + decoded_size(obj["binaryData"]) > DATA_LIMIT:
        yield field_errors.too_long("", DATA_LIMIT)
    yield from frozen(obj, old, ("data", "binaryData"))


def namespace(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a Namespace."""
    for finalizer in obj["spec"]["finalizers"]:
        yield from finalizer.invalid_each(formats.label_key(finalizer.text))
        yield from finalizer.invalid_each(object_meta.standard_finalizer(finalizer.text))


def lease(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a Lease."""
    spec = obj["spec"]
    duration = spec["leaseDurationSeconds"]
    if duration.given and duration.number <= 0:
        yield duration.invalid("must be greater than 0")
    yield from spec["leaseTransitions"].not_negative()
    if spec["preferredHolder"] and not spec["strategy"]:
        yield spec["preferredHolder"].forbidden("may only be specified if `strategy` is defined")


def priority_class(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a PriorityClass."""
    name, value = obj["metadata"]["name"], obj["value"]
    if name.text.startswith(SYSTEM_PRIORITY_PREFIX):
        yield from _system_class(name, value.number, default=bool(obj["globalDefault"]))
    elif value.number > HIGHEST_PRIORITY:
        yield value.forbidden(f"maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}")
    policy = obj["preemptionPolicy"]
    if policy.given:
        yield from policy.one_of(("PreemptLowerPriority", "Never"))
    if old is not None:
        if value.number != old["value"].number:
            yield value.forbidden("may not be changed in an update.")
        if policy.value != old["preemptionPolicy"].value:
            yield policy.invalid(formats.IMMUTABLE)


def _system_class(name: Field, value: int, *, default: bool) -> Iterator[Cause]:
    known = SYSTEM_PRIORITIES.get(name.text)
    if known is None:
        why = f"{name.text} is not a known system priority class"
    elif known != value:
        why = f"value of {name.text} PriorityClass must be {known}"
    elif default:
        why = f"globalDefault of {name.text} PriorityClass must be false"
    else:
        return
    yield name.forbidden(
        f"priority class names with '{SYSTEM_PRIORITY_PREFIX}' prefix are reserved for system use only. error: {why}"
    )


def role(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a Role or ClusterRole."""
    for rule in obj["rules"]:
        if not rule["verbs"]:
            yield rule["verbs"].required("verbs must contain at least one value")
        if rule["nonResourceURLs"]:
            if obj["kind"].text == "Role":
                yield rule["nonResourceURLs"].invalid("namespaced rules cannot apply to non-resource URLs")
            continue
        if not rule["apiGroups"]:
            yield rule["apiGroups"].required("resource rules must supply at least one api group")
        if not rule["resources"]:
            yield rule["resources"].required("resource rules must supply at least one resource")


def role_binding(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a RoleBinding or ClusterRoleBinding."""
    reference = obj["roleRef"]
    if reference["kind"].text not in {"Role", "ClusterRole"}:
        yield reference["kind"].unsupported(("Role", "ClusterRole"))
    if not reference["name"]:
        yield reference["name"].required()
    if old is not None and reference.value != old["roleRef"].value:
        yield reference.invalid("cannot change roleRef")
    for subject in obj["subjects"]:
        if not subject["name"]:
            yield subject["name"].required()
        if subject["kind"].text not in {"ServiceAccount", "User", "Group"}:
            yield subject["kind"].unsupported(("ServiceAccount", "User", "Group"))
        if subject["kind"].text == "ServiceAccount" and not subject["namespace"] and obj["kind"].text[0] == "C":
            yield subject["namespace"].required()


def budget(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a PodDisruptionBudget."""
    spec = obj["spec"]
    for part in ("minAvailable", "maxUnavailable"):
        yield from workloads.amount(spec[part])
    if spec["minAvailable"].given and spec["maxUnavailable"].given:
        yield spec.invalid("minAvailable and maxUnavailable cannot be both set")
    yield from object_meta.check_selector(spec["selector"])


def autoscaler(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a HorizontalPodAutoscaler."""
    low, high = obj["spec"]["minReplicas"], obj["spec"]["maxReplicas"]
    if high.number < 1:
        yield field_errors.invalid(high.path, high.number, "must be greater than 0")
    if low.given and low.number < 1:
        yield low.invalid("must be greater than or equal to 1")
    if high.number < low.number:
        yield high.invalid("must be greater than or equal to `minReplicas`")


def keys(data: Field) -> Iterator[Cause]:
    """Check the names of the entries of a ConfigMap or Secret."""
    for key in data.value or {}:
        yield from (field_errors.invalid(data.key(key).path, key, text) for text in formats.config_key(key))


def size(data: Field) -> int:
    """Return the bytes of all texts of a map together."""
    return sum(len(str(value).encode()) for value in (data.value or {}).values())


def decoded_size(data: Field) -> int:
    """Return the bytes of all values of a map together, which are base64."""
    texts = [str(value) for value in (data.value or {}).values()]
    return sum(len(text) // 4 * 3 - text[-2:].count("=") for text in texts)


def frozen(obj: Field, old: Field | None, parts: tuple[str, ...]) -> Iterator[Cause]:
    """Refuse changes of an object that was made immutable."""
    if old is None or not old["immutable"]:
        return
    if not obj["immutable"]:
        yield obj["immutable"].forbidden(FROZEN)
    for part in parts:
        if obj[part].value != old[part].value:
            yield obj[part].forbidden(FROZEN)
