"""Where requests go: the ports of Services, and how a connection to them is made."""

from __future__ import annotations

import enum

import msgspec

from podwire.edge.model.filters import HeaderChanges, Redirect, Rewrite
from podwire.edge.model.resilience import Resilience
from podwire.edge.model.tls import BackendTls

CONNECT_SECONDS = 5.0


class Transport(enum.StrEnum):
    """What the proxy speaks to a backend."""

    HTTP1 = "http1"
    H2C = "h2c"  # HTTP/2 with prior knowledge; over TLS: HTTP/2 by ALPN
    TCP = "tcp"
    UDP = "udp"


class Balancing(enum.StrEnum):
    """Which endpoint a request goes to."""

    LEAST_REQUEST = "least-request"  # of two random ones
    ROUND_ROBIN = "round-robin"
    RING_HASH = "ring-hash"  # by the hash keys of the route


class ServicePort(msgspec.Struct, frozen=True, order=True):
    """A port of a Service: its endpoints are one EDS resource, whatever refers to them. `protocol` is TCP or UDP.

    Attributes:
        by_address: whether the Service's own address is the only endpoint.

    """

    namespace: str
    service: str
    port: int
    protocol: str = "TCP"
    by_address: bool = False

    def __str__(self) -> str:
        address = "/address" if self.by_address else ""
        return f"{self.namespace}/{self.service}:{self.port}/{self.protocol}{address}"


class Endpoint(msgspec.Struct, frozen=True, order=True):
    """One address of a backend that may get connections. `zone` and `node` are empty where unknown.

    Attributes:
        priority: endpoints of the next one get what those of this one cannot take; 0 is the first.

    """

    address: str
    port: int
    zone: str = ""
    node: str = ""
    weight: int = 1
    priority: int = 0


class Endpoints(msgspec.Struct, frozen=True):
    """The endpoints of a port of a Service: those that are ready; where none is, those that serve and terminate."""

    port: ServicePort
    endpoints: tuple[Endpoint, ...]


class Cluster(msgspec.Struct, frozen=True):
    """A port of a Service over one kind of connection. One for all routes that forward to it.

    Attributes:
        is_sticky: whether some route keeps the sessions of its clients.
        has_own_retries: whether the routes to it name the requests that are tried again; else those are that no
            backend has seen.
        connect_timeout: seconds.
        balancing: which endpoint a request goes to.
        resilience: limits, and endpoints that get no requests; it is no part of the name, as all clusters of a port
            have the same.

    """

    port: ServicePort
    transport: Transport
    tls: BackendTls | None = None
    is_sticky: bool = False
    has_own_retries: bool = False
    connect_timeout: float = CONNECT_SECONDS
    balancing: Balancing = Balancing.LEAST_REQUEST
    resilience: Resilience = Resilience()

    @property
    def name(self) -> str:
        """Unique among the clusters of a proxy; differs where the kind of connection does."""
        parts = [self.port.namespace, self.port.service, str(self.port.port), self.transport]
        if self.tls:
            parts.append(f"tls-{self.tls.version}")
        if self.is_sticky:
            parts.append("sticky")
        if self.has_own_retries:
            parts.append("own-retries")
        if self.connect_timeout != CONNECT_SECONDS:
            parts.append(f"connect-{self.connect_timeout:g}")
        if self.balancing is not Balancing.LEAST_REQUEST:
            parts.append(self.balancing)
        if self.port.by_address:
            parts.append("address")
        return "/".join(parts)


class NamedHost(msgspec.Struct, frozen=True):
    """A server that is no Service: an address, or a DNS name that the proxy resolves itself. It speaks HTTP/1.1."""

    host: str
    port: int
    is_encrypted: bool = False

    @property
    def name(self) -> str:
        """Unique among the clusters of a proxy."""
        return f"host/{self.host}/{self.port}{'/tls' if self.is_encrypted else ''}"


class WeightedBackend(msgspec.Struct, frozen=True):
    """A share of a route's requests.

    Attributes:
        cluster: name of a `Cluster`; empty: there is none, and this share is answered by 500 (gRPC: UNAVAILABLE; TCP
            and TLS: refused; UDP: dropped).
        weight: relative to the others; 0: no requests.
        problem: why there is no cluster, for answers to users; empty where there is one.

    """

    cluster: str
    weight: int = 1
    request_headers: HeaderChanges = HeaderChanges()
    response_headers: HeaderChanges = HeaderChanges()
    rewrite: Rewrite | None = None
    redirect: Redirect | None = None
    problem: str = ""
