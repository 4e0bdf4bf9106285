"""The cache of an informer: the objects of one kind, from lists and watch lines. No I/O.

    state      input                    next state   effect
    LISTING    begin                    FILLING      none: the former objects remain
    FILLING    take(objects)            FILLING      changes against the former objects
    FILLING    ADDED, MODIFIED          FILLING      one change
    FILLING    complete(version)        WATCHING     former objects that were in no part are removed
    FILLING    BOOKMARK, initial end    COMPLETE     newer version; complete() follows
    WATCHING   ADDED, MODIFIED          WATCHING     one change
    WATCHING   DELETED                  WATCHING     one change
    WATCHING   BOOKMARK                 WATCHING     newer version, no change
    WATCHING   object does not decode   WATCHING     in `rejected`; the former object remains
    any        ERROR 410, no event      LISTING      `refusal` has the reason: the position is lost
    FILLING    other ERROR              LISTING      the same
    WATCHING   other ERROR              WATCHING     `refusal` has the reason; the position holds

A whole state arrives in parts, pages of a list or the initial events of a watch, and each part takes the place of the
former objects at once: at no time are there two copies of all.

An object that cannot be decoded does not end the watch: its last decodable state remains, and it is in `rejected` until
a state that can be decoded or its deletion arrives. One that never could be decoded is absent, or represented by its
kind's `substitute`: an undecodable policy closes its namespace.

Source: kubernetes.io "Efficient detection of changes" and "Streaming lists"; client-go `tools/cache/reflector.go`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from podwire.kube.decode import decode
from podwire.kube.meta import NamespacedName, Object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podwire.kube.kinds import Kind

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events of a watch (KEP-3157)."""
EXPIRED = 410


class Named(Protocol):
    """What a cache can hold: an object, or what is kept of one."""

    @property
    def key(self) -> NamespacedName:
        """Namespace and name."""
        ...


ObjectT = TypeVar("ObjectT", bound=Named)


class Phase(enum.Enum):
    """What is known: nothing to go on from, a part of a whole state, all of it, and what changed since."""

    LISTING = "listing"
    FILLING = "filling"
    COMPLETE = "complete"
    WATCHING = "watching"


class Change(msgspec.Struct, Generic[ObjectT], frozen=True):
    """One object before and after; old is None for a new one, new is None for a removed one."""

    old: ObjectT | None
    new: ObjectT | None

    @property
    def item(self) -> ObjectT:
        """The object as it is, or as it was where it is removed."""
        found = self.old if self.new is None else self.new
        assert found is not None, "a change has an object"
        return found


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
    """The objects of one kind as the server last reported them, and the position in its history.

    `keep` returns what is kept of an object, None for nothing; without it all that its type decodes is kept.
    """

    def __init__(self, kind: Kind[Any], keep: Callable[[Any], ObjectT | None] | None = None) -> None:
        self.phase = Phase.LISTING
        self.version = ""
        self.objects: dict[NamespacedName, ObjectT] = {}
        self.rejected: dict[NamespacedName, Rejected] = {}
        self.refusal: Refusal | None = None
        self._type = kind.type
        self._substitute = kind.substitute
        self._keep = keep
        self._missing: set[NamespacedName] = set()
        """While FILLING: former objects that no part has had."""
        self._decode_envelope = msgspec.json.Decoder(_Envelope).decode

    def begin(self) -> None:
        """Begin a whole state."""
        self._missing = {*self.objects, *self.rejected}
        self.refusal = None
        self.phase = Phase.FILLING

    def take(self, items: Iterable[Object], rejected: Iterable[Rejected] = ()) -> list[Change[ObjectT]]:
        """Take a part of a whole state; return what differs from the former objects."""
        found = [self._add(item) for item in items]
        found += [self._reject(one) for one in rejected]
        return [change for change in found if change is not None]

    def complete(self, version: str) -> list[Change[ObjectT]]:
        """End a whole state of this version; return the objects that it does not have any more."""
        self.version = version
        self.phase = Phase.WATCHING
        missing, self._missing = self._missing, set()
        changes = []
        for key in missing:
            self.rejected.pop(key, None)
            if key in self.objects:
                changes.append(Change(self.objects.pop(key), None))
        return changes

    def apply(self, line: bytes) -> Change[ObjectT] | None:
        """Take one line of a watch stream; return the change, if there is one."""
        try:
            envelope = self._decode_envelope(line)
            if envelope.type == "ERROR":
                status = msgspec.json.decode(envelope.object, type=_Status)
                self._refuse(status.code, status.message)
                return None
            if envelope.type == "BOOKMARK":
                self._bookmark(msgspec.json.decode(envelope.object, type=Object))
                return None
            new = decode(envelope.object, self._type)
        except msgspec.MsgspecError as error:
            return self._undecodable(line, str(error))
        if self.phase is Phase.WATCHING:
            self.version = new.metadata.resource_version or self.version
        return self._remove(new.key) if envelope.type == "DELETED" else self._add(new)

    def expire(self) -> None:
        """The server does not hold the position any more (410): begin with a whole state again."""
        self.phase = Phase.LISTING

    def _bookmark(self, mark: Object) -> None:
        """Move the position. While FILLING, only the end of the initial events is one to go on from."""
        if self.phase is Phase.FILLING:
            if INITIAL_EVENTS_END not in mark.metadata.annotations:
                return
            self.phase = Phase.COMPLETE
        self.version = mark.metadata.resource_version or self.version

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
        if self.phase is Phase.WATCHING:
            self.version = named.metadata.resource_version or self.version
        if envelope.type == "DELETED":
            return self._remove(named.key)
        return self._reject(Rejected(named.key, named.metadata.resource_version, reason))

    def _reject(self, rejected: Rejected) -> Change[ObjectT] | None:
        """Keep the last decodable state of an object; where there is none, what represents one of its kind."""
        self._missing.discard(rejected.key)
        self.rejected[rejected.key] = rejected
        if rejected.key in self.objects or self._substitute is None:
            return None
        return self._put(rejected.key, self._kept(self._substitute(rejected.key)))

    def _refuse(self, code: int, message: str) -> None:
        self.refusal = Refusal(code, message)
        if self.phase is not Phase.WATCHING or code in {0, EXPIRED}:
            self.phase = Phase.LISTING

    def _add(self, new: Object) -> Change[ObjectT] | None:
        key = new.key
        if self._missing:
            self._missing.discard(key)
        if self.rejected:
            self.rejected.pop(key, None)
        return self._put(key, self._kept(new))

    def _remove(self, key: NamespacedName) -> Change[ObjectT] | None:
        self._missing.discard(key)
        self.rejected.pop(key, None)
        return self._put(key, None)

    def _kept(self, new: Object) -> ObjectT | None:
        return new if self._keep is None else self._keep(new)  # type: ignore[return-value]  # without keep, of its type

    def _put(self, key: NamespacedName, new: ObjectT | None) -> Change[ObjectT] | None:
        """Take a new state; return the change, None where there is none."""
        old = self.objects.get(key)
        if new is None:
            self.objects.pop(key, None)
            return Change(old, None) if old is not None else None
        if old == new:
            return None
        self.objects[key if self._keep is None else new.key] = new  # of a name that is kept there is one copy
        return Change(old, new)
