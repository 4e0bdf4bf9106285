"""One delta ADS stream of one Envoy, without input or output: requests in, responses out.

Sources: Envoy's xds_protocol.rst, "Incremental xDS" and "Eventual consistency considerations"; discovery.proto.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.edge.xds.dependencies import Dependencies
from podwire.edge.xds.followers import Followers
from podwire.edge.xds.messages import Request, Response
from podwire.edge.xds.resource import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ORDER,
    ROUTES,
    VIRTUAL_HOST,
    Key,
    Resource,
    configuration_of,
)
from podwire.edge.xds.resumption import Resumption
from podwire.edge.xds.snapshot import Snapshot
from podwire.edge.xds.subscription import WILDCARD, Held, Subscription
from podwire.edge.xds.virtual_hosts import VirtualHosts

RESPONSE_BYTES = 1 << 20
"""A response has resources up to this size together, or one resource; gRPC clients accept 4 MiB by default."""


class Refusal(msgspec.Struct, frozen=True):
    """A version that Envoy does not accept, and its reason."""

    version: str
    reason: str


class Session:
    """What one Envoy subscribes to and holds, and what it may receive now.

    At most one response of a type is in flight. A resource is sent when all that it requires is in place, and removed
    when nothing that Envoy may hold needs it. When a response with several resources is refused, its halves are sent
    until the resources at fault are known: these keep their acknowledged version until they change. On a stream that
    continues an earlier one nothing is removed before it is known what Envoy's resources need.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._subscriptions: dict[str, Subscription] = {}
        self._dependencies = Dependencies(lambda key: snapshot.get(key) is not None)
        self._resumption = Resumption()
        self._followers = Followers()
        self._hosts = VirtualHosts(snapshot, self._subscriptions, self._dependencies)
        self._refusals: dict[Key, Refusal] = {}
        self._touched: dict[Key, None] = {}
        self._repeated_endpoints: set[str] = set()
        """Endpoints of clusters that were sent before Envoy has subscribed to endpoints on this stream."""
        self._nonce = 0

    def touched(self) -> tuple[Key, ...]:
        """Return the resources for which is_current() or refusal() may have changed since the last call."""
        self._touched.update(dict.fromkeys(self._dependencies.placed()))
        found, self._touched = tuple(self._touched), {}
        return found

    def is_current(self, key: Key) -> bool:
        """Whether Envoy serves with the desired version and all that it warms; if none is desired, with no version."""
        subscription = self._subscriptions.get(key[0])
        desired = self._snapshot.get(key)
        if desired is None:
            return subscription is None or not subscription.may_hold(key[1])
        return subscription is not None and subscription.holds(desired) and self._dependencies.is_complete(key)

    def refusal(self, key: Key) -> str:
        """Return Envoy's reason if it refuses the desired version; else an empty string."""
        desired, refused = self._snapshot.get(key), self._refusals.get(key)
        return refused.reason if desired is not None and refused is not None and self._is_refused(desired) else ""

    def changed(self, keys: Iterable[Key]) -> None:
        """Compare these resources again: the snapshot has another version of them, or none."""
        for key in keys:
            desired = self._snapshot.get(key)
            if desired is None:
                self._refusals.pop(key, None)
                self._dependencies.unwanted(key)
            elif self._is_refused(desired):
                self._dependencies.refused(key)
            else:
                self._dependencies.changed(key)
            self._open(key)
            self._followers.look_again(key)
            self._hosts.changed(key)

    def is_settled(self, type_url: str) -> bool:
        """Whether Envoy has acknowledged all of a type that it is to receive or to remove."""
        subscription = self._subscriptions.get(type_url)
        return subscription is None or not (self._has_more(subscription) or subscription.waiting)

    def receive(self, request: Request) -> None:
        """Apply a request: an acknowledgement or refusal, changes of the subscription, or both."""
        subscription = self._subscriptions.get(request.type_url)
        is_first = subscription is None
        if subscription is None:
            subscription = self._begin(request)
        elif request.nonce and subscription.in_flight and subscription.in_flight.nonce == request.nonce:
            # Of a request with another nonce only the subscription counts.
            self._answered(subscription, request.error)
        kept, dropped = subscription.unsubscribe(request.unsubscribe)
        for name in dropped:
            self._drop(subscription, name)
        for name in (*kept, *subscription.subscribe(request.subscribe)):
            self._resend(subscription, name, repeat=not is_first)
        if WILDCARD in request.subscribe:
            subscription.open.update(dict.fromkeys(self._snapshot.names(request.type_url)))

    def responses(self) -> list[Response]:
        """Return the responses that may be sent now, to be sent in this order."""
        self._reopen()
        found = self._round()
        while self._reopen():
            found += self._round()
        return found

    def _round(self) -> list[Response]:
        """Return at most one response of each type."""
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
        subscription = Subscription(request)
        self._subscriptions[request.type_url] = subscription
        for name, version in request.initial_versions.items():
            self._resume(subscription, name, version)
        subscription.open.update(dict.fromkeys(subscription.held))
        if subscription.covers_all():
            subscription.open.update(dict.fromkeys(self._snapshot.names(request.type_url)))
        if request.type_url == ENDPOINTS:
            for name in self._repeated_endpoints.intersection(subscription.held):
                self._repeat(subscription, name)
        self._hosts.begun(request.type_url)
        self._followers.look_at_all(request.type_url)
        return subscription

    def _resume(self, subscription: Subscription, name: str, version: str) -> None:
        """Take over what Envoy holds from an earlier stream."""
        key = (subscription.type_url, name)
        self._resumption.reported(key)
        desired = self._snapshot.get(key)
        if desired is not None and desired.version == version:
            self._recognise(subscription, desired)
        else:
            self._dependencies.acknowledged(key, ())
        if subscription.type_url == VIRTUAL_HOST:
            self._dependencies.acknowledged((VIRTUAL_HOST, configuration_of(name)), ())

    def _recognise(self, subscription: Subscription, desired: Resource) -> None:
        """Record what the version needs that Envoy holds from an earlier stream, if it is the desired one."""
        held = subscription.held.get(desired.name)
        if held is not None and held.resource is None and held.version == desired.version:
            subscription.hold(desired.name, Held(desired.version, desired))
            self._dependencies.sent(desired)
            self._dependencies.acknowledged(desired.key, desired.warms)
            self._resumption.known(desired.key)
            self._touched[desired.key] = None

    def _resend(self, subscription: Subscription, name: str, *, repeat: bool) -> None:
        """Answer a subscription to a name; `repeat` also where Envoy holds it, as it may have dropped it."""
        subscription.open[name] = None
        if repeat and name in subscription.held:
            subscription.repeated.add(name)

    def _open(self, key: Key) -> None:
        subscription = self._subscriptions.get(key[0])
        if subscription is not None and (subscription.covers(key[1]) or subscription.may_hold(key[1])):
            subscription.open[key[1]] = None

    def _reopen(self) -> bool:
        """Open the resources whose time has come; returns whether there are any."""
        if not self._resumption.is_complete() and self._is_caught_up():
            self._resumption.complete()
        due = (*self._dependencies.due(), *self._resumption.due(), *self._followers.due())
        for key in due:
            self._open(key)
        return bool(due)

    def _is_caught_up(self) -> bool:
        """Whether Envoy has acknowledged all that is desired, so that it is known what it needs."""
        return (
            CLUSTER in self._subscriptions
            and LISTENER in self._subscriptions
            and not self._dependencies.lacking()
            and not any(map(self._has_more, self._subscriptions.values()))
        )

    def _has_more(self, subscription: Subscription) -> bool:
        return bool(
            subscription.in_flight is not None
            or subscription.suspects
            or any(self._is_sendable(subscription, name) for name in subscription.open)
        )

    def _is_refused(self, desired: Resource) -> bool:
        refused = self._refusals.get(desired.key)
        return refused is not None and refused.version == desired.version

    def _is_sendable(self, subscription: Subscription, name: str) -> bool:
        """Whether Envoy is to receive the desired version of this resource, now or later."""
        desired = self._snapshot.get((subscription.type_url, name))
        if desired is None or not subscription.covers(name) or self._is_refused(desired):
            return False
        held = subscription.held.get(name)
        if held is None or held.version != desired.version:
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
            if resource.type_url == CLUSTER:
                self._repeat_endpoints(resource)
        for name in removed:
            self._dependencies.removed((subscription.type_url, name))
        for name in (*(one.name for one in resources), *removed):
            subscription.sent(name)
        self._nonce += 1
        return Response(subscription.type_url, str(self._nonce), tuple(resources), tuple(removed))

    def _repeat_endpoints(self, cluster: Resource) -> None:
        """Send endpoints again that Envoy has before the cluster: it is warmed by those that come after it only."""
        subscription = self._subscriptions.get(ENDPOINTS)
        for type_url, name in cluster.warms:
            if type_url != ENDPOINTS:
                continue
            if subscription is None:
                self._repeated_endpoints.add(name)
            elif subscription.may_hold(name):
                self._repeat(subscription, name)

    def _repeat(self, subscription: Subscription, name: str) -> None:
        subscription.open[name] = None
        subscription.repeated.add(name)
        self._dependencies.unacknowledged((subscription.type_url, name))

    def _suspects(self, subscription: Subscription) -> tuple[list[Resource], list[str]]:
        """Return the next group of resources of a refused response."""
        while subscription.suspects:
            names = subscription.suspects.popleft()
            desired = [self._snapshot.get((subscription.type_url, name)) for name in names]
            found = [
                one
                for one in desired
                if one is not None and self._is_sendable(subscription, one.name) and self._is_ready(one)
            ]
            subscription.open.update(dict.fromkeys(names))
            for one in found:
                del subscription.open[one.name]
            if found:
                return found, []
        return [], []

    def _batch(self, subscription: Subscription) -> tuple[list[Resource], list[str]]:
        """Return what may be sent and removed of the open names; others stay open, or wait until they are due."""
        resources: list[Resource] = []
        removed: list[str] = []
        size = 0
        for name in list(subscription.open):
            desired = self._snapshot.get((subscription.type_url, name))
            if desired is None:
                subscription.waiting.discard(name)
                if self._is_removable(subscription, name):
                    removed.append(name)
            elif not self._is_sendable(subscription, name):
                subscription.waiting.discard(name)
                self._recognise(subscription, desired)
            elif not self._is_ready(desired):
                subscription.waiting.add(name)
            elif resources and size + len(desired.body) > RESPONSE_BYTES:
                continue
            else:
                resources.append(desired)
                size += len(desired.body)
                subscription.waiting.discard(name)
            del subscription.open[name]
        return resources, removed

    def _is_ready(self, desired: Resource) -> bool:
        """Whether the resource may be sent now; if not, it becomes due once that may be so."""
        behind = [key for key in desired.follows if self._is_behind(key)]
        for key in behind:
            self._followers.wait(desired.key, key)
        return self._dependencies.is_ready(desired) and not behind

    def _is_behind(self, key: Key) -> bool:
        """Whether Envoy may serve with an older version. On a later stream it does until it has reported its own."""
        desired, subscription = self._snapshot.get(key), self._subscriptions.get(key[0])
        if desired is None:
            return False
        if subscription is None:
            return not self._resumption.is_complete()
        return subscription.may_hold(desired.name) and not subscription.holds(desired)

    def _is_removable(self, subscription: Subscription, name: str) -> bool:
        key = (subscription.type_url, name)
        if not subscription.may_hold(name):
            return subscription.owes_absence(name) and not (self._hosts.are_sent_for(key, self._refusals))
        if subscription.type_url == ROUTES or self._hosts.is_draining(key):
            return False
        return not self._resumption.holds_back(key) and not self._dependencies.is_used(key)

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
            self._drop(subscription, name)
            self._open((subscription.type_url, name))
        if subscription.type_url == VIRTUAL_HOST:
            self._hosts.acknowledged((*(one.name for one in response.resources), *response.removed))

    def _acknowledged(self, subscription: Subscription, resource: Resource) -> None:
        self._refusals.pop(resource.key, None)
        before = subscription.held.get(resource.name)
        self._resolve(subscription, resource)
        self._touched[resource.key] = None
        if not subscription.covers(resource.name) or self._hosts.is_ignored(resource):
            self._dependencies.released(resource)
            return
        subscription.hold(resource.name, Held(resource.version, resource))
        self._followers.look_again(resource.key)
        if before is not None and before.resource is not None and before.resource != resource:
            self._dependencies.released(before.resource)
        if resource.type_url == ROUTES and before is None:
            self._drop_hosts(resource.name)
            self._hosts.owe(resource.name)
        self._resumption.known(resource.key)
        if resource.name not in subscription.repeated:
            self._dependencies.acknowledged(resource.key, resource.warms)

    def _drop_hosts(self, configuration: str) -> None:
        """Record that Envoy holds no hosts of this route configuration, which is new to it or removed."""
        subscription = self._subscriptions.get(VIRTUAL_HOST)
        if subscription is not None:
            for name in subscription.hosts_held(configuration):
                self._drop(subscription, name)
                self._hosts.owe_removal(name)
            self._hosts.dropped(configuration)

    def _not_acknowledged(self, subscription: Subscription, response: Response, error: str) -> None:
        for name in response.removed:
            subscription.open[name] = None
            if subscription.may_hold(name):
                held = subscription.unhold(name)
                subscription.doubtful.setdefault(name, set()).add(held.resource if held else None)
            else:
                subscription.owe_absence(name)
        if len(response.resources) == 1:
            self._record_refusal(subscription, response.resources[0], error)
            return
        # What they need stays in use until it is known which of them Envoy has accepted.
        for one in response.resources:
            subscription.doubtful.setdefault(one.name, set()).add(one)
        names = [one.name for one in response.resources]
        half = (len(names) + 1) // 2
        subscription.suspects.extendleft((tuple(names[half:]), tuple(names[:half])))

    def _record_refusal(self, subscription: Subscription, resource: Resource, error: str) -> None:
        subscription.doubtful.get(resource.name, set()).discard(resource)
        held = subscription.held.get(resource.name)
        if held is None or held.resource != resource:
            self._dependencies.released(resource)
        self._refusals[resource.key] = Refusal(resource.version, error)
        self._touched[resource.key] = None
        if self._snapshot.get(resource.key) == resource:
            self._dependencies.refused(resource.key)
            self._hosts.changed(resource.key)

    def _resolve(self, subscription: Subscription, latest: Resource) -> None:
        """Record that Envoy holds this version, and none of the doubtful ones."""
        held = subscription.held.get(latest.name)
        for doubtful in subscription.doubtful.pop(latest.name, ()):
            if doubtful is not None and doubtful != latest and (held is None or held.resource != doubtful):
                self._dependencies.released(doubtful)

    def _drop(self, subscription: Subscription, name: str) -> None:
        """Record that Envoy does not hold the resource any more."""
        key = (subscription.type_url, name)
        held = subscription.unhold(name)
        for doubtful in subscription.doubtful.pop(name, ()):
            if doubtful is not None:
                self._dependencies.released(doubtful)
        if held is not None and held.resource is not None:
            self._dependencies.released(held.resource)
        subscription.open.pop(name, None)
        subscription.repeated.discard(name)
        self._dependencies.removed(key)
        self._resumption.removed(key)
        self._followers.look_again(key)
        self._touched[key] = None
        if subscription.type_url == ROUTES and held is not None:
            self._drop_hosts(name)
