"""Field ownership of objects as the server's writes keep it: objects and their entries as JSON in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.apply import client_side, entries, merge, typed
from podwire.apiserver.apply.merge import ConflictError
from podwire.apiserver.base import status
from podwire.apiserver.base.field_errors import Cause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.apiserver.apply.entries import Entries
    from podwire.apiserver.apply.merge import Applied, Author, Conflict
    from podwire.apiserver.apply.shapes import Shape, Shapes
    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

CONFLICT = "FieldManagerConflict"
UNTRACKED_SUBRESOURCES = frozenset({"binding"})
"""Writes that make no owner: upstream's binding does not pass its field manager either."""


class Ownership(msgspec.Struct, frozen=True):
    """Keeps `metadata.managedFields`. Objects come without it; entries are its items.

    All is in the form that is stored: `resource` is the one whose form that is.
    """

    shapes: Shapes

    def created(self, resource: Resource, obj: Object, claims: Any, author: Author) -> list[Object]:
        """The entries of a new object; `claims` are those that its body brought."""
        known = entries.claimed(claims) or {}
        made = _without_status(obj) if "status" in resource.subresources and not author.subresource else obj
        return entries.encoded(merge.created(made, known, author, self.shapes(resource)))

    def updated(
        self, resource: Resource, change: tuple[Object, Object], stored: list[Object], claims: Any, author: Author
    ) -> list[Object]:
        """The entries after a change (old, new) by anything but apply.

        `claims` are those that the client sent. Through a subresource, or where claims make no sense, those that
        `stored` count.
        """
        if author.subresource in UNTRACKED_SUBRESOURCES:
            return stored
        claimed = None if claims is None or author.subresource or claims == stored else entries.claimed(claims)
        known = entries.stored(stored) if claimed is None else claimed
        after = merge.updated(*change, known, author, self.shapes(resource))
        return stored if after is known and claimed is None else entries.encoded(after)

    def applied(
        self, resource: Resource, change: tuple[Object, Object], stored: list[Object], author: Author, *, force: bool
    ) -> tuple[Object, list[Object]]:
        """A live object (empty: there is none) with a configuration applied, and the entries then.

        Raises StatusError 409 where others own what the configuration sets to another value.
        """
        live, config = change
        shape, known = self.shapes(resource), entries.stored(stored)
        if author.name == client_side.KUBECTL:
            applied = _applied_by_kubectl(change, known, author, shape, force=force)
            named = {**config, "apiVersion": author.api_version}
            return client_side.refreshed(applied.obj, named), entries.encoded(applied.entries)
        try:
            applied = merge.applied(live, config, known, author, shape, force=force)
        except ConflictError as error:
            raise conflict(error.conflicts()) from error
        return applied.obj, entries.encoded(applied.entries)

    def check(self, resource: Resource, config: Object) -> None:
        """Raise StatusError 400 for a configuration that cannot be merged: upstream's typed conversion fails on it."""
        found = list(typed.problems(config, self.shapes(resource)))
        if found:
            name = f"{config['metadata'].get('namespace', '')}/{config['metadata'].get('name', '')}"
            shown = found[0] if len(found) == 1 else "errors:\n" + "\n".join(f"  {one}" for one in found)
            raise status.bad_request(
                f"failed to create typed patch object ({name}; {resource.api_version}, Kind={resource.kind}): {shown}"
            )


def conflict(found: Sequence[Conflict]) -> status.StatusError:
    """The refusal that names every field and its owner, worded as k8s.io/apimachinery `internal/conflict.go`."""
    causes = tuple(Cause(one.path, CONFLICT, f"conflict with {one.owner}") for one in found)
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0].owner}: {found[0].path}"
    else:
        by_owner: dict[str, list[str]] = {}
        for one in found:
            by_owner.setdefault(str(one.owner), []).append(f"- {one.path}")
        lines = [line for owner, paths in by_owner.items() for line in (f"conflicts with {owner}:", *paths)]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return status.StatusError(409, "Conflict", message, status.Details(causes=causes))


def _applied_by_kubectl(
    change: tuple[Object, Object], known: Entries, author: Author, shape: Shape, *, force: bool
) -> Applied:
    """Apply as kubectl: fields that it applied client-side before, unchanged since, are its own already."""
    live, config = change
    try:
        return merge.applied(live, config, known, author, shape, force=force)
    except ConflictError as error:
        refused = error.apart_from(client_side.applied_before(live, author.api_version, shape))
        if refused.taken:
            raise conflict(refused.conflicts()) from error
        return merge.applied(live, config, known, author, shape, force=True)


def _without_status(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if name != "status"}
