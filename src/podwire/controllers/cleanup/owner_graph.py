"""The graph of owner references of all kinds, and what happens to dependents of a deleted owner. Pure.

Source: kubernetes `pkg/controller/garbagecollector`; kubernetes.io "Garbage Collection".

    the owners of an object              what happens to the object
    none named                           nothing
    some exist, some deleted or waiting  references to those that are deleted or waiting are removed
    none exists                          deleted; in the foreground if an owner waits and it has dependents itself
    the object itself is being deleted
      with finalizer foregroundDeletion  its dependents are deleted first, then the finalizer is removed
      with finalizer orphan              its dependents lose their reference, then the finalizer is removed
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import NamespacedName, Object, OwnerReference

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Item(msgspec.Struct, frozen=True):
    """An object and its owners."""

    kind: Kind[Object]
    key: NamespacedName
    uid: str
    owners: tuple[OwnerReference, ...] = ()
    deleting: bool = False
    finalizers: tuple[str, ...] = ()

    @property
    def waiting(self) -> bool:
        """Whether it is being deleted in the foreground: after its dependents."""
        return self.deleting and FOREGROUND in self.finalizers


class OwnerState(enum.Enum):
    """Whether an owner exists, waits for its dependents, or is deleted."""

    EXISTS = "exists"
    WAITING = "waiting"
    DELETED = "deleted"


class Delete(msgspec.Struct, frozen=True):
    """Delete the object. `propagation` is Background, Foreground or Orphan."""

    item: Item
    propagation: str


class DropOwners(msgspec.Struct, frozen=True):
    """Remove these owners' references from the object."""

    item: Item
    uids: frozenset[str]


class DropFinalizer(msgspec.Struct, frozen=True):
    """Remove the finalizer from the object."""

    item: Item
    finalizer: str


Action = Delete | DropOwners | DropFinalizer


class Graph:
    """Objects by uid, and their dependents."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self._dependents: dict[str, set[str]] = {}

    def put(self, item: Item) -> bool:
        """Add or replace an object; return whether it differs from before."""
        before = self.items.get(item.uid)
        if before == item:
            return False
        if before is not None:
            self._unlink(before)
        self.items[item.uid] = item
        for owner in item.owners:
            self._dependents.setdefault(owner.uid, set()).add(item.uid)
        return True

    def remove(self, uid: str) -> Item | None:
        """Remove an object; its dependents stay indexed under it."""
        item = self.items.pop(uid, None)
        if item is not None:
            self._unlink(item)
        return item

    def dependents(self, uid: str) -> Iterator[Item]:
        """Return the objects with a reference to this owner."""
        for dependent in sorted(self._dependents.get(uid, ())):
            yield self.items[dependent]

    def _unlink(self, item: Item) -> None:
        for owner in item.owners:
            others = self._dependents.get(owner.uid, set())
            others.discard(item.uid)
            if not others:
                self._dependents.pop(owner.uid, None)


def decide(graph: Graph, item: Item, owners: Mapping[str, OwnerState]) -> list[Action]:
    """Return the actions for one object, given the state of each of its owners."""
    if item.deleting:
        return _finish_deletion(graph, item)
    states = [owners[owner.uid] for owner in item.owners]
    if OwnerState.EXISTS in states:
        gone = frozenset(uid for uid, state in owners.items() if state is not OwnerState.EXISTS)
        return [DropOwners(item, gone)] if gone else []
    if not states:
        return []
    if ORPHAN in item.finalizers:
        return [Delete(item, "Orphan")]
    has_dependents = next(graph.dependents(item.uid), None) is not None
    waited_for = OwnerState.WAITING in states and has_dependents
    return [Delete(item, "Foreground" if waited_for or FOREGROUND in item.finalizers else "Background")]


def _finish_deletion(graph: Graph, item: Item) -> list[Action]:
    if ORPHAN in item.finalizers:
        uids = frozenset({item.uid})
        drops: list[Action] = [DropOwners(dependent, uids) for dependent in graph.dependents(item.uid)]
        return [*drops, DropFinalizer(item, ORPHAN)]
    if FOREGROUND in item.finalizers:
        blocked = any(
            owner.block_owner_deletion
            for dependent in graph.dependents(item.uid)
            for owner in dependent.owners
            if owner.uid == item.uid
        )
        return [] if blocked else [DropFinalizer(item, FOREGROUND)]
    return []
