"""The cache of an informer: the objects of one kind, from lists and watch lines. No I/O.

    state      input                    next state   effect
    LISTING    list(items, version)     WATCHING     changes against the former objects
    WATCHING   ADDED, MODIFIED          WATCHING     one change
    WATCHING   DELETED                  WATCHING     one change
    WATCHING   BOOKMARK                 WATCHING     newer version, no change
    WATCHING   object does not decode   WATCHING     in `rejected`; the former object remains
    WATCHING   ERROR, no event          LISTING      `refusal` has the reason; 410: the position is lost

An object that cannot be decoded does not end the watch: its last decodable state remains, and it is in `rejected` until
a state that can be decoded or its deletion arrives. One that never could be decoded is absent, or represented by its
kind's `substitute`: an undecodable policy closes its namespace.

Source: kubernetes.io "Efficient detection of changes"; client-go `tools/cache/reflector.go`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from podwire.kube.decode import decode
from podwire.kube.meta import NamespacedName, Object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)


class Phase(enum.Enum):
    """Which request comes next."""

    LISTING = "listing"
    WATCHING = "watching"


class Change(msgspec.Struct, Generic[ObjectT], frozen=True):
    """One object before and after; old is None for a new one, new is None for a removed one."""

    old: ObjectT | None
    new: ObjectT | None


class Rejected(msgspec.Struct, frozen=True):
    """An object that cannot be decoded: its name, its version, and why."""

    key: NamespacedName
    version: str
    reason: str


class Refusal(msgspec.Struct, frozen=True):
    """Why a watch stream cannot go on: the code and message of its Status; code 0 for a line that is no event."""

    code: int
    message: str


class _Envelope(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


class ObjectCache(Generic[ObjectT]):
    """The objects of one kind as the server last reported them, and the position in its history."""

    def __init__(self, kind: Kind[ObjectT]) -> None:
        self.phase = Phase.LISTING
        self.version = ""
        self.objects: dict[NamespacedName, ObjectT] = {}
        self.rejected: dict[NamespacedName, Rejected] = {}
        self.refusal: Refusal | None = None
        self._type = kind.type
        self._substitute = kind.substitute
        self._decode_envelope = msgspec.json.Decoder(_Envelope).decode

    def replace(
        self, items: Iterable[ObjectT], version: str, rejected: Iterable[Rejected] = ()
    ) -> list[Change[ObjectT]]:
        """Take a full list; return what differs from the former objects."""
        self.rejected = {one.key: one for one in rejected}
        fresh = {item.key: item for item in items}
        for key in self.rejected:
            if (kept := self._former(key)) is not None:
                fresh[key] = kept
        changes = [Change(old, None) for key, old in self.objects.items() if key not in fresh]
        for key, new in fresh.items():
            old = self.objects.get(key)
            if old is None or old.metadata.resource_version != new.metadata.resource_version:
                changes.append(Change(old, new))
        self.objects = fresh
        self.version = version
        self.refusal = None
        self.phase = Phase.WATCHING
        return changes

    def apply(self, line: bytes) -> Change[ObjectT] | None:
        """Take one line of a watch stream; return the change, if there is one."""
        try:
            envelope = self._decode_envelope(line)
            if envelope.type == "ERROR":
                status = msgspec.json.decode(envelope.object, type=_Status)
                self._refuse(status.code, status.message)
                return None
            new = decode(envelope.object, self._type)
        except msgspec.MsgspecError as error:
            return self._undecodable(line, str(error))
        self.version = new.metadata.resource_version or self.version
        if envelope.type == "BOOKMARK":
            return None
        self.rejected.pop(new.key, None)
        return self._put(new, removed=envelope.type == "DELETED")

    def expire(self) -> None:
        """The server does not hold the position any more (410): start again with a list."""
        self.phase = Phase.LISTING

    def _undecodable(self, line: bytes, reason: str) -> Change[ObjectT] | None:
        """An event whose object has another form than its kind, or a line that is no event at all."""
        try:
            envelope = self._decode_envelope(line)
            named = decode(envelope.object, Object)
        except msgspec.MsgspecError:
            self._refuse(0, f"a line of the watch stream is no event: {reason}")
            return None
        if envelope.type == "ERROR" or not named.metadata.name:
            self._refuse(0, f"an event of the watch stream names no object: {reason}")
            return None
        self.version = named.metadata.resource_version or self.version
        if envelope.type == "DELETED":
            self.rejected.pop(named.key, None)
            old = self.objects.pop(named.key, None)
            return Change(old, None) if old is not None else None
        self.rejected[named.key] = Rejected(named.key, named.metadata.resource_version, reason)
        kept = self._former(named.key)
        return self._put(kept, removed=False) if kept is not None and named.key not in self.objects else None

    def _former(self, key: NamespacedName) -> ObjectT | None:
        """Return what represents an object that cannot be decoded: its last state, else its kind's substitute."""
        if key in self.objects:
            return self.objects[key]
        return None if self._substitute is None else self._substitute(key)

    def _refuse(self, code: int, message: str) -> None:
        self.refusal = Refusal(code, message)
        self.phase = Phase.LISTING

    def _put(self, new: ObjectT, *, removed: bool) -> Change[ObjectT] | None:
        old = self.objects.get(new.key)
        if removed:
            self.objects.pop(new.key, None)
            return Change(old, None) if old is not None else None
        self.objects[new.key] = new
        return Change(old, new)
