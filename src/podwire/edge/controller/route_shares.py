"""Which routes are attached where: each with its part of the model, and the hosts that it has a share in. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from podwire.edge.gateway.attached_listeners import Host, ListenerState
from podwire.edge.gateway.attachment import Attachment
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.owners import Owner
from podwire.edge.gateway.serving import hosts_of
from podwire.edge.model.listeners import GatewayPort
from podwire.kube.meta import NamespacedName

_Listener = tuple[Owner, str]
"""The object that has a listener, and the listener's name."""


class Share(msgspec.Struct, frozen=True):
    """What one route is.

    Attributes:
        created: when its object was.
        hosts: where its rules are served.

    """

    created: str = ""
    attachments: tuple[Attachment, ...] = ()
    translated: Translated = Translated()
    hosts: tuple[Host, ...] = ()

    @property
    def gateways(self) -> frozenset[NamespacedName]:
        """The Gateways that serve it."""
        return frozenset(one.gateway for one in self.hosts)

    @property
    def listeners(self) -> frozenset[_Listener]:
        """The listeners that count it."""
        if self.translated.unsupported:
            return frozenset()
        return frozenset((there.state.parent, there.state.name) for one in self.attachments for there in one.listeners)


NONE = Share()


def share(created: str, attachments: tuple[Attachment, ...], translated: Translated) -> Share:
    """Return a route's share; nothing where it is attached to no Gateway of this controller."""
    return Share(created, attachments, translated, hosts_of(attachments)) if attachments else NONE


class RouteShares:
    """The routes of all Gateways. A change costs what it touches."""

    def __init__(self) -> None:
        self._shares: dict[Owner, Share] = {}
        self._owners: dict[Host, set[Owner]] = {}
        self._hosts: dict[GatewayPort, set[Host]] = defaultdict(set)
        self._counts: Counter[_Listener] = Counter()

    def of(self, route: Owner) -> Share:
        """Return what a route is."""
        return self._shares.get(route, NONE)

    def owners(self, host: Host) -> frozenset[Owner]:
        """Return the routes that have a share in a host."""
        return frozenset(self._owners.get(host, ()))

    def hosts(self, port: GatewayPort) -> frozenset[Host]:
        """Return the hosts of a port that some route has a share in."""
        return frozenset(self._hosts.get(port, ()))

    def count(self, state: ListenerState) -> int:
        """Return how many routes a listener has."""
        return self._counts[state.parent, state.name]

    def replace(self, route: Owner, new: Share) -> frozenset[Host]:
        """Make this the share of a route; return the hosts that are different because of it."""
        old = self._shares.pop(route, NONE)
        if new != NONE:
            self._shares[route] = new
        for host in old.hosts:
            self._leave(host, route)
        for host in new.hosts:
            self._owners.setdefault(host, set()).add(route)
            self._hosts[host.port].add(host)
        self._counts.subtract(old.listeners)
        self._counts.update(new.listeners)
        for one in old.listeners:
            if not self._counts[one]:
                del self._counts[one]
        before, after = frozenset(old.hosts), frozenset(new.hosts)
        return before ^ after if _is_same(old, new) else before | after

    def _leave(self, host: Host, route: Owner) -> None:
        owners = self._owners[host]
        owners.discard(route)
        if owners:
            return
        del self._owners[host]
        hosts = self._hosts[host.port]
        hosts.discard(host)
        if not hosts:
            del self._hosts[host.port]


def parents_of(shares: Iterable[Share]) -> frozenset[NamespacedName]:
    """Return the Gateways that the shares are attached to, or try to be."""
    return frozenset(one.gateway for each in shares for one in each.attachments)


def _is_same(old: Share, new: Share) -> bool:
    """Whether the route has the same part in every host that it keeps."""
    return old.created == new.created and old.translated == new.translated
