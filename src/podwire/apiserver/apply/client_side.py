"""What `kubectl apply` without `--server-side` left in an object: its annotation with the last configuration.

Only the manager `kubectl` takes these fields over; other names do not.
Source: k8s.io/apimachinery `managedfields/internal/lastappliedmanager.go`, `lastappliedupdater.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.apply import fields, typed
from podwire.apiserver.base.encoding import decode, encode
from podwire.apiserver.base.object_meta import annotations_fit
from podwire.apiserver.bodies.reader import without_nulls

if TYPE_CHECKING:
    from podwire.apiserver.apply.fields import Fields
    from podwire.apiserver.apply.shapes import Shape

Object = dict[str, Any]

KUBECTL = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def applied_before(live: Object, api_version: str, shape: Shape) -> Fields:
    """The fields that the last client-side apply set and that still have its values: kubectl may take them over."""
    text = _annotations(live).get(ANNOTATION)
    if not isinstance(text, str) or not text:
        return {}
    try:
        last = without_nulls(decode(text))
    except msgspec.DecodeError:
        return {}
    if not isinstance(last, dict) or last.get("apiVersion") != api_version:
        return {}
    changed, removed = typed.compare(last, live, shape)
    return fields.difference(fields.difference(typed.field_set(last, shape), changed), removed)


def refreshed(obj: Object, config: Object) -> Object:
    """The object with its annotation, where it has one, brought up to what was applied now.

    Annotations that would be too large with it go on without it (upstream's `setLastApplied`).
    """
    if not _annotations(obj).get(ANNOTATION):
        return obj
    metadata = dict(config.get("metadata") or {})
    if ANNOTATION in _annotations(config):
        metadata["annotations"] = {key: text for key, text in _annotations(config).items() if key != ANNOTATION}
    text = encode({**config, "metadata": metadata}).decode() + "\n"
    annotations = {**_annotations(obj), ANNOTATION: text}
    if not annotations_fit(annotations):
        del annotations[ANNOTATION]
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def _annotations(obj: Object) -> Object:
    metadata = obj.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}
