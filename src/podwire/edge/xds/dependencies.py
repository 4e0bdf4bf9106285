"""Which resources one Envoy has in place, which it may still use, and which others wait for either."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podwire.edge.xds.resource import VIRTUAL_HOST, Key, Resource


class Dependencies:
    """Follows the resources of one Envoy.

    A resource is *in place* once it and all that it warms are acknowledged. It stays so while a newer version of it is
    on its way, as Envoy goes on with the older one. `is_wanted` is whether a resource is in the snapshot: what is not
    wanted, or refused, is never waited for, so that nothing waits for ever.
    """

    def __init__(self, is_wanted: Callable[[Key], bool]) -> None:
        self._is_wanted = is_wanted
        self._acknowledged: set[Key] = set()
        self._in_place: set[Key] = set()
        self._refused: set[Key] = set()
        self._warming: dict[Key, set[Key]] = {}
        """By resource that is missing: those that it would complete."""
        self._missing: dict[Key, set[Key]] = {}
        """The same the other way: what a resource that is being warmed still lacks."""
        self._waiting: dict[Key, set[Key]] = {}
        """By resource that is not in place: those that are sent after it."""
        self._users: dict[Key, set[tuple[Key, str]]] = {}
        """By resource: those that Envoy may hold, with their version, and that need it."""
        self._awake: dict[Key, None] = {}

    def awake(self) -> tuple[Key, ...]:
        """Resources to consider again since the last call: what they waited for has happened."""
        found, self._awake = tuple(self._awake), {}
        return found

    def is_ready(self, resource: Resource) -> bool:
        """Whether all that the resource requires is in place; else it is awake again as soon as that may be so."""
        missing = [key for key in resource.requires if not self._is_settled(key)]
        for key in missing:
            self._waiting.setdefault(key, set()).add(resource.key)
        return not missing

    def is_in_place(self, key: Key) -> bool:
        """Whether Envoy serves with it."""
        return key in self._in_place

    def is_used(self, key: Key) -> bool:
        """Whether something that Envoy may hold needs it; then it is awake again when that is over."""
        return bool(self._users.get(key))

    def sent(self, resource: Resource) -> None:
        """Record that Envoy may hold this version from now on."""
        for key in (*resource.requires, *resource.warms):
            self._users.setdefault(key, set()).add((resource.key, resource.version))

    def released(self, resource: Resource) -> None:
        """Record that Envoy does not hold this version any more."""
        for key in (*resource.requires, *resource.warms):
            users = self._users.get(key, set())
            users.discard((resource.key, resource.version))
            if not users:
                self._users.pop(key, None)
                self._awake[key] = None

    def acknowledged(self, key: Key, warms: Iterable[Key]) -> None:
        """Record that Envoy has taken the resource, and needs these to use it."""
        self._refused.discard(key)
        self._acknowledged.add(key)
        self._complete(key)
        missing = {one for one in warms if not self._has(one)}
        self._stop_warming(key)
        if not missing:
            self._place(key)
            return
        self._missing[key] = missing
        for one in missing:
            self._warming.setdefault(one, set()).add(key)

    def refused(self, key: Key) -> None:
        """Record that Envoy refuses the resource: what waits for it goes on without it."""
        self._refused.add(key)
        self._settle(key)

    def changed(self, key: Key) -> None:
        """Record that another version is wanted: one that was refused is waited for again."""
        self._refused.discard(key)

    def unwanted(self, key: Key) -> None:
        """Record that the resource has left the snapshot."""
        self._refused.discard(key)
        self._settle(key)

    def removed(self, key: Key) -> None:
        """Record that Envoy has it no more."""
        self._acknowledged.discard(key)
        self._in_place.discard(key)
        self._stop_warming(key)

    def lacking(self) -> bool:
        """Whether anything that Envoy has taken still waits for what it warms."""
        return bool(self._missing)

    def _is_settled(self, key: Key) -> bool:
        return key in self._in_place or key in self._refused or not self._is_expected(key)

    def _has(self, key: Key) -> bool:
        return key in self._acknowledged or key in self._refused or not self._is_expected(key)

    def _is_expected(self, key: Key) -> bool:
        """Whether it will come; a route configuration's name stands for the first answer with its virtual hosts."""
        return self._is_wanted(key) or (key[0] == VIRTUAL_HOST and "/" not in key[1])

    def _settle(self, key: Key) -> None:
        self._complete(key)
        self._wake(key)

    def _complete(self, key: Key) -> None:
        for user in self._warming.pop(key, ()):
            missing = self._missing[user]
            missing.discard(key)
            if not missing:
                del self._missing[user]
                self._place(user)

    def _place(self, key: Key) -> None:
        if key not in self._in_place:
            self._in_place.add(key)
            self._wake(key)

    def _wake(self, key: Key) -> None:
        self._awake.update(dict.fromkeys(self._waiting.pop(key, ())))

    def _stop_warming(self, key: Key) -> None:
        for one in self._missing.pop(key, ()):
            users = self._warming[one]
            users.discard(key)
            if not users:
                del self._warming[one]
