"""Fields that field selectors may name, a table of kinds, and their values as texts.

Source: k8s.io/kubernetes `pkg/apis/*/v1/conversion.go` and the registries' ToSelectableFields.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

EVERY_KIND = {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"}

SELECTABLE_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "pods": (
        ("spec.nodeName", ""),
        ("spec.restartPolicy", ""),
        ("spec.schedulerName", ""),
        ("spec.serviceAccountName", ""),
        ("spec.hostNetwork", "false"),
        ("status.phase", ""),
        ("status.podIP", ""),
        ("status.nominatedNodeName", ""),
    ),
    "events": (
        ("involvedObject.kind", ""),
        ("involvedObject.namespace", ""),
        ("involvedObject.name", ""),
        ("involvedObject.uid", ""),
        ("involvedObject.apiVersion", ""),
        ("involvedObject.resourceVersion", ""),
        ("involvedObject.fieldPath", ""),
        ("reason", ""),
        ("reportingComponent", ""),
        ("source", ""),
        ("type", ""),
    ),
    "nodes": (("spec.unschedulable", "false"),),
    "replicationcontrollers": (("status.replicas", "0"),),
    "secrets": (("type", ""),),
    "services": (("spec.clusterIP", ""), ("spec.type", "")),
    "namespaces": (("status.phase", ""),),
    "replicasets.apps": (("status.replicas", "0"),),  # documented on kubernetes.io, though apps/v1 refuses it upstream
    "jobs.batch": (("status.successful", "0"),),
}
"""Selectable fields beside metadata.name and metadata.namespace, with what a missing one counts as."""

ALIASES: dict[str, dict[str, str]] = {"pods": {"spec.host": "spec.nodeName"}}
"""Older names that selectors may still use, and the fields that they mean."""

_STEPS = {
    storage: tuple((path, tuple(path.split(".")), default) for path, default in fields)
    for storage, fields in SELECTABLE_FIELDS.items()
}


def selectable_fields(storage: str, obj: Object) -> dict[str, str]:
    """The values of the kind's selectable fields, as texts; metadata is not among them."""
    return {path: field_text(obj, parts, default) for path, parts, default in _STEPS.get(storage, ())}


def field_text(obj: Object, parts: tuple[str, ...], default: str) -> str:
    """Return the value at a path of field names as text; `default` where there is none."""
    if parts == ("source",):
        source = obj.get("source")
        component = source.get("component") if isinstance(source, dict) else ""
        return str(component or obj.get("reportingComponent") or default)
    value: Any = obj
    for part in parts:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return default if value is None else str(value)
