"""Proxies: groups of Envoys with one snapshot, and which of the Envoys serve with it. Without input or output."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec

from podwire.edge.xds.measured import Measured
from podwire.edge.xds.messages import Request, Response
from podwire.edge.xds.resource import Key, Resource
from podwire.edge.xds.session import Session
from podwire.edge.xds.snapshot import Snapshot

LONGEST_NAME = 64
"""A proxy's name is the common name of its Envoys' certificates (RFC 5280, ub-common-name)."""


class Report(msgspec.Struct, frozen=True):
    """Something may have changed for these resources of a proxy: read Proxy.lacking() and Proxy.refusal() again."""

    proxy: str
    keys: frozenset[Key] = frozenset()
    envoys_changed: bool = False
    """Whether an Envoy has connected or disconnected."""


class Connection:
    """The stream of one Envoy: requests in, responses out. It is closed by a later stream of the same Envoy."""

    def __init__(self, proxy: Proxy, node: str, wake: Callable[[], None]) -> None:
        self.node = node
        self.session = Session(proxy.snapshot)
        self.is_closed = False
        self._proxy = proxy
        self._wake = wake

    def receive(self, request: Request) -> None:
        """Apply a request of this Envoy; there may be responses afterwards."""
        self._proxy.received(self, request)
        self._wake()

    def responses(self) -> list[Response]:
        """Return what is to be sent now, in this order."""
        found = self.session.responses()
        self._proxy.measured.sent(found)
        return found

    def changed(self, keys: Iterable[Key]) -> None:
        """Compare these resources again."""
        self.session.changed(keys)
        self._wake()

    def close(self) -> None:
        """End the stream."""
        self.is_closed = True
        self._wake()


class Proxy:
    """The Envoys whose node.cluster is this name, and what they should hold."""

    def __init__(
        self,
        name: str,
        resources: Iterable[Resource],
        report: Callable[[Report], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.snapshot = Snapshot(resources)
        self.measured = Measured()
        self._report = report
        self._clock = clock
        self._connections: dict[str, Connection] = {}
        self._since: dict[Key, float] = {}
        """By resource that an Envoy lacks: when it changed."""

    def apply(self, upserts: Iterable[Resource], removals: Iterable[Key] = ()) -> None:
        """Change the snapshot; every Envoy receives the difference as soon as it may."""
        changed = self.snapshot.apply(upserts, removals)
        if not changed:
            return
        now = self._clock()
        for connection in self._connections.values():
            connection.changed(changed)
        self._since.update((key, now) for key in changed if self.lacking((key,)))
        self._report(Report(self.name, frozenset(changed)))

    def envoys(self) -> frozenset[str]:
        """Return the node.id of each connected Envoy."""
        return frozenset(self._connections)

    def lacking(self, keys: Iterable[Key]) -> frozenset[str]:
        """Return the connected Envoys that do not serve with all of these resources as they are desired now.

        Of a resource that is not in the snapshot: those that still hold it.
        """
        desired = tuple(keys)
        return frozenset(
            node for node, one in self._connections.items() if not all(one.session.is_current(key) for key in desired)
        )

    def is_settled(self, type_url: str) -> bool:
        """Whether every connected Envoy has acknowledged all of a type that it is to receive or to remove."""
        return all(one.session.is_settled(type_url) for one in self._connections.values())

    def refusal(self, key: Key) -> str:
        """Return the reason of an Envoy that refuses the desired version; else an empty string."""
        return next((found for one in self._connections.values() if (found := one.session.refusal(key))), "")

    def connect(self, node: str, wake: Callable[[], None]) -> Connection:
        """Begin a stream; `wake` is called when there may be responses, or the stream is closed."""
        earlier = self._connections.get(node)
        if earlier is not None:
            earlier.close()
        connection = self._connections[node] = Connection(self, node, wake)
        self._report(Report(self.name, envoys_changed=True))
        return connection

    def disconnect(self, connection: Connection) -> None:
        """End a stream."""
        connection.is_closed = True
        if self._connections.get(connection.node) is connection:
            del self._connections[connection.node]
            self._measure(tuple(self._since))
            self._report(Report(self.name, envoys_changed=True))

    def close(self) -> None:
        """End all streams."""
        for connection in tuple(self._connections.values()):
            connection.close()

    def received(self, connection: Connection, request: Request) -> None:
        """Apply a request of a connected Envoy."""
        self.measured.received(request)
        connection.session.receive(request)
        touched = connection.session.touched()
        if touched and not connection.is_closed:
            self._measure(touched)
            self._report(Report(self.name, frozenset(touched)))

    def _measure(self, keys: Iterable[Key]) -> None:
        for key in keys:
            since = self._since.get(key)
            if since is not None and (self.refusal(key) or not self.lacking((key,))):
                del self._since[key]
                self.measured.acknowledged(self._clock() - since)


class Proxies:
    """All proxies by name."""

    def __init__(self, report: Callable[[Report], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._proxies: dict[str, Proxy] = {}

    def add(self, name: str, resources: Iterable[Resource]) -> Proxy:
        """Serve a proxy. `resources` are all of its resources: an Envoy removes what is not among them.

        Raises ValueError where the name is too long for a certificate or in use.
        """
        if len(name) > LONGEST_NAME:
            raise ValueError(f"proxy {name}: its name has more than {LONGEST_NAME} characters; choose a shorter one")
        if name in self._proxies:
            raise ValueError(f"proxy {name} exists; change it by apply()")
        proxy = self._proxies[name] = Proxy(name, resources, self._report, self._clock)
        return proxy

    def remove(self, name: str) -> None:
        """Stop serving a proxy: the streams of its Envoys end. No error if it does not exist."""
        proxy = self._proxies.pop(name, None)
        if proxy is not None:
            proxy.close()

    def get(self, name: str) -> Proxy | None:
        """Return the proxy; None if it does not exist."""
        return self._proxies.get(name)

    def all(self) -> tuple[Proxy, ...]:
        """Return every proxy."""
        return tuple(self._proxies.values())
