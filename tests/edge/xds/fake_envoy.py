"""An Envoy as far as the order of updates matters: it applies responses, subscribes, and fails as requests would."""

from __future__ import annotations

import msgspec

from podwire.edge.xds.messages import Request, Response
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, VIRTUAL_HOST, Key, Resource

ONCE = "once"
"""A version that ends with this is refused."""


class FakeEnvoy:
    """What it holds, and the requests that it would send next.

    As Envoy does, it takes each good cluster and listener of a response that it refuses, and nothing of another type's.
    Virtual hosts it subscribes to by wildcard, drops those of route configurations that it does not have, and reports
    them as held nevertheless when it connects again.
    """

    def __init__(self, before: FakeEnvoy | None = None) -> None:
        self.held: dict[Key, Resource] = dict(before.held) if before else {}
        self.reported: dict[str, str] = dict(before.reported) if before else {}
        """Versions of virtual hosts."""
        self.answered: set[str] = set(before.answered) if before else set()
        """Route configurations of which a response has had hosts, or their absence."""
        self.cold: dict[Key, set[Key]] = {}
        """By cluster: endpoints without which it is not warm, as they came before it."""
        self.active: set[Key] = set(self.held)
        """What it serves with: a resource that was warm once, whatever newer version is being warmed."""
        self.subscribed: dict[str, set[str]] = {}
        self.wanted: set[Key] = set()
        """Keys of the snapshot."""
        self._begun: set[str] = set()
        self.requests: list[Request] = [self._first(CLUSTER), self._first(LISTENER)]
        for key, resource in self.held.items():
            if key[0] in (CLUSTER, LISTENER, ROUTES):
                self._follow(resource)

    def _first(self, type_url: str, *names: str) -> Request:
        versions = {name: one.version for (kind, name), one in self.held.items() if kind == type_url}
        if type_url == VIRTUAL_HOST:
            versions = dict(self.reported)
        return Request(type_url, subscribe=names, initial_versions=versions)

    def receive(self, response: Response, excused: frozenset[Key]) -> None:
        """Apply a response; raises AssertionError where traffic would fail.

        `excused` need not be in place: when the response was sent they were refused, or did not exist.
        """
        bad = [one for one in response.resources if one.version.endswith(ONCE)]
        one_by_one = response.type_url in (CLUSTER, LISTENER)
        if response.type_url == VIRTUAL_HOST and not bad:
            self._take_hosts(response)
        for resource in response.resources:
            if resource not in bad and (one_by_one or not bad) and self._follows(resource):
                self._check_required(resource, excused)
                self._warm(resource)
                self.held[resource.key] = resource
                self._follow(resource)
        if not bad or one_by_one:
            for name in response.removed:
                self._remove((response.type_url, name))
        self.active = {key for key in self.held if key in self.active or self._is_warm(key)}
        error = ", ".join(f"{one.name}: bad" for one in bad)
        self.requests.append(Request(response.type_url, nonce=response.nonce, error=error))
        self._unsubscribe()

    def _warm(self, resource: Resource) -> None:
        if resource.type_url == CLUSTER and self.held.get(resource.key) != resource:
            self.cold[resource.key] = {one for one in resource.warms if one[0] == ENDPOINTS and one in self.wanted}
        for missing in self.cold.values():
            missing.discard(resource.key)

    def _take_hosts(self, response: Response) -> None:
        self.reported.update((one.name, one.version) for one in response.resources)
        for name in response.removed:
            self.reported.pop(name, None)
        tables = {name.split("/")[0] for name in (*(one.name for one in response.resources), *response.removed)}
        self.answered |= {one for one in tables if (ROUTES, one) in self.held}

    def _follows(self, resource: Resource) -> bool:
        """Whether it subscribes to this resource: a response may have crossed the end of a subscription."""
        if resource.type_url == VIRTUAL_HOST:
            return (ROUTES, resource.name.split("/")[0]) in self.held
        return resource.type_url in (CLUSTER, LISTENER) or resource.name in self.subscribed.get(
            resource.type_url, set()
        )

    def _check_required(self, resource: Resource, excused: frozenset[Key]) -> None:
        for key in resource.requires:
            if key not in excused:
                assert key in self.active, f"{resource.key} before {key}"

    def _is_warm(self, key: Key) -> bool:
        return not self.cold.get(key) and all(
            one[1] in self.answered if one[0] == VIRTUAL_HOST else one in self.held or one not in self.wanted
            for one in self.held[key].warms
        )

    def _remove(self, key: Key) -> None:
        for missing in self.cold.values():
            missing.discard(key)  # a cluster is warm without endpoints where there are none
        users = [one.key for one in self.held.values() if key in (*one.requires, *one.warms)]
        assert not users or key not in self.held, f"{key} is removed while {users} need it"
        self.held.pop(key, None)
        self.cold.pop(key, None)

    def _follow(self, resource: Resource) -> None:
        for kind, name in resource.warms:
            if kind == VIRTUAL_HOST:
                if kind not in self._begun:
                    self._begun.add(kind)
                    self.requests.append(self._first(kind))
                continue
            names = self.subscribed.setdefault(kind, set())
            if name not in names:
                first = kind not in {one.type_url for one in self.requests} and not names and kind not in self._begun
                self._begun.add(kind)
                names.add(name)
                self.requests.append(self._first(kind, name) if first else Request(kind, subscribe=(name,)))

    def _unsubscribe(self) -> None:
        for kind in (ENDPOINTS, SECRET, ROUTES):
            needed = {key for one in self.held.values() for key in one.warms}
            for name in sorted(self.subscribed.get(kind, set())):
                if (kind, name) not in needed:
                    self.subscribed[kind].discard(name)
                    self.requests.append(Request(kind, unsubscribe=(name,)))
                    self.held.pop((kind, name), None)
                    if kind == ROUTES:
                        self.answered.discard(name)
                        for key in [
                            one for one in self.held if one[0] == VIRTUAL_HOST and one[1].split("/")[0] == name
                        ]:
                            del self.held[key]


def versioned(resource: Resource, version: str) -> Resource:
    """The same resource in another version."""
    return msgspec.structs.replace(resource, version=version)
