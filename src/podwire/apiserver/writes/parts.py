"""What an update by one path may change of an object, and which rules it is checked by.

Source: k8s.io/kubernetes `pkg/registry/*/strategy.go` PrepareForUpdate of the main path and of each subresource;
k8s.io/apimachinery `meta/v1` ResetObjectMetaForStatus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver import validation
from podwire.apiserver.writes.omitempty import without_zeros

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

_META = ("labels", "annotations", "finalizers", "ownerReferences")
_KEPT_BY_STATUS = {
    ("", "Pod"): ("ownerReferences",),
    ("apps", "Deployment"): ("labels",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _META,
    ("networking.k8s.io", "ServiceCIDR"): _META,
}
"""By built-in kind: what of the metadata a write of `/status` does not change; of all others it changes all."""


class Part(msgspec.Struct, frozen=True):
    """What an update may change of an object, and the rules that it is checked by.

    `narrow` makes, of the desired and the stored object, the one to store; `check` returns what is wrong with it;
    `counts`: a change of the spec is a new generation.
    """

    narrow: Callable[[Resource, Object, Object], Object]
    check: Callable[[Resource, Object, Object], list[Cause]]
    counts: bool = True


def configured(resource: Resource, config: Object, subresource: str) -> Object:
    """What a configuration can apply by a path: all but the status, or nothing but it and metadata."""
    if subresource == "status":
        kept: Object = {name: config[name] for name in ("apiVersion", "kind", "status") if name in config}
        return {**kept, "metadata": _applied_metadata(resource, config["metadata"])}
    apart = "status" in resource.subresources
    return {name: value for name, value in config.items() if not (apart and name == "status")}


def _applied_metadata(resource: Resource, metadata: Object) -> Object:
    if resource.custom is not None:
        return {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion") if name in metadata}
    return {name: value for name, value in metadata.items() if name not in _kept_by_status(resource)}


def _without_status(resource: Resource, obj: Object, old: Object) -> Object:
    """A write on the main path does not touch the status of a kind that has a subresource for it.

    Nor does it touch a namespace's `spec.finalizers`, which only `/finalize` writes.
    """
    if "status" in resource.subresources:
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
    if (resource.group, resource.kind) == ("", "Namespace"):
        spec = {name: value for name, value in (obj.get("spec") or {}).items() if name != "finalizers"}
        held = (old.get("spec") or {}).get("finalizers")
        obj["spec"] = {**spec, "finalizers": held} if held else spec
    return obj


def _only_status(resource: Resource, obj: Object, old: Object) -> Object:
    changed = {**old, "metadata": _status_metadata(resource, obj["metadata"], old["metadata"])}
    changed.pop("status", None)
    if "status" not in obj:
        return changed
    state = without_zeros(resource, obj["status"])
    if (resource.group, resource.kind) == ("", "Pod"):
        _keep_observed_generations(state, old.get("status") or {})
    return {**changed, "status": state}


def _status_metadata(resource: Resource, desired: Object, held: Object) -> Object:
    if resource.custom is not None:
        return dict(held)
    kept = _kept_by_status(resource)
    chosen = {name: value for name, value in desired.items() if name not in kept}
    return chosen | {name: held[name] for name in kept if name in held}


def _kept_by_status(resource: Resource) -> tuple[str, ...]:
    return _KEPT_BY_STATUS.get((resource.group, resource.kind), ())


def _keep_observed_generations(state: Object, held: Object) -> None:
    """Keep the generation that a pod's node has seen, where a client that does not know the field leaves it out."""
    if held.get("observedGeneration"):
        state.setdefault("observedGeneration", held["observedGeneration"])
    seen = {one.get("type"): one.get("observedGeneration") for one in held.get("conditions") or ()}
    for condition in state.get("conditions") or ():
        if not condition.get("observedGeneration") and seen.get(condition.get("type")):
            condition["observedGeneration"] = seen[condition["type"]]


def _only_finalizers(_: Resource, obj: Object, old: Object) -> Object:
    """`/finalize` writes all of a namespace but its status."""
    changed = {name: value for name, value in obj.items() if name != "status"}
    return {**changed, "status": old["status"]} if "status" in old else changed


def _only_ephemeral_containers(_: Resource, obj: Object, old: Object) -> Object:
    spec = {**(old.get("spec") or {})}
    spec.pop("ephemeralContainers", None)
    desired = (obj.get("spec") or {}).get("ephemeralContainers")
    return {
        **old,
        "metadata": dict(old["metadata"]),
        "spec": {**spec, "ephemeralContainers": desired} if desired else spec,
    }


WHOLE = Part(_without_status, validation.validate)
STATUS = Part(_only_status, validation.validate_status)
FINALIZERS = Part(_only_finalizers, validation.validate)
EPHEMERAL_CONTAINERS = Part(_only_ephemeral_containers, validation.validate_ephemeral_containers)
BINDING = Part(lambda _, obj, __: obj, lambda resource, obj, _: validation.validate(resource, obj), counts=False)
"""Binding is the request that may set what an update may not change: it is checked as a new object."""
