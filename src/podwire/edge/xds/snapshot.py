"""The resources that the Envoys of one proxy should hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView

from podwire.edge.xds.resource import VIRTUAL_HOST, Key, Resource, configuration_of

_NONE: dict[str, None] = {}


class Snapshot:
    """Resources by type and name, and virtual hosts by their route configuration."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._resources: dict[Key, Resource] = {}
        self._names: dict[str, dict[str, None]] = {}
        self._hosts: dict[str, dict[str, None]] = {}
        self.apply(resources)

    def apply(self, upserts: Iterable[Resource], removals: Iterable[Key] = ()) -> tuple[Key, ...]:
        """Remove resources, then add and replace; returns the keys whose resource is different now."""
        before: dict[Key, Resource | None] = {}
        for key in removals:
            removed = self._resources.pop(key, None)
            if removed is not None:
                before.setdefault(key, removed)
                self._unlist(key)
        for resource in upserts:
            key = resource.key
            before.setdefault(key, self._resources.get(key))
            self._resources[key] = resource
            self._list(key)
        return tuple(key for key, one in before.items() if self._resources.get(key) != one)

    def get(self, key: Key) -> Resource | None:
        """The desired resource; None where there should be none."""
        return self._resources.get(key)

    def names(self, type_url: str) -> KeysView[str]:
        """Names of all resources of a type: a view, valid until the next change."""
        return self._names.get(type_url, _NONE).keys()

    def virtual_hosts(self, configuration: str) -> KeysView[str]:
        """Names of all virtual hosts of a route configuration: a view, valid until the next change."""
        return self._hosts.get(configuration, _NONE).keys()

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def __len__(self) -> int:
        return len(self._resources)

    def _list(self, key: Key) -> None:
        type_url, name = key
        self._names.setdefault(type_url, {})[name] = None
        if type_url == VIRTUAL_HOST:
            self._hosts.setdefault(configuration_of(name), {})[name] = None

    def _unlist(self, key: Key) -> None:
        type_url, name = key
        del self._names[type_url][name]
        if type_url == VIRTUAL_HOST:
            configuration = configuration_of(name)
            hosts = self._hosts[configuration]
            del hosts[name]
            if not hosts:
                del self._hosts[configuration]
