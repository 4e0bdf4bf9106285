"""Field ownership after a write, and the three-way merge of server-side apply. Pure.

Live object, configuration, and what the same manager applied before; an item goes when its last owner leaves it.
Source: sigs.k8s.io/structured-merge-diff `merge/update.go`; kubernetes.io "Server-Side Apply".
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from podwire.apiserver.apply import fields, typed
from podwire.apiserver.apply.entries import APPLY, BEFORE_FIRST_APPLY, UPDATE, Entries, Entry, Identity, capped
from podwire.apiserver.base.encoding import decode, encode

if TYPE_CHECKING:
    from podwire.apiserver.apply.fields import Fields
    from podwire.apiserver.apply.shapes import Shape

Object = dict[str, Any]

_IDENTITY = ("name", "namespace", "creationTimestamp", "uid")
_SERVERS_OWN = (*_IDENTITY, "generation", "managedFields", "resourceVersion", "selfLink")
UNTRACKED: Fields = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {fields.SELF: {}, **{fields.name_key(name): {} for name in _SERVERS_OWN}},
}
"""Fields without an owner (k8s.io/apimachinery `managedfields/internal/stripmeta.go`)."""

MOST_KNOWN, LARGEST_KNOWN = 64, 8 * 1024
"""How many new objects are remembered with their fields, and how many bytes one may have."""


class Conflict(msgspec.Struct, frozen=True):
    """A field that another manager set to another value."""

    owner: Entry
    path: str


class ConflictError(Exception):
    """A configuration has fields that others own. `taken` has them by owner."""

    def __init__(self, taken: dict[Identity, Fields], owners: Entries) -> None:
        super().__init__("the configuration conflicts with other managers")
        self.taken = {identity: found for identity, found in taken.items() if found}
        self._owners = owners

    def apart_from(self, allowed: Fields) -> ConflictError:
        """What is left of it when some fields may be taken."""
        left = {identity: fields.difference(found, allowed) for identity, found in self.taken.items()}
        return ConflictError(left, self._owners)

    def conflicts(self) -> list[Conflict]:
        """Every conflict, owners in a fixed order."""
        return [
            Conflict(self._owners[identity], path)
            for identity in sorted(self.taken)
            for path in fields.paths(self.taken[identity])
        ]


class Author(msgspec.Struct, frozen=True, gc=False):
    """The manager of a write, its subresource (empty: the object itself) and API version; `time` is RFC 3339."""

    name: str
    api_version: str
    time: str
    subresource: str = ""

    def entry(self, operation: str, found: Fields) -> Entry:
        """An entry of this author."""
        return Entry(self.name, operation, self.api_version, found, self.time, self.subresource)


class Applied(msgspec.Struct, frozen=True):
    """The object with the configuration in it, and its owners."""

    obj: Object
    entries: Entries


def created(obj: Object, entries: Entries, author: Author, shape: Shape) -> Entries:
    """The owners of a new object's fields: the creator owns all; `entries` are those that came with the body."""
    return _with_update(entries, author, _made(obj, shape))


def updated(old: Object, new: Object, entries: Entries, author: Author, shape: Shape) -> Entries:
    """The owners after a write other than apply: its author owns what is new or changed; what is gone has no owner.

    An object without entries stays so: it is not tracked.
    """
    changed, removed = _changes(old, new, shape)
    if not entries or not (changed or removed):
        return entries
    return capped(_with_update(_without(entries, changed, removed), author, changed))


def applied(live: Object, config: Object, entries: Entries, author: Author, shape: Shape, *, force: bool) -> Applied:
    """Apply a configuration to a live object (empty: it is made); raises ConflictError unless `force`."""
    if not entries and live:
        first = replace(author, name=BEFORE_FIRST_APPLY, subresource="")
        entries = created(live, {}, first, shape)
    own = fields.difference(typed.field_set(config, shape), UNTRACKED)
    mine = author.entry(APPLY, own)
    last = entries.get(mine.identity)
    others = {identity: entry for identity, entry in entries.items() if identity != mine.identity}
    obj = typed.merge(live, config, shape)
    if last is not None:
        claims = fields.union(typed.field_set(config, shape), _owned(others))
        obj = _pruned(obj, last.fields, claims, shape)
    changed, removed = _changes(live, obj, shape)
    taken = {identity: fields.intersection(entry.fields, changed) for identity, entry in others.items()}
    if not force and any(taken.values()):
        raise ConflictError(taken, others)
    kept = _without(others, changed, removed)
    if last is not None and not changed and not removed and _same(last, mine):
        mine = last
    return Applied(obj, {**kept, mine.identity: mine} if own else kept)


def _made(obj: Object, shape: Shape) -> Fields:
    """The fields of a new object. Pods of one owner differ only in fields without an owner: the walk is cached."""
    own = {name: value for name, value in obj.get("metadata", {}).items() if name not in _SERVERS_OWN}
    encoded = encode({**obj, "metadata": own})
    if len(encoded) > LARGEST_KNOWN:
        return fields.difference(typed.made_fields(obj, shape), UNTRACKED)
    return _known_made(encoded, shape)


@functools.lru_cache(MOST_KNOWN)
def _known_made(encoded: bytes, shape: Shape) -> Fields:
    return fields.difference(typed.made_fields(decode(encoded), shape), UNTRACKED)


def _changes(old: Object, new: Object, shape: Shape) -> tuple[Fields, Fields]:
    changed, removed = typed.compare(old, new, shape)
    return fields.difference(changed, UNTRACKED), fields.difference(removed, UNTRACKED)


def _same(last: Entry, mine: Entry) -> bool:
    return last.fields == mine.fields and last.api_version == mine.api_version


def _owned(entries: Entries) -> Fields:
    owned: Fields = {}
    for entry in entries.values():
        owned = fields.union(owned, entry.fields)
    return owned


def _without(entries: Entries, changed: Fields, removed: Fields) -> Entries:
    """Entries without fields that another manager now sets, or that are gone. Those that lose nothing stay."""
    kept = {}
    for identity, entry in entries.items():
        left = fields.difference(fields.difference(entry.fields, changed), removed)
        if left:
            kept[identity] = entry if left == entry.fields else replace(entry, fields=left)
    return kept


def _with_update(entries: Entries, author: Author, changed: Fields) -> Entries:
    """Entries with what an author wrote."""
    if not changed:
        return entries
    entry = author.entry(UPDATE, {})
    before = entries.get(entry.identity)
    found = changed if before is None else fields.union(before.fields, changed)
    return {**entries, entry.identity: replace(entry, fields=found)}


def _pruned(merged: Object, last: Fields, claims: Fields, shape: Shape) -> Object:
    """The merged object without what its author applied before, and neither it nor anybody else has now.

    Taking an item out takes all that is in it, so what others own inside is put back, and what never had an owner.
    """
    before, desired = typed.with_named(last, shape), typed.with_named(claims, shape)
    present = typed.with_named(typed.field_set(merged, shape), shape)
    bare = _fields_left(merged, before, shape)
    owned = fields.difference(present, fields.union(bare, desired))
    rest = _fields_left(merged, owned, shape)
    gone = fields.intersection(fields.difference(present, rest), before)
    return typed.remove(merged, gone, shape) or {}


def _fields_left(obj: Object, gone: Fields, shape: Shape) -> Fields:
    return typed.with_named(typed.field_set(typed.remove(obj, gone, shape) or {}, shape), shape)
