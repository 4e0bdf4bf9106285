"""Kinds that mostly hold data: ConfigMaps, Secrets, Nodes, roles, budgets.

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

_FROZEN = "field is immutable when `immutable` is set"
_SECRET_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def config_map(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a ConfigMap."""
    yield from _keys(obj["data"])
    yield from _keys(obj["binaryData"])
    for key in sorted(set(obj["data"].value or ()) & set(obj["binaryData"].value or ())):
        yield field_errors.invalid(obj["data"].key(key).path, key, "duplicate of key present in binaryData")
    if _size(obj["data"]) + _size(obj["binaryData"]) > DATA_LIMIT:
        yield field_errors.too_long("", DATA_LIMIT)
    yield from _frozen(obj, old, ("data", "binaryData"))


def secret(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Secret whose stringData was folded into data."""
    yield from _keys(obj["data"])
    if _size(obj["data"]) > DATA_LIMIT:
        yield field_errors.too_long("data", DATA_LIMIT)
    for key in _SECRET_KEYS.get(obj["type"].text, ()):
        if key not in (obj["data"].value or {}):
            yield obj["data"].key(key).required()
    if old is not None and obj["type"].value != old["type"].value:
        yield obj["type"].invalid(formats.IMMUTABLE)
    yield from _frozen(obj, old, ("data",))


def node(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Node."""
    ranges = obj["spec"]["podCIDRs"]
    for network in ranges:
        yield from network.invalid_each(formats.network(network.text))
    families = [":" in str(network.value) for network in ranges]
    if len(families) != len(set(families)):
        yield ranges.invalid("may specify no more than one CIDR for each IP family")
    if old is not None and old["spec"]["podCIDRs"] and ranges.value != old["spec"]["podCIDRs"].value:
        yield ranges.forbidden('node updates may not change podCIDR except from "" to valid')
    for taint in obj["spec"]["taints"]:
        yield from taint["key"].invalid_each(formats.label_key(taint["key"].text))
        if taint["value"]:
            yield from taint["value"].invalid_each(formats.label_value(taint["value"].text))
        yield from taint["effect"].one_of(("NoSchedule", "PreferNoSchedule", "NoExecute"))


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


def _keys(data: Field) -> Iterator[Cause]:
    for key in data.value or {}:
        yield from (field_errors.invalid(data.key(key).path, key, text) for text in formats.config_key(key))


def _size(data: Field) -> int:
    return sum(len(str(value).encode()) for value in (data.value or {}).values())


def _frozen(obj: Field, old: Field | None, parts: tuple[str, ...]) -> Iterator[Cause]:
    if old is None or not old["immutable"]:
        return
    if not obj["immutable"]:
        yield obj["immutable"].forbidden(_FROZEN)
    for part in parts:
        if obj[part].value != old[part].value:
            yield obj[part].forbidden(_FROZEN)
