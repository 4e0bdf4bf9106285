"""Requests of an Envoy, one by one, and what a session responds: for tests of single rules."""

from __future__ import annotations

from collections.abc import Iterable

from podwire.edge.xds.messages import Request, Response
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, VIRTUAL_HOST, Key, Resource
from podwire.edge.xds.session import Session
from podwire.edge.xds.snapshot import Snapshot


def cluster(name: str, version: str = "1", *warms: Key) -> Resource:
    return Resource(CLUSTER, name, version, b"", warms=((ENDPOINTS, name), *warms))


def endpoints(name: str, version: str = "1", size: int = 0) -> Resource:
    return Resource(ENDPOINTS, name, version, b"x" * size)


def listener(name: str, table: str, version: str = "1") -> Resource:
    return Resource(LISTENER, name, version, b"", warms=((ROUTES, table),))


def routes(table: str, version: str = "1") -> Resource:
    return Resource(ROUTES, table, version, b"", warms=((VIRTUAL_HOST, table),))


def host(name: str, *clusters: str, version: str = "1") -> Resource:
    return Resource(VIRTUAL_HOST, name, version, b"", requires=tuple((CLUSTER, one) for one in clusters))


SHOP = (cluster("c"), endpoints("c"), listener("l", "t"), routes("t"), host("t/a", "c"))
"""A listener with a host that leads to a cluster."""

SHOP_REQUESTS = (
    Request(CLUSTER),
    Request(LISTENER),
    Request(ENDPOINTS, subscribe=("c",)),
    Request(ROUTES, subscribe=("t",)),
    Request(VIRTUAL_HOST),
)
"""The first request of each type that an Envoy sends for it."""


class Script:
    """A session and the responses that its Envoy has not answered."""

    def __init__(self, *resources: Resource) -> None:
        self.snapshot = Snapshot(resources)
        self.session = Session(self.snapshot)
        self.last: dict[str, Response] = {}

    def send(self, *requests: Request) -> list[str]:
        """Send requests; returns the responses as text."""
        for request in requests:
            self.session.receive(request)
        return self.received()

    def received(self) -> list[str]:
        """Return the responses that are due as text."""
        found = self.session.responses()
        self.last.update((one.type_url, one) for one in found)
        return [as_text(one) for one in found]

    def acknowledge(self, type_url: str, error: str = "", subscribe: tuple[str, ...] = ()) -> list[str]:
        """Answer the last response of a type."""
        nonce = self.last.pop(type_url).nonce
        return self.send(Request(type_url, subscribe=subscribe, nonce=nonce, error=error))

    def settle(self) -> list[str]:
        """Acknowledge until nothing is sent any more; returns what was sent meanwhile."""
        found = self.received()
        while self.last:
            found += self.acknowledge(next(iter(self.last)))
        return found

    def change(self, *upserts: Resource, remove: Iterable[Key] = ()) -> list[str]:
        """Change the snapshot; returns what is sent at once."""
        self.session.changed(self.snapshot.apply(upserts, remove))
        return self.received()

    def reconnect(self, *requests: Request) -> list[str]:
        """Begin another stream."""
        self.session, self.last = Session(self.snapshot), {}
        return self.send(*requests)


def as_text(response: Response) -> str:
    """Return type, then `name=version` of what is sent and `-name` of what is removed."""
    kind = {CLUSTER: "CDS", ENDPOINTS: "EDS", LISTENER: "LDS", ROUTES: "RDS", VIRTUAL_HOST: "VHDS"}.get(
        response.type_url, "SDS"
    )
    sent = sorted(f"{one.name}={one.version}" for one in response.resources)
    return " ".join((kind, *sent, *sorted(f"-{name}" for name in response.removed)))


def served(*resources: Resource) -> Script:
    """Return a script whose Envoy holds everything."""
    script = Script(*resources)
    script.send(*SHOP_REQUESTS)
    script.settle()
    return script
