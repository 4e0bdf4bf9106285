"""The kinds of pods of other nodes that there are, and the identity of each as policies are now. No I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Set

    from podwire.policy.model import Identity
    from podwire.policy.peers import PodKind


class Renamed(msgspec.Struct, frozen=True):
    """A kind that has another identity now, and how many pods are of it."""

    kind: PodKind
    old: Identity
    new: Identity
    pods: int


class PeerKinds:
    """Counts pods by kind: what policies read of labels changes the identity of kinds, however many pods they have.

    `keys` returns the keys of labels that policies read of a namespace's pods.
    """

    def __init__(self, keys: Callable[[str], Set[str]]) -> None:
        self._keys = keys
        self._counts: defaultdict[str, Counter[PodKind]] = defaultdict(Counter)
        self._identities: dict[PodKind, Identity] = {}

    def __len__(self) -> int:
        return len(self._identities)

    def identity(self, kind: PodKind) -> Identity:
        """The identity of pods of this kind."""
        return self._identities.get(kind) or kind.identity(self._keys(kind.namespace))

    def add(self, kind: PodKind) -> None:
        """Count one more pod of the kind."""
        if kind not in self._identities:
            self._identities[kind] = self.identity(kind)
        self._counts[kind.namespace][kind] += 1

    def remove(self, kind: PodKind) -> None:
        """Count one pod less; the last one takes the kind with it."""
        counts = self._counts[kind.namespace]
        counts[kind] -= 1
        if counts[kind] <= 0:
            del counts[kind], self._identities[kind]
        if not counts:
            del self._counts[kind.namespace]

    def namespaces(self) -> Iterable[str]:
        """All namespaces with such pods."""
        return tuple(self._counts)

    def keys_changed(self, namespaces: Iterable[str]) -> Iterator[Renamed]:
        """Take other keys of labels for these namespaces; return the kinds whose identity is another one now."""
        for namespace in namespaces:
            for kind, pods in self._counts.get(namespace, {}).items():
                old, new = self._identities[kind], kind.identity(self._keys(namespace))
                if old != new:
                    self._identities[kind] = new
                    yield Renamed(kind, old, new, pods)
