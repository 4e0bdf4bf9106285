"""Values of the store: objects at one revision, and the events between revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from podwire.apiserver.base.encoding import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Key(NamedTuple):
    """The key of an object: its storage (`pods`, `deployments.apps`), namespace (empty: cluster-scoped) and name."""

    storage: str
    namespace: str
    name: str


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One object as it was written at `version`. Only bytes are kept: a parsed pod takes five times their room.

    `labels` and `fields` are what selectors match.
    """

    key: Key
    version: int
    uid: str
    body: bytes
    labels: Mapping[str, str]
    fields: Mapping[str, str]

    def object(self) -> Object:
        """A fresh copy, the caller's own to change."""
        parsed: Object = decode(self.body)
        return parsed

    def shown(self) -> tuple[Object, msgspec.Raw]:
        """The object without its `managedFields`, more than half of a pod, and its whole metadata as encoded."""
        parts = _parts(self.body)
        metadata = parts.pop("metadata")
        obj = {name: decode(part) for name, part in parts.items()}
        own = {name: decode(part) for name, part in _parts(metadata).items() if name != "managedFields"}
        return {**obj, "metadata": own}, metadata


class Event(msgspec.Struct, frozen=True):
    """One write: the object before and after. A removal's `new` is the last state at the removal's version."""

    old: Stored | None
    new: Stored
    removed: bool

    @property
    def key(self) -> Key:
        """The object's key."""
        return self.new.key

    @property
    def version(self) -> int:
        """The revision that this write made."""
        return self.new.version
