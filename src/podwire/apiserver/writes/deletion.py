"""The outcome of a DELETE: removed at once, or marked until its finalizers and grace period are over. Pure.

    finalizers   grace   outcome
    none         0       gone
    none         > 0     marked; the node removes the pod by a second DELETE with grace 0
    some         any     marked; gone when the last finalizer is taken off

A second DELETE can only shorten the grace. Source: k8s.io/apiserver `pkg/registry/rest/delete.go`,
`registry/generic/registry/store.go`; k8s.io/kubernetes `pkg/registry/core/pod/strategy.go`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import status
from podwire.apiserver.writes.metadata import parse_timestamp
from podwire.kube.meta import timestamp

if TYPE_CHECKING:
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
DEFAULT_GRACE_SECONDS = 30
LONGEST_GRACE_SECONDS = 2**31 - 1
"""About 68 years. A longer time leaves the years that a timestamp can have."""
IMMORTAL_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})
_POLICIES = {"": None, "Background": "", "Foreground": FOREGROUND, "Orphan": ORPHAN}


_ORPHANING = {"jobs.batch": "Orphan", "replicationcontrollers": "Orphan"}
"""Kinds whose pods are orphaned by default, for old clients (as upstream)."""

_PODS_STAY = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
    "set propagationPolicy=Orphan to suppress this warning"
)


class DeleteOptions(msgspec.Struct, frozen=True):
    """How to delete. `grace_seconds` None: the object's own."""

    grace_seconds: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False
    user: User | None = None
    """The user of the request; None is the server itself."""


class Outcome(msgspec.Struct, frozen=True):
    """The object after the DELETE, and whether it is gone."""

    obj: Object
    gone: bool


def delete(resource: Resource, obj: Object, options: DeleteOptions, now: datetime) -> Outcome:
    """The outcome of a DELETE; raises StatusError 400, 403 or 409. Changes and returns the object given."""
    _check(resource, obj, options)
    metadata = obj["metadata"]
    _mark_propagation(metadata, options.propagation or _ORPHANING.get(resource.storage, ""))
    grace = _grace(resource, obj, options)
    if "deletionTimestamp" in metadata:
        _shorten(metadata, grace)
    elif _held(obj) or grace > 0:
        metadata["deletionTimestamp"] = timestamp(now + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
        if "generation" in metadata:
            metadata["generation"] += 1
        if resource.storage == "namespaces":
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    else:
        return Outcome(obj, gone=True)
    return Outcome(obj, gone=complete(obj))


def warnings(resource: Resource, options: DeleteOptions) -> tuple[str, ...]:
    """The warnings of a DELETE."""
    return (_PODS_STAY,) if resource.storage == "jobs.batch" and not options.propagation else ()


def complete(obj: Object) -> bool:
    """Whether a marked object can be removed now."""
    metadata = obj["metadata"]
    return "deletionTimestamp" in metadata and not metadata.get("deletionGracePeriodSeconds") and not _held(obj)


def _held(obj: Object) -> bool:
    """Whether finalizers hold the object; a namespace has some in its spec too."""
    spec = obj.get("spec") or {}
    in_spec = spec.get("finalizers") if obj.get("kind") == "Namespace" and obj.get("apiVersion") == "v1" else None
    return bool(obj["metadata"].get("finalizers") or in_spec)


def _check(resource: Resource, obj: Object, options: DeleteOptions) -> None:
    metadata = obj["metadata"]
    name = metadata["name"]
    if options.uid and options.uid != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {metadata['uid']}"
        raise status.conflict(resource, name, why)
    if options.resource_version and options.resource_version != metadata["resourceVersion"]:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {options.resource_version}, "
            f"ResourceVersion in object meta: {metadata['resourceVersion']}"
        )
        raise status.conflict(resource, name, why)
    if resource.storage == "namespaces" and name in IMMORTAL_NAMESPACES:
        raise status.forbidden(resource, name, "this namespace may not be deleted")


def _mark_propagation(metadata: Object, policy: str) -> None:
    """Foreground and orphan deletion are finalizers that the garbage collector removes."""
    desired = _POLICIES[policy]
    if desired is None:
        return
    kept = [one for one in metadata.get("finalizers") or () if one not in {FOREGROUND, ORPHAN}]
    finalizers = [*kept, desired] if desired else kept
    metadata.pop("finalizers", None)
    if finalizers:
        metadata["finalizers"] = finalizers


def _grace(resource: Resource, obj: Object, options: DeleteOptions) -> int:
    """The grace period in seconds: only pods on a node that have not finished have one."""
    if resource.storage != "pods":
        return 0
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
        return 0
    desired = options.grace_seconds
    if desired is None:
        desired = spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    return min(desired, LONGEST_GRACE_SECONDS) if desired >= 0 else 1


def _shorten(metadata: Object, grace: int) -> None:
    """Shorten the grace period of a marked object; it is never extended."""
    left = metadata.get("deletionGracePeriodSeconds") or 0
    if grace < left:
        began = parse_timestamp(metadata["deletionTimestamp"]) - timedelta(seconds=left)
        metadata["deletionTimestamp"] = timestamp(began + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
