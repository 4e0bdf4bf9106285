"""One stored form, several served ones.

Events of events.k8s.io/v1 are stored as those of core v1, autoscalers of autoscaling/v1 as those of v2, kinds of users
in the storage version of their definition.

A resource whose `storage` is another's needs both directions: bodies go through `to_storage` before anything else looks
at them, answers through `from_storage`. Source: k8s.io/kubernetes `pkg/apis/events/v1/conversion.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.kinds import conversion_hpa

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

EVENTS_GROUP = "events.k8s.io"

_EVENT_FIELDS = {
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedSource": "source",
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
}
"""Served name to stored name; all other fields are the same."""

_EVENT_SELECTORS = {
    **{
        f"regarding.{part}": f"involvedObject.{part}"
        for part in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reportingController": "reportingComponent",
    **{name: name for name in ("reason", "type")},
}

_SERVED_NAMES = {stored: served for served, stored in _EVENT_FIELDS.items()}


def to_storage(resource: Resource, obj: Object) -> Object:
    """The form that is stored; the object itself where both are the same. Raises StatusError 400."""
    if resource.custom is not None:
        return resource.custom.to_storage(obj)
    forms = _FORMS.get((resource.api_version, resource.kind))
    return forms[0](obj) if forms else obj


def from_storage(resource: Resource, obj: Object) -> Object:
    """The form that the resource serves; the object itself where both are the same."""
    if resource.custom is not None:
        return resource.custom.from_storage(obj)
    forms = _FORMS.get((resource.api_version, resource.kind))
    return forms[1](obj) if forms else obj


def is_converted(resource: Resource) -> bool:
    """Whether a built-in kind is served in another form than it is stored in."""
    return (resource.api_version, resource.kind) in _FORMS


def stored_event(obj: Object) -> Object:
    """An Event of events.k8s.io/v1 as core v1 has it."""
    return {**_renamed(obj, _EVENT_FIELDS), "apiVersion": "v1"}


def served_event(obj: Object) -> Object:
    """An Event of core v1 as events.k8s.io/v1 has it."""
    return {**_renamed(obj, _SERVED_NAMES), "apiVersion": f"{EVENTS_GROUP}/v1"}


def selectable(resource: Resource) -> Mapping[str, str] | None:
    """The fields that a selector may name and where they are stored; None where both are the storage's own."""
    return _EVENT_SELECTORS if resource.group == EVENTS_GROUP else None


def _renamed(obj: Object, names: dict[str, str]) -> Object:
    return {names.get(key, key): value for key, value in obj.items()}


_FORMS: dict[tuple[str, str], tuple[Callable[[Object], Object], Callable[[Object], Object]]] = {
    (conversion_hpa.OLD, "HorizontalPodAutoscaler"): (conversion_hpa.stored, conversion_hpa.served),
    (f"{EVENTS_GROUP}/v1", "Event"): (stored_event, served_event),
}
"""By apiVersion and kind: to the stored form, and from it."""
