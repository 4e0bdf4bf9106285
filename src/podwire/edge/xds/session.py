"""One delta ADS stream of one Envoy, without input or output: requests in, responses out.

Sources: Envoy's xds_protocol.rst, "Incremental xDS" and "Eventual consistency considerations"; discovery.proto.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.edge.xds.dependencies import Dependencies
from podwire.edge.xds.resource import (
    CLUSTER,
    LISTENER,
    ORDER,
    USERS,
    VIRTUAL_HOST,
    Key,
    Request,
    Resource,
    Response,
    Snapshot,
)
from podwire.edge.xds.subscription import Held, Subscription

RESPONSE_BYTES = 1 << 20
"""Size after which the rest of a type waits for the next response."""


class Outcome(msgspec.Struct, frozen=True):
    """What Envoy did with a resource: took this version, refused it for this reason, or removed it (no version)."""

    key: Key
    version: str
    reason: str = ""


class Session:
    """What one Envoy subscribes to and holds, and what it may receive now.

    There is at most one response of a type in flight. A resource is sent when all that it requires is in place, and
    removed when nothing that Envoy may hold needs it. When a response with several resources is refused, its halves are
    sent, until the resources at fault are known: these keep their acknowledged version until they change. On a stream
    that continues an earlier one nothing is removed before it is known what Envoy's routes need.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._subscriptions: dict[str, Subscription] = {}
        self._dependencies = Dependencies(lambda key: snapshot.get(key) is not None)
        self._refused: dict[Key, str] = {}
        """The version that Envoy refuses, by resource."""
        self._outcomes: list[Outcome] = []
        self._nonce = 0
        self._is_resumed = False
        self._unknown: dict[str, set[str]] = {}
        """By type: names that Envoy holds from an earlier stream, in a version whose needs are not known."""
        self._held_back: set[Key] = set()
        """Removals that wait until that is known."""

    def outcomes(self) -> tuple[Outcome, ...]:
        """What has happened to resources since the last call."""
        found, self._outcomes = tuple(self._outcomes), []
        return found

    def holds(self, resource: Resource) -> bool:
        """Whether Envoy serves with this version and with all that it warms."""
        subscription = self._subscriptions.get(resource.type_url)
        held = subscription.held.get(resource.name) if subscription else None
        return held is not None and held.version == resource.version and self._dependencies.is_in_place(resource.key)

    def changed(self, keys: Iterable[Key]) -> None:
        """Consider these resources again: the snapshot has another version of them, or none."""
        for key in keys:
            wanted = self._snapshot.get(key)
            if wanted is None:
                self._dependencies.unwanted(key)
            elif self._refused.get(key) == wanted.version:
                self._dependencies.refused(key)
            else:
                self._dependencies.changed(key)
            self._open(key)
            self._open_configuration(key)

    def receive(self, request: Request) -> None:
        """Take in a request: an acknowledgement or refusal, changes of the subscription, or both."""
        subscription = self._subscriptions.get(request.type_url)
        is_first = subscription is None
        if subscription is None:
            subscription = self._begin(request)
        elif request.nonce and subscription.in_flight and subscription.in_flight.nonce == request.nonce:
            # Another nonce is that of a response before a reconnect: only the subscription counts.
            self._answered(subscription, request.error)
        kept, gone = subscription.unsubscribe(request.unsubscribe)
        for name in gone:
            self._forget(subscription, name)
        for name in (*kept, *subscription.subscribe(request.subscribe)):
            self._resend(subscription, name, repeat=not is_first)

    def responses(self) -> list[Response]:
        """What may be sent now, in this order."""
        self._reopen()
        found = []
        for type_url in ORDER:
            subscription = self._subscriptions.get(type_url)
            if subscription is not None and subscription.in_flight is None:
                response = self._next(subscription)
                if response is not None:
                    subscription.in_flight = response
                    found.append(response)
        return found

    def _begin(self, request: Request) -> Subscription:
        subscription = Subscription(request.type_url, request)
        self._subscriptions[request.type_url] = subscription
        for name, version in request.initial_versions.items():
            self._is_resumed = True
            self._resume(subscription, name, version)
        subscription.open.update(dict.fromkeys(subscription.held))
        if subscription.follows_all() or "*" in request.subscribe:
            subscription.open.update(dict.fromkeys(self._snapshot.names(request.type_url)))
        return subscription

    def _resume(self, subscription: Subscription, name: str, version: str) -> None:
        """Take over what Envoy holds from an earlier stream; of another version it is not known what it needs."""
        wanted = self._snapshot.get((subscription.type_url, name))
        known = wanted if wanted is not None and wanted.version == version else None
        subscription.held[name] = Held(version)
        self._unknown.setdefault(subscription.type_url, set()).add(name)
        if known is not None:
            self._recognise(subscription, known)
        else:
            self._dependencies.acknowledged((subscription.type_url, name), ())
        if subscription.type_url == VIRTUAL_HOST:
            self._dependencies.acknowledged((VIRTUAL_HOST, name.partition("/")[0]), ())

    def _recognise(self, subscription: Subscription, wanted: Resource) -> None:
        """Note what the version needs that Envoy holds from an earlier stream, where it is the wanted one."""
        held = subscription.held.get(wanted.name)
        if held is not None and held.resource is None and held.version == wanted.version:
            subscription.held[wanted.name] = Held(wanted.version, wanted)
            self._dependencies.sent(wanted)
            self._dependencies.acknowledged(wanted.key, wanted.warms)
            self._known(wanted.key)

    def _resend(self, subscription: Subscription, name: str, *, repeat: bool) -> None:
        """Answer a subscription to a name; `repeat` also where Envoy holds it, as it may have dropped it."""
        if subscription.type_url == VIRTUAL_HOST and "/" not in name:
            for one in self._snapshot.names(VIRTUAL_HOST):
                if one.startswith(f"{name}/"):
                    subscription.open[one] = None
        subscription.open[name] = None
        if repeat and name in subscription.held:
            subscription.repeated.add(name)

    def _open(self, key: Key) -> None:
        subscription = self._subscriptions.get(key[0])
        if subscription is not None and (subscription.covers(key[1]) or subscription.may_hold(key[1])):
            subscription.open[key[1]] = None

    def _open_configuration(self, key: Key) -> None:
        """Answer the subscription to a route configuration, where no virtual host of it has done so."""
        if key[0] == VIRTUAL_HOST:
            configuration = key[1].partition("/")[0]
            subscription = self._subscriptions.get(VIRTUAL_HOST)
            if subscription is not None and subscription.owes_absence(configuration):
                subscription.open[configuration] = None

    def _reopen(self) -> None:
        for key in self._dependencies.awake():
            self._open(key)
        if self._is_resumed and self._is_caught_up():
            self._is_resumed = False
            self._reopen_held_back()

    def _reopen_held_back(self) -> None:
        held_back, self._held_back = self._held_back, set()
        for key in held_back:
            self._open(key)

    def _known(self, key: Key) -> None:
        """Record that Envoy does not hold an unknown version of the resource any more."""
        names = self._unknown.get(key[0])
        if names and key[1] in names:
            names.discard(key[1])
            if not names:
                self._reopen_held_back()

    def _is_caught_up(self) -> bool:
        """Whether Envoy has acknowledged all that is wanted, so that it is known what it needs."""
        return (
            CLUSTER in self._subscriptions
            and LISTENER in self._subscriptions
            and not self._dependencies.lacking()
            and all(
                one.in_flight is None
                and not one.suspects
                and not any(self._is_sendable(one, name) for name in one.open)
                for one in self._subscriptions.values()
            )
        )

    def _is_sendable(self, subscription: Subscription, name: str) -> bool:
        """Whether Envoy is to receive the wanted version of this resource, now or later."""
        wanted = self._snapshot.get((subscription.type_url, name))
        if wanted is None or not subscription.covers(name) or self._refused.get(wanted.key) == wanted.version:
            return False
        held = subscription.held.get(name)
        if held is None or held.version != wanted.version:
            return True
        return name in subscription.repeated or subscription.is_doubtful(name)

    def _next(self, subscription: Subscription) -> Response | None:
        resources, removed = self._suspects(subscription)
        if not resources:
            resources, removed = self._batch(subscription)
        if not resources and not removed and not subscription.owes_empty():
            return None
        subscription.owes_first = False
        for resource in resources:
            self._dependencies.sent(resource)
        for name in removed:
            self._dependencies.removed((subscription.type_url, name))
        for name in (*(one.name for one in resources), *removed):
            subscription.sent(name)
        self._nonce += 1
        return Response(subscription.type_url, str(self._nonce), tuple(resources), tuple(removed))

    def _suspects(self, subscription: Subscription) -> tuple[list[Resource], list[str]]:
        """The next group of which one resource or more is refused."""
        while subscription.suspects:
            names = subscription.suspects.popleft()
            wanted = [self._snapshot.get((subscription.type_url, name)) for name in names]
            found = [
                one
                for one in wanted
                if one is not None and self._is_sendable(subscription, one.name) and self._dependencies.is_ready(one)
            ]
            subscription.open.update(dict.fromkeys(names))
            for one in found:
                del subscription.open[one.name]
            if found:
                return found, []
        return [], []

    def _batch(self, subscription: Subscription) -> tuple[list[Resource], list[str]]:
        """What of the open names may be sent and removed; others stay open or wait until they are awake."""
        resources: list[Resource] = []
        removed: list[str] = []
        size = 0
        for name in list(subscription.open):
            wanted = self._snapshot.get((subscription.type_url, name))
            if wanted is None:
                subscription.waiting.discard(name)
                if self._is_removable(subscription, name):
                    removed.append(name)
            elif not self._is_sendable(subscription, name):
                subscription.waiting.discard(name)
                self._recognise(subscription, wanted)
            elif not self._dependencies.is_ready(wanted):
                subscription.waiting.add(name)
            elif resources and size + len(wanted.body) > RESPONSE_BYTES:
                continue
            else:
                resources.append(wanted)
                size += len(wanted.body)
                subscription.waiting.discard(name)
            del subscription.open[name]
        return resources, removed

    def _is_removable(self, subscription: Subscription, name: str) -> bool:
        key = (subscription.type_url, name)
        if not subscription.may_hold(name):
            return subscription.owes_absence(name) and not self._has_virtual_hosts(key)
        if self._is_resumed or any(self._unknown.get(one) for one in USERS[subscription.type_url]):
            self._held_back.add(key)
            return False
        return not self._dependencies.is_used(key)

    def _has_virtual_hosts(self, key: Key) -> bool:
        """Whether this is a route configuration whose hosts answer the subscription."""
        type_url, name = key
        return type_url == VIRTUAL_HOST and any(
            one.startswith(f"{name}/") and (type_url, one) not in self._refused
            for one in self._snapshot.names(VIRTUAL_HOST)
        )

    def _answered(self, subscription: Subscription, error: str) -> None:
        response = subscription.in_flight
        assert response is not None, "the nonce is that of the response in flight"
        subscription.in_flight = None
        if error and response.resources:
            self._not_acknowledged(subscription, response, error)
            return
        for resource in response.resources:
            self._acknowledged(subscription, resource)
        for name in response.removed:
            self._forget(subscription, name)
            self._open((subscription.type_url, name))
            self._outcomes.append(Outcome((subscription.type_url, name), ""))
        if subscription.type_url == VIRTUAL_HOST:
            for name in subscription.configurations():
                self._dependencies.acknowledged((VIRTUAL_HOST, name), ())

    def _acknowledged(self, subscription: Subscription, resource: Resource) -> None:
        self._refused.pop(resource.key, None)
        before = subscription.held.get(resource.name)
        self._resolve(subscription, resource)
        if not subscription.covers(resource.name):
            self._dependencies.released(resource)
            return
        subscription.held[resource.name] = Held(resource.version, resource)
        if before is not None and before.resource is not None and before.resource != resource:
            self._dependencies.released(before.resource)
        self._dependencies.acknowledged(resource.key, resource.warms)
        self._known(resource.key)
        self._outcomes.append(Outcome(resource.key, resource.version))

    def _not_acknowledged(self, subscription: Subscription, response: Response, error: str) -> None:
        names = [one.name for one in response.resources]
        for name in response.removed:
            held = subscription.held.pop(name, None)
            subscription.doubtful.setdefault(name, set()).add(held.resource if held else None)
            subscription.open[name] = None
        if len(names) > 1:
            # What they need stays in use until it is known which of them Envoy has taken.
            for one in response.resources:
                subscription.doubtful.setdefault(one.name, set()).add(one)
            half = (len(names) + 1) // 2
            subscription.suspects.extendleft((tuple(names[half:]), tuple(names[:half])))
            return
        resource = response.resources[0]
        subscription.doubtful.get(resource.name, set()).discard(resource)
        held = subscription.held.get(resource.name)
        if held is None or held.resource != resource:
            self._dependencies.released(resource)
        self._refused[resource.key] = resource.version
        if self._snapshot.get(resource.key) == resource:
            self._dependencies.refused(resource.key)
            self._open_configuration(resource.key)
        self._outcomes.append(Outcome(resource.key, resource.version, error))

    def _resolve(self, subscription: Subscription, latest: Resource) -> None:
        """It is known that Envoy holds this version, and none of the doubtful ones."""
        held = subscription.held.get(latest.name)
        for doubtful in subscription.doubtful.pop(latest.name, ()):
            if doubtful is not None and doubtful != latest and (held is None or held.resource != doubtful):
                self._dependencies.released(doubtful)

    def _forget(self, subscription: Subscription, name: str) -> None:
        """Envoy does not hold the resource any more."""
        held = subscription.held.pop(name, None)
        for doubtful in subscription.doubtful.pop(name, ()):
            if doubtful is not None:
                self._dependencies.released(doubtful)
        subscription.open.pop(name, None)
        subscription.repeated.discard(name)
        key = (subscription.type_url, name)
        self._held_back.discard(key)
        if held is not None and held.resource is not None:
            self._dependencies.released(held.resource)
        self._dependencies.removed(key)
        self._known(key)
