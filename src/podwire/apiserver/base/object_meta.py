"""What all kinds share: names, labels, annotations, owners, finalizers, selectors.

Source: k8s.io/apimachinery `api/validation/objectmeta.go`, `meta/v1/validation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.base.validation_cache import ValidationCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.base.resource_names import ResourceNames

ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all keys and values together."""

_RBAC = "rbac.authorization.k8s.io"
_NAME_FORMS: dict[str, Callable[[str], list[str]]] = {
    "Namespace": formats.dns_label,
    "Service": formats.dns_label,
    "StatefulSet": formats.dns_label,
    "IPAddress": formats.canonical_address,
}


_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})

_SHARED = ("labels", "annotations", "ownerReferences", "finalizers")
"""What the objects of one owner have alike."""

_right_parts = ValidationCache()


def validate(resource: ResourceNames, metadata: Field, old: Field | None) -> Iterator[Cause]:
    """Check the metadata of an object that has its name already."""
    yield from _name(resource, metadata["name"], metadata["generateName"])
    if resource.namespaced and metadata["namespace"]:
        yield from metadata["namespace"].invalid_each(formats.dns_label(metadata["namespace"].text))
    elif metadata["namespace"]:
        yield metadata["namespace"].forbidden("not allowed on this type")
    shared = [metadata[part] for part in _SHARED]
    yield from _right_parts.check([part.value for part in shared], lambda: _parts(*shared))
    if old is not None:
        yield from _update(metadata, old)


def _parts(labels: Field, annotations: Field, owners: Field, finalizers: Field) -> Iterator[Cause]:
    yield from check_labels(labels)
    yield from check_annotations(annotations)
    yield from _owners(owners)
    yield from _finalizers(finalizers)


def standard_finalizer(name: str) -> list[str]:
    """A finalizer of a built-in kind: one of Kubernetes' own, or a name with a domain."""
    known = "/" in name or name in _STANDARD_FINALIZERS
    return [] if known else ["name is neither a standard finalizer name nor is it fully qualified"]


def check_labels(field: Field) -> Iterator[Cause]:
    """Check a map of labels."""
    for key, value in (field.value or {}).items():
        yield from (cause(field, key, text) for text in formats.label_key(key))
        yield from (cause(field, value, text) for text in formats.label_value(value))


def check_annotations(field: Field) -> Iterator[Cause]:
    """Check a map of annotations."""
    for key in field.value or {}:
        yield from (cause(field, key, text) for text in formats.label_key(key.lower()))
    if not annotations_fit(field.value or {}):
        yield field_errors.too_long(field.path, ANNOTATIONS_LIMIT)


def annotations_fit(annotations: Mapping[str, str]) -> bool:
    """Whether all names and texts together keep within the limit."""
    return sum(len(key.encode()) + len(text.encode()) for key, text in annotations.items()) <= ANNOTATIONS_LIMIT


def check_selector(field: Field) -> Iterator[Cause]:
    """Check a label selector; an absent one is right."""
    yield from check_labels(field["matchLabels"])
    for expression in field["matchExpressions"]:
        yield from _requirement(expression)


def cause(field: Field, value: str, text: str) -> Cause:
    """A cause that shows a key or value of a map at the path of the whole map, as upstream does for labels."""
    return field_errors.invalid(field.path, value, text)


def _requirement(expression: Field) -> Iterator[Cause]:
    match expression["operator"].text:
        case "In" | "NotIn":
            if not expression["values"]:
                yield expression["values"].required("must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if expression["values"]:
                yield expression["values"].forbidden(
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                )
        case operator:
            yield field_errors.invalid(expression["operator"].path, operator, "not a valid selector operator")
    key = expression["key"]
    yield from (cause(key, key.text, text) for text in formats.label_key(key.text))
    for value in expression["values"]:
        yield from value.invalid_each(formats.label_value(value.text))


def _name(resource: ResourceNames, name: Field, prefix: Field) -> Iterator[Cause]:
    """Check the name and the prefix that it was generated from, which may end with a dash."""
    form = formats.path_segment if resource.group == _RBAC else _NAME_FORMS.get(resource.kind, formats.dns_subdomain)
    if prefix:
        shown = f"{prefix.text[:-2]}a" if prefix.text.endswith("-") and len(prefix.text) > 1 else prefix.text
        yield from prefix.invalid_each(form(shown))
    if not name:
        yield name.required("name or generateName is required")
        return
    yield from name.invalid_each(form(name.text))


def _owners(field: Field) -> Iterator[Cause]:
    controllers: list[str] = []
    for owner in field:
        for part, text in (
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ):
            if not owner[part]:
                yield field_errors.invalid(f"{field.path}.{part}", "", text)
        if owner["controller"]:
            controllers.append(f"{owner['kind'].text}/{owner['name'].text}")
    for other in controllers[1:]:
        yield field.invalid(
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {controllers[0]} and {other}'
        )


def _finalizers(field: Field) -> Iterator[Cause]:
    for finalizer in field:
        yield from (cause(field, finalizer.text, text) for text in formats.label_key(finalizer.text))
    if {"orphan", "foregroundDeletion"} <= set(field.value or ()):
        yield field.invalid("finalizer orphan and foregroundDeletion cannot be both set")


def _update(metadata: Field, old: Field) -> Iterator[Cause]:
    if old["deletionTimestamp"]:
        added = sorted(set(metadata["finalizers"].value or ()) - set(old["finalizers"].value or ()))
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            yield metadata["finalizers"].forbidden(
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}"
            )
    for part in ("name", "namespace", "uid", "creationTimestamp"):
        if metadata[part].value != old[part].value:
            yield metadata[part].invalid(formats.IMMUTABLE)
