"""PATCH bodies: by their media type, a function from the stored object to the desired one.

Source: k8s.io/apiserver `pkg/endpoints/handlers/patch.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import status
from podwire.apiserver.bodies.media_types import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from podwire.apiserver.bodies.reader import media_type, read_json
from podwire.apiserver.kinds import schema
from podwire.apiserver.patches import json_patch, merge_patch, strategic_merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]


def change(resource: Resource, body: bytes, content_type: str) -> Callable[[Object], Object]:
    """What the patch does; raises StatusError 400, 413 or 415 here, and 400, 413 or 422 when it is applied."""
    served = _served(resource)
    kind = media_type(content_type)
    if kind not in served:
        raise status.unsupported_media_type(kind, (*served, APPLY_PATCH))
    patch, apply = read_json(body), served[kind]

    def apply_to(obj: Object) -> Object:
        try:
            changed = apply(obj, patch)
        except json_patch.TooManyOperations as error:
            raise status.too_large(str(error)) from error
        except json_patch.PatchFailed as error:
            raise status.StatusError(422, "Invalid", f"the patch does not fit the object: {error}") from error
        except (json_patch.PatchError, strategic_merge.StrategicPatchError) as error:
            raise status.bad_request(f"the patch cannot be applied: {error}") from error
        if not isinstance(changed, dict):
            raise status.bad_request("the patch leaves no object")
        return changed

    return apply_to


def _served(resource: Resource) -> dict[str, Callable[[Object, Any], Any]]:
    """The media types of a resource's patches; kinds of a user have no strategic merge."""
    served: dict[str, Callable[[Object, Any], Any]] = {JSON_PATCH: json_patch.apply, MERGE_PATCH: _merge}
    if resource.patch_strategic:
        served[STRATEGIC_MERGE_PATCH] = lambda obj, patch: _strategic(resource, obj, patch)
    return served


def _merge(obj: Object, patch: Any) -> Any:
    if not isinstance(patch, dict):
        raise json_patch.PatchError("a merge patch of an object is an object")
    return merge_patch.apply(obj, patch)


def _strategic(resource: Resource, obj: Object, patch: Any) -> Object:
    if not isinstance(patch, dict):
        raise strategic_merge.StrategicPatchError("a strategic merge patch is an object")
    return strategic_merge.apply(obj, patch, schema.merge_rules(resource))
