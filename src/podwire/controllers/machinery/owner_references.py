"""Owner references: which object controls which, adoption and release.

Source: kubernetes `pkg/controller/controller_ref_manager.go`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.kube.cache import controller_uid
from podwire.kube.selectors import label_keys, matches

if TYPE_CHECKING:
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import LabelSelector, Object


class Claim(enum.Enum):
    """The relation of an object to an owner that selects it or controls it."""

    OWNED = "owned"
    ADOPT = "adopt"
    RELEASE = "release"
    NOTHING = "nothing"


def claim(owner: Object, selector: LabelSelector, item: Object) -> Claim:
    """Return the relation: objects with the owner's reference are released when they no longer match, orphans adopted.

    An empty selector matches nothing here: no owner may take all pods of a namespace.
    """
    manager = controller_uid(item)
    if manager and manager != owner.metadata.uid:
        return Claim.NOTHING
    fits = bool(label_keys(selector)) and matches(selector, item.metadata.labels)
    if manager:
        return Claim.OWNED if fits or owner.metadata.deletion_timestamp else Claim.RELEASE
    ending = owner.metadata.deletion_timestamp or item.metadata.deletion_timestamp
    return Claim.ADOPT if fits and not ending else Claim.NOTHING


def reference(kind: Kind[Any], owner: Object) -> dict[str, Any]:
    """Return the ownerReference by which the owner controls an object, which is deleted with it."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def claim_patch(
    kind: Kind[Any], owner: Object, selector: LabelSelector, item: Object, finalizer: str = ""
) -> dict[str, Any] | None:
    """Return the merge patch that adopts or releases the object for the owner; None where nothing changes.

    An adopted object gets the finalizer, a released one loses it.
    """
    match claim(owner, selector, item):
        case Claim.ADOPT:
            patch = _owners_patch(item, [*_owners(item), reference(kind, owner)])
            finalizers = [*item.metadata.finalizers, *([finalizer] if finalizer else [])]
        case Claim.RELEASE:
            patch = without_owners(item, frozenset({owner.metadata.uid}))
            finalizers = [name for name in item.metadata.finalizers if name != finalizer]
        case _:
            return None
    if finalizer:
        patch["metadata"]["finalizers"] = list(dict.fromkeys(finalizers)) or None
    return patch


def without_finalizer(item: Object, finalizer: str) -> dict[str, Any]:
    """Return the merge patch that removes the finalizer, if the object has not changed since."""
    left = [name for name in item.metadata.finalizers if name != finalizer]
    version = item.metadata.resource_version
    return {"metadata": {"uid": item.metadata.uid, "resourceVersion": version, "finalizers": left or None}}


def without_owners(item: Object, uids: frozenset[str]) -> dict[str, Any]:
    """Return the merge patch that removes references to these owners, if the object has not changed since."""
    return _owners_patch(item, [owner for owner in _owners(item) if owner["uid"] not in uids])


def _owners(item: Object) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(owner) for owner in item.metadata.owner_references]


def _owners_patch(item: Object, owners: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = item.metadata
    return {
        "metadata": {
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
            "ownerReferences": owners or None,
        }
    }
