"""Ports on which a proxy receives connections, and what it does with each by its SNI."""

from __future__ import annotations

import enum

import msgspec

from podwire.edge.model.routes import StreamRoute
from podwire.edge.model.tls import ServerTls
from podwire.edge.model.tracing import Tracing


class GatewayPort(msgspec.Struct, frozen=True, order=True):
    """A port of a Gateway: one listener of its proxy. `protocol` is `TCP` or `UDP`."""

    namespace: str
    gateway: str
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.gateway}/{self.port}/{self.protocol}"


class HttpChain(msgspec.Struct, frozen=True, tag=True):
    """Requests, routed by a route table.

    Attributes:
        table: name of the route table, which its `VirtualHost`s have too; it has no slash.

    """

    table: str


class StreamChain(msgspec.Struct, frozen=True, tag=True):
    """Connections or datagrams, passed on as they are; without a route they are refused."""

    route: StreamRoute | None


class FilterChain(msgspec.Struct, frozen=True):
    """What is done with the connections of some server names.

    Attributes:
        name: unique in its listener: the Gateway's own listener name, or the port's for plain HTTP.
        server_names: SNI: hostnames and wildcards; empty: all that no other chain has.
        tls: how TLS is terminated; None: plain text, or TLS that passes through (where server names are inspected).

    """

    name: str
    action: HttpChain | StreamChain
    server_names: tuple[str, ...] = ()
    tls: ServerTls | None = None


class LogFormat(enum.StrEnum):
    """Form of access logs."""

    JSON = "json"
    TEXT = "text"
    NONE = "none"


class Compression(msgspec.Struct, frozen=True):
    """Responses are compressed for clients that accept it.

    Attributes:
        coding: `gzip` or `br` (RFC 9110, 8.4.1).
        level: of the coding.
        least_bytes: shorter responses are left as they are.
        types: media types; none: the proxy's own.

    """

    coding: str
    level: int
    least_bytes: int
    types: tuple[str, ...] = ()


class ProxyOptions(msgspec.Struct, frozen=True):
    """What holds for all listeners of one proxy.

    Attributes:
        access_log: on standard output.
        trusted_hops: proxies in front whose X-Forwarded-For is trusted; 0: none, a client's header is replaced.
        trusted_ranges: addresses of proxies in front, in place of their number; none: `trusted_hops` counts.
        allows_underscores: whether names of headers may have underscores.
        compressions: of responses.
        proxy_protocol: whether connections start with a PROXY header.
        idle_timeout: seconds after which a connection without requests or bytes is closed.
        max_request_bytes: of a request's body, which is buffered then; larger ones are answered by 413; 0: no limit.
        forwards_client_certificate: whether backends get X-Forwarded-Client-Cert of a client that showed one.
        http3: whether ports with TLS are served over QUIC too, where no certificate of clients is verified.
        tracing: None: no spans.
        as_nginx: whether requests are read, described to backends and answered as ingress-nginx does: backends get
            X-Real-IP, X-Scheme, X-Forwarded-Port and others, escaped slashes stay, a broken backend is 502; routes may
            have a script, an expression of subjects and an unbuffered limit of bodies.

    """

    access_log: LogFormat = LogFormat.JSON
    trusted_hops: int = 0
    trusted_ranges: tuple[str, ...] = ()
    allows_underscores: bool = False
    compressions: tuple[Compression, ...] = ()
    proxy_protocol: bool = False
    idle_timeout: float = 3600.0
    max_request_bytes: int = 0
    forwards_client_certificate: bool = False
    http3: bool = False
    tracing: Tracing | None = None
    as_nginx: bool = False


class Listener(msgspec.Struct, frozen=True):
    """One port of a Gateway.

    Attributes:
        port: which port.
        proxy_port: the port on which the proxy itself listens.
        chains: for plain HTTP, TCP and UDP one; for TLS one a hostname.
        inspects_tls: whether the chain is chosen by SNI.
        options: what holds for all listeners of the proxy.
        announces_http3: whether there is a listener of the same port for QUIC.

    """

    port: GatewayPort
    proxy_port: int
    chains: tuple[FilterChain, ...]
    inspects_tls: bool = False
    options: ProxyOptions = ProxyOptions()
    announces_http3: bool = False

    @property
    def is_quic(self) -> bool:
        """Whether it receives requests in datagrams (HTTP/3)."""
        return self.port.protocol == "UDP" and any(isinstance(one.action, HttpChain) for one in self.chains)
