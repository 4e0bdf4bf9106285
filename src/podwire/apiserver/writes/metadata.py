"""The fields of `metadata` that the server sets. Pure.

Source: k8s.io/apiserver `pkg/registry/rest/create.go`, `update.go`, `meta.go`; `pkg/storage/names`.
"""

from __future__ import annotations

import operator
import os
import random
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors, status
from podwire.apiserver.base.json_equality import json_equal
from podwire.kube.meta import timestamp
from podwire.kube.names import SAFE_LETTERS

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

GENERATE_TRIES = 8
_LONGEST_PREFIX = 58
_UNSAFE_NAME = re.compile(r"[/%\x00-\x1f\x7f]")
_SYSTEM_FIELDS = ("selfLink", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds")
_KEPT_FIELDS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
)
_ABSENT_IF_EMPTY = ("labels", "annotations", "ownerReferences", "finalizers", "generateName")
_NOT_SPEC = frozenset({"apiVersion", "kind", "metadata", "status"})
_NO_VERSION = "must be specified for an update"


def new_uid() -> str:
    """A random UUID (RFC 9562, version 4), in a quarter of the time that `uuid` takes."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def parse_timestamp(text: str) -> datetime:
    """The moment of a timestamp."""
    return datetime.fromisoformat(text)


def check_type(resource: Resource, obj: Object) -> None:
    """Fill in a missing apiVersion and kind; raises StatusError 400 where they are those of another resource."""
    api_version, kind = obj.setdefault("apiVersion", resource.api_version), obj.setdefault("kind", resource.kind)
    if api_version != resource.api_version:
        raise status.bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        raise status.bad_request(f"the kind in the data ({kind}) does not match the expected kind ({resource.kind})")
    if not isinstance(obj.setdefault("metadata", {}), dict):
        raise status.bad_request("metadata: must be an object")


def place(resource: Resource, obj: Object, namespace: str, name: str = "") -> None:
    """Put namespace and name of the path into the object; raises StatusError 400 where it has others.

    Labels and the like that are empty are left out, as Go's `omitempty` does.
    """
    metadata = obj["metadata"]
    for field in _ABSENT_IF_EMPTY:
        if field in metadata and not metadata[field]:
            del metadata[field]
    given = metadata.pop("namespace", "") or namespace
    if resource.namespaced and given != namespace:
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if resource.namespaced:
        metadata["namespace"] = namespace
    if name and (metadata.get("name") or name) != name:
        raise status.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )
    if name:
        metadata["name"] = name


def complete_new(resource: Resource, obj: Object, now: datetime) -> None:
    """Set uid, creation time and generation of a new object; raises StatusError 400 or 422 for fields of the server."""
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        raise status.bad_request("resourceVersion should not be set on objects to be created")
    for field in _SYSTEM_FIELDS:
        metadata.pop(field, None)
    if not metadata.get("name") and not metadata.get("generateName"):
        raise status.invalid(resource, "", [field_errors.required("metadata.name", "name or generateName is required")])
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = timestamp(now)
    metadata.pop("generation", None)
    if resource.counts_generations:
        metadata["generation"] = 1


def check_made_by_apply(resource: Resource, config: Object) -> None:
    """Raise StatusError 409 for a configuration with a uid or version, as the object that it names does not exist."""
    metadata = config["metadata"]
    if metadata.get("uid"):
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: "
        raise status.conflict(resource, metadata["name"], why)
    if metadata.get("resourceVersion"):
        raise status.conflict(resource, metadata["name"])


def generated_name(prefix: str) -> str:
    """A name that is likely to be free."""
    return prefix[:_LONGEST_PREFIX] + "".join(random.choices(SAFE_LETTERS, k=5))  # noqa: S311  (no secret)


def check_name(resource: Resource, name: str) -> None:
    """Check that a name is one segment of a path, for all kinds; raises StatusError 422."""
    if not isinstance(name, str) or name in {".", ".."} or _UNSAFE_NAME.search(name) or not 0 < len(name) <= 253:
        cause = field_errors.invalid("metadata.name", name, "a name has 1 to 253 characters, without '/' and '%'")
        raise status.invalid(resource, str(name)[:253], [cause])


def check_unchanged(resource: Resource, obj: Object, old: Object) -> None:
    """Raise StatusError 409 where an object has another uid or version than the stored one.

    Some kinds need the version in an update (422).
    """
    metadata, held = obj["metadata"], old["metadata"]
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if uid and uid != held["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {held['uid']}"
        raise status.conflict(resource, held["name"], why)
    if version in {None, "", "0"} and resource.names_versions:
        cause = field_errors.Cause(
            "metadata.resourceVersion", "FieldValueInvalid", f"Invalid value: 0x0: {_NO_VERSION}"
        )
        raise status.invalid(resource, held["name"], [cause])
    if version and version not in {"0", held["resourceVersion"]}:
        raise status.conflict(resource, held["name"])


def carry_over(resource: Resource, obj: Object, old: Object) -> None:
    """Keep what no client may change; raises StatusError 422 for new finalizers of an object that is being deleted."""
    metadata, held = obj["metadata"], old["metadata"]
    for field in _SYSTEM_FIELDS:
        metadata.pop(field, None)
    for field in _KEPT_FIELDS:
        metadata.pop(field, None)
        if field in held:
            metadata[field] = held[field]
    added = [one for one in metadata.get("finalizers") or () if one not in (held.get("finalizers") or ())]
    if added and "deletionTimestamp" in held:
        detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {added}"
        raise status.invalid(resource, held["name"], [field_errors.forbidden("metadata.finalizers", detail)])


def count_generation(resource: Resource, obj: Object, old: Object) -> None:
    """Bump `generation`, where the kind has one, when anything but metadata and status changed.

    The status of a kind of a user without a subresource for it is a part like any other.
    """
    if "generation" not in old["metadata"]:
        return
    is_part = resource.custom is not None and "status" not in resource.subresources
    kept = _NOT_SPEC - {"status"} if is_part else _NOT_SPEC
    equal = operator.eq if resource.custom is None else json_equal  # types of built-in kinds are checked already
    if not all(equal(obj.get(part), old.get(part)) for part in (obj.keys() | old.keys()) - kept):
        obj["metadata"]["generation"] = old["metadata"]["generation"] + 1
