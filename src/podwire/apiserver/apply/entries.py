"""The entries of `metadata.managedFields`: which manager set which fields, by which kind of write, and when.

Source: k8s.io/apimachinery `meta/v1` ManagedFieldsEntry; `util/managedfields/internal` (managedfields, capmanagers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec.structs import replace

from podwire.apiserver.apply import fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.apiserver.apply.fields import Fields

Object = dict[str, Any]

APPLY = "Apply"
UPDATE = "Update"
FIELDS_V1 = "FieldsV1"
BEFORE_FIRST_APPLY = "before-first-apply"
"""The owner of what was in an object without entries when it was first applied."""

ANCIENT = "ancient-changes"
MOST_UPDATERS = 10
"""Entries of the operation Update that an object keeps; the oldest are joined."""


class Identity(NamedTuple):
    """Identifies an entry. A manager that applies has one entry for all API versions, so its version is empty here."""

    name: str
    operation: str
    api_version: str
    subresource: str


class Entry(msgspec.Struct, frozen=True, gc=False):
    """The fields of one manager. `time` is RFC 3339, empty where it is not known."""

    name: str
    operation: str
    api_version: str
    fields: Fields
    time: str = ""
    subresource: str = ""

    @property
    def identity(self) -> Identity:
        """The identity of the entry."""
        version = "" if self.operation == APPLY else self.api_version
        return Identity(self.name, self.operation, version, self.subresource)

    def json(self) -> Object:
        """The entry as it is stored."""
        parts = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": FIELDS_V1,
            "fieldsV1": self.fields,
            "subresource": self.subresource,
        }
        return {key: value for key, value in parts.items() if value or key == "fieldsV1"}

    def __str__(self) -> str:
        """As messages name a manager."""
        shown = f'"{self.name}"'
        if self.subresource:
            shown += f' with subresource "{self.subresource}"'
        return shown if self.operation == APPLY else f"{shown} using {self.api_version}"


Entries = dict[Identity, Entry]


def stored(values: Iterable[Object]) -> Entries:
    """Entries as this server stored them."""
    found = (_entry(value, value.get("fieldsV1") or {}) for value in values)
    return {entry.identity: entry for entry in found}


def claimed(values: Any) -> Entries | None:
    """Entries as a client sent them; None where they are invalid; the stored ones are used then.

    `[{}]` and `[]` remove them.
    """
    if values in ([], [{}]):
        return {}
    try:
        return _read(values)
    except (fields.FieldsError, AttributeError, TypeError):
        return None


def encoded(entries: Entries) -> list[Object]:
    """Entries in upstream's order: applies first, then by time."""
    order = sorted(
        entries.values(), key=lambda one: (one.operation, one.time, one.name, one.api_version, one.subresource)
    )
    return [entry.json() for entry in order]


def capped(entries: Entries) -> Entries:
    """The oldest updates joined into one entry of each API version, until there are not too many."""
    updates = [entry for entry in entries.values() if entry.operation == UPDATE]
    excess = len(updates) - MOST_UPDATERS
    if excess <= 0:
        return entries
    kept = dict(entries)
    buckets: dict[str, Entry] = {}
    for entry in sorted(updates, key=lambda one: (one.time, one.identity)):
        first = buckets.get(entry.api_version)
        if first is None:
            buckets[entry.api_version] = entry
            continue
        del kept[entry.identity]
        kept.pop(first.identity, None)
        joined = fields.union(first.fields, entry.fields)
        bucket = replace(entry, name=ANCIENT, subresource="", fields=joined)
        kept[bucket.identity] = buckets[entry.api_version] = bucket
        excess -= 1
        if not excess:
            break
    return kept


def _read(values: Any) -> Entries | None:
    found: Entries = {}
    for value in values:
        entry = _entry(value, fields.read(value.get("fieldsV1") or {}))
        believed = entry.operation in {APPLY, UPDATE} and entry.api_version and value.get("fieldsType") == FIELDS_V1
        if not believed:
            return None
        found[entry.identity] = entry
    return found or None


def _entry(value: Object, found: Fields) -> Entry:
    return Entry(
        value.get("manager", ""),
        value.get("operation", ""),
        value.get("apiVersion", ""),
        found,
        value.get("time", ""),
        value.get("subresource", ""),
    )
