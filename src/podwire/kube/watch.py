"""What an informer knows, fed with lists and watch lines: no I/O.

    state      input                    next state   effect
    LISTING    list(items, version)     WATCHING     changes against what was known
    WATCHING   ADDED, MODIFIED          WATCHING     one change
    WATCHING   DELETED                  WATCHING     one change
    WATCHING   BOOKMARK                 WATCHING     newer version, no change
    WATCHING   ERROR 410                LISTING      none: the position is lost, list again
    WATCHING   ERROR other, bad line    LISTING      none

Source: kubernetes.io "Efficient detection of changes"; client-go `tools/cache/reflector.go`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from podwire.kube.meta import NamespacedName, Object

if TYPE_CHECKING:
    from collections.abc import Iterable

ObjectT = TypeVar("ObjectT", bound=Object)


class Phase(enum.Enum):
    """Which request comes next."""

    LISTING = "listing"
    WATCHING = "watching"


class Change(msgspec.Struct, Generic[ObjectT], frozen=True):
    """One object before and after; old is None for a new one, new is None for a removed one."""

    old: ObjectT | None
    new: ObjectT | None


class _Envelope(msgspec.Struct):
    type: str
    object: msgspec.Raw


class Mirror(Generic[ObjectT]):
    """The objects of one kind as the server last told them, and the position in its history."""

    def __init__(self, object_type: type[ObjectT]) -> None:
        self.phase = Phase.LISTING
        self.version = ""
        self.objects: dict[NamespacedName, ObjectT] = {}
        self._decode = msgspec.json.Decoder(object_type).decode
        self._decode_envelope = msgspec.json.Decoder(_Envelope).decode

    def listed(self, items: Iterable[ObjectT], version: str) -> list[Change[ObjectT]]:
        """Take a full list; answers only what differs from what was known."""
        fresh = {item.key: item for item in items}
        changes = [Change(old, None) for key, old in self.objects.items() if key not in fresh]
        for key, new in fresh.items():
            old = self.objects.get(key)
            if old is None or old.metadata.resource_version != new.metadata.resource_version:
                changes.append(Change(old, new))
        self.objects = fresh
        self.version = version
        self.phase = Phase.WATCHING
        return changes

    def line(self, line: bytes) -> Change[ObjectT] | None:
        """Take one line of a watch stream."""
        try:
            envelope = self._decode_envelope(line)
            if envelope.type == "ERROR":
                self.phase = Phase.LISTING
                return None
            new = self._decode(envelope.object)
        except msgspec.MsgspecError:
            self.phase = Phase.LISTING
            return None
        self.version = new.metadata.resource_version or self.version
        if envelope.type == "BOOKMARK":
            return None
        return self._replace(new, removed=envelope.type == "DELETED")

    def lost(self) -> None:
        """The server no longer holds our position (410): start again with a list."""
        self.phase = Phase.LISTING

    def _replace(self, new: ObjectT, *, removed: bool) -> Change[ObjectT] | None:
        old = self.objects.get(new.key)
        if removed:
            self.objects.pop(new.key, None)
            return Change(old, None) if old is not None else None
        self.objects[new.key] = new
        return Change(old, new)
