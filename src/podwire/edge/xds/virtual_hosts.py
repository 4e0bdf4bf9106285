"""Virtual hosts of route configurations (VHDS), as Envoy subscribes to them: once, to all of them, by wildcard.

Envoy drops a host whose route configuration it does not have, drops the hosts with their route configuration, and
requests them never again; so both cases are followed here. A route configuration serves once a response has had one of
its hosts, or a removal. Source: Envoy 1.40, `source/common/router/vhds.cc`, `source/common/config/watch_map.cc`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from podwire.edge.xds.dependencies import Dependencies
from podwire.edge.xds.resource import ROUTES, VIRTUAL_HOST, Key, Resource, configuration_of, no_host_of
from podwire.edge.xds.snapshot import Snapshot
from podwire.edge.xds.subscription import Subscription


class VirtualHosts:
    """What the session of one Envoy does for virtual hosts beyond other types."""

    def __init__(
        self, snapshot: Snapshot, subscriptions: Mapping[str, Subscription], dependencies: Dependencies
    ) -> None:
        self._snapshot = snapshot
        self._subscriptions = subscriptions
        self._dependencies = dependencies

    def begun(self, type_url: str) -> None:
        """Record the first request of a type: route configurations that are held from before need their hosts."""
        configurations = self._subscriptions.get(ROUTES)
        if type_url in (ROUTES, VIRTUAL_HOST) and configurations is not None:
            for name in configurations.held:
                self.owe(name)

    def changed(self, key: Key) -> None:
        """Compare what depends on a changed virtual host or route configuration without being in its `requires`."""
        subscription = self._subscriptions.get(VIRTUAL_HOST)
        if subscription is None:
            return
        if key[0] == VIRTUAL_HOST:
            absence = no_host_of(configuration_of(key[1]))
            if subscription.owes_absence(absence):
                subscription.open[absence] = None
        elif key[0] == ROUTES:
            subscription.open.update(dict.fromkeys(subscription.hosts_held(key[1])))

    def owe(self, configuration: str) -> None:
        """Send the hosts of a route configuration that has got none on this stream, or that there are none."""
        subscription = self._subscriptions.get(VIRTUAL_HOST)
        if subscription is not None and not self._dependencies.is_acknowledged((VIRTUAL_HOST, configuration)):
            subscription.open.update(dict.fromkeys(self._snapshot.virtual_hosts(configuration)))
            subscription.owe_absence(no_host_of(configuration))
            subscription.open[no_host_of(configuration)] = None

    def acknowledged(self, names: Iterable[str]) -> None:
        """Record that Envoy has accepted a response with hosts of these names, or their removal."""
        subscription = self._subscriptions[VIRTUAL_HOST]
        for configuration in set(map(configuration_of, names)):
            subscription.sent(no_host_of(configuration))
            self._dependencies.acknowledged((VIRTUAL_HOST, configuration), ())

    def owe_removal(self, name: str) -> None:
        """Send the removal of a host that Envoy has dropped, if not desired: it reports its version until then."""
        subscription = self._subscriptions[VIRTUAL_HOST]
        if self._snapshot.get((VIRTUAL_HOST, name)) is None:
            subscription.owe_absence(name)
            subscription.open[name] = None

    def dropped(self, configuration: str) -> None:
        """Record that Envoy holds no hosts of this route configuration."""
        subscription, absence = self._subscriptions[VIRTUAL_HOST], no_host_of(configuration)
        subscription.sent(absence)
        subscription.open.pop(absence, None)
        self._dependencies.removed((VIRTUAL_HOST, configuration))

    def is_ignored(self, resource: Resource) -> bool:
        """Whether this is a virtual host of a route configuration that Envoy has dropped meanwhile."""
        configuration = (ROUTES, configuration_of(resource.name))
        return resource.type_url == VIRTUAL_HOST and not self._dependencies.is_acknowledged(configuration)

    def is_draining(self, key: Key) -> bool:
        """Whether the virtual host serves connections that are draining: Envoy drops its route configuration itself."""
        configurations = self._subscriptions.get(ROUTES)
        if key[0] != VIRTUAL_HOST or configurations is None:
            return False
        configuration = configuration_of(key[1])
        return configurations.may_hold(configuration) and self._snapshot.get((ROUTES, configuration)) is None

    def are_sent_for(self, key: Key, refused: Container[Key]) -> bool:
        """Whether this is the absence of hosts of a route configuration that has some."""
        configuration = configuration_of(key[1])
        return key == (VIRTUAL_HOST, no_host_of(configuration)) and any(
            (VIRTUAL_HOST, one) not in refused for one in self._snapshot.virtual_hosts(configuration)
        )
