"""Which resources one Envoy has in place, which it may still use, and which others wait for one of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podwire.edge.xds.resource import ROUTES, VIRTUAL_HOST, Key, Resource, configuration_of


class Dependencies:
    """The requirements between the resources of one Envoy.

    A resource is *in place* once it and all that it warms are acknowledged. It stays in place while a newer version of
    it is in flight, as Envoy serves with the older one until then. Nothing waits for a resource that is refused or not
    in the snapshot (`is_desired`).
    """

    def __init__(self, is_desired: Callable[[Key], bool]) -> None:
        self._is_desired = is_desired
        self._acknowledged: set[Key] = set()
        self._in_place: set[Key] = set()
        self._refused: set[Key] = set()
        self._warming: dict[Key, set[Key]] = {}
        """By missing resource: the acknowledged ones that warm it."""
        self._missing: dict[Key, set[Key]] = {}
        """By acknowledged resource: what it warms and Envoy lacks. The inverse of `_warming`."""
        self._waiting: dict[Key, set[Key]] = {}
        """By resource that is not in place: those that are sent after it."""
        self._users: dict[Key, set[tuple[Key, str]]] = {}
        """By resource: those that Envoy may hold, with their version, and that need it."""
        self._due: dict[Key, None] = {}
        self._placed: dict[Key, None] = {}

    def due(self) -> tuple[Key, ...]:
        """Return the resources that may be sent or removed now and could not at the last call."""
        found, self._due = tuple(self._due), {}
        return found

    def placed(self) -> tuple[Key, ...]:
        """Return the resources that are complete since the last call."""
        found, self._placed = tuple(self._placed), {}
        return found

    def is_ready(self, resource: Resource) -> bool:
        """Whether all that the resource requires is in place; if not, it becomes due once that may be so.

        A virtual host needs an acknowledged route configuration too: Envoy drops it if there is none (VHDS).
        """
        missing = [key for key in resource.requires if not self._is_settled(key)]
        if resource.type_url == VIRTUAL_HOST:
            configuration = (ROUTES, configuration_of(resource.name))
            if configuration not in self._acknowledged:
                missing.append(configuration)
        for key in missing:
            self._waiting.setdefault(key, set()).add(resource.key)
        return not missing

    def is_acknowledged(self, key: Key) -> bool:
        """Whether Envoy has accepted a version of it."""
        return key in self._acknowledged

    def is_complete(self, key: Key) -> bool:
        """Whether Envoy serves with its last acknowledged version."""
        return key in self._in_place and key not in self._missing

    def is_used(self, key: Key) -> bool:
        """Whether a resource that Envoy may hold needs it; if so, it becomes due when none does."""
        return bool(self._users.get(key))

    def sent(self, resource: Resource) -> None:
        """Record that Envoy may hold this version from now on."""
        for key in (*resource.requires, *resource.warms):
            self._users.setdefault(key, set()).add((resource.key, resource.version))

    def released(self, resource: Resource) -> None:
        """Record that Envoy no longer holds this version."""
        for key in (*resource.requires, *resource.warms):
            users = self._users.get(key, set())
            users.discard((resource.key, resource.version))
            if not users:
                self._users.pop(key, None)
                self._due[key] = None

    def acknowledged(self, key: Key, warms: Iterable[Key]) -> None:
        """Record that Envoy has accepted the resource, and needs these to use it."""
        self._refused.discard(key)
        self._acknowledged.add(key)
        self._complete(key)
        if key[0] == ROUTES:
            self._release_waiting(key)
        missing = {one for one in warms if not self._has(one)}
        self._stop_warming(key)
        if not missing:
            self._place(key)
            return
        self._missing[key] = missing
        for one in missing:
            self._warming.setdefault(one, set()).add(key)

    def unacknowledged(self, key: Key) -> None:
        """Record that what warms the resource waits for another response with it."""
        self._acknowledged.discard(key)

    def refused(self, key: Key) -> None:
        """Record that Envoy refuses the resource: what waits for it is sent without it."""
        self._refused.add(key)
        self._settle(key)

    def changed(self, key: Key) -> None:
        """Record that another version is desired: one that was refused is waited for again."""
        self._refused.discard(key)

    def unwanted(self, key: Key) -> None:
        """Record that the resource has left the snapshot."""
        self._refused.discard(key)
        self._settle(key)

    def removed(self, key: Key) -> None:
        """Record that Envoy no longer holds it."""
        self._acknowledged.discard(key)
        self._in_place.discard(key)
        self._stop_warming(key)

    def lacking(self) -> bool:
        """Whether an acknowledged resource lacks something that it warms."""
        return bool(self._missing)

    def _is_settled(self, key: Key) -> bool:
        return key in self._in_place or key in self._refused or not self._is_expected(key)

    def _has(self, key: Key) -> bool:
        return key in self._acknowledged or key in self._refused or not self._is_expected(key)

    def _is_expected(self, key: Key) -> bool:
        """Whether it is still to be acknowledged.

        A virtual host without a slash is the first response with the hosts of that route configuration, which Envoy
        waits for even where there are none.
        """
        return self._is_desired(key) or (key[0] == VIRTUAL_HOST and "/" not in key[1])

    def _settle(self, key: Key) -> None:
        self._complete(key)
        self._release_waiting(key)

    def _complete(self, key: Key) -> None:
        for user in self._warming.pop(key, ()):
            missing = self._missing[user]
            missing.discard(key)
            if not missing:
                del self._missing[user]
                self._place(user)

    def _place(self, key: Key) -> None:
        self._placed[key] = None
        if key not in self._in_place:
            self._in_place.add(key)
            self._release_waiting(key)

    def _release_waiting(self, key: Key) -> None:
        self._due.update(dict.fromkeys(self._waiting.pop(key, ())))

    def _stop_warming(self, key: Key) -> None:
        for one in self._missing.pop(key, ()):
            users = self._warming[one]
            users.discard(key)
            if not users:
                del self._warming[one]
