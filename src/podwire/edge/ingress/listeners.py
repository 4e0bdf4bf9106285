"""The two ports of the proxy of Ingresses: plain HTTP, and HTTPS with a chain for each certified host. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.edge.ingress.annotations.settings import DEFAULTS
from podwire.edge.ingress.certificates import HostCertificates, HostTls
from podwire.edge.ingress.options.options import USUAL, Options
from podwire.edge.ingress.servers import ANY_HOST
from podwire.edge.ingress.virtual_hosts import HTTP_TABLE, HTTPS_TABLE
from podwire.edge.model.backends import WeightedBackend
from podwire.edge.model.listeners import (
    Compression,
    FilterChain,
    GatewayPort,
    HttpChain,
    Listener,
    LogFormat,
    ProxyOptions,
    StreamChain,
)
from podwire.edge.model.routes import RouteName, StreamRoute
from podwire.edge.model.tls import Certificate, ClientValidation, ServerTls
from podwire.edge.model.tracing import Collector, CollectorKind, Tracing

NAMESPACE, NAME = "podwire-system", "ingress"
HTTP, HTTPS = 80, 443
PROXY_PORTS = {HTTP: 10080, HTTPS: 10443}
"""Ports on which the proxy itself listens."""
NEWEST_TLS = "1.3"
OPTIONS = ProxyOptions(max_request_bytes=DEFAULTS.proxy_body_size, as_nginx=True)


def listeners(
    certificates: HostCertificates, default: Certificate, options: Options = USUAL
) -> tuple[Listener, Listener]:
    """Return both listeners. A name without a certificate, and a client without SNI, gets the default one."""
    plain = FilterChain("http", HttpChain(HTTP_TABLE))
    of_proxy = proxy_options(options)
    chains = tuple(_chains(certificates, default, options))
    return (
        Listener(_port(HTTP), PROXY_PORTS[HTTP], (plain,), options=of_proxy),
        Listener(_port(HTTPS), PROXY_PORTS[HTTPS], chains, inspects_tls=True, options=of_proxy),
    )


def proxy_options(options: Options) -> ProxyOptions:
    """Return what holds for both ports."""
    gzip = Compression("gzip", options.gzip_level, options.gzip_min_length, options.gzip_types)
    brotli = Compression("br", options.brotli_level, options.brotli_min_length, options.brotli_types)
    desired = ((options.enable_brotli, brotli), (options.use_gzip, gzip))
    return msgspec.structs.replace(
        OPTIONS,
        access_log=LogFormat.NONE if options.disable_access_log else OPTIONS.access_log,
        trusted_hops=1 if options.use_forwarded_headers and not options.proxy_real_ip_cidr else 0,
        trusted_ranges=options.proxy_real_ip_cidr if options.use_forwarded_headers else (),
        proxy_protocol=options.use_proxy_protocol,
        idle_timeout=options.keep_alive or OPTIONS.idle_timeout,
        allows_underscores=options.enable_underscores_in_headers,
        tracing=_tracing(options),
        compressions=tuple(one for is_desired, one in desired if is_desired),
    )


def _tracing(options: Options) -> Tracing | None:
    if not options.otlp_collector_host:
        return None
    collector = Collector(CollectorKind.OTLP, options.otlp_collector_host, options.otlp_collector_port)
    return Tracing(collector, options.percent_traced if options.enable_opentelemetry else 0.0)


def _chains(certificates: HostCertificates, default: Certificate, options: Options) -> Iterator[FilterChain]:
    for host, passage in sorted(certificates.passed.items()):
        name = RouteName("Ingress", passage.ingress.namespace, passage.ingress.name)
        route = StreamRoute(name, (WeightedBackend(passage.cluster.name),))
        yield FilterChain(host, StreamChain(route), (host,))
    hosts = (certificates.by_host.keys() | certificates.own.keys()) - {ANY_HOST} - certificates.passed.keys()
    for host in sorted(hosts):
        certificate = certificates.of(host) or default
        own = certificates.own_of(host)
        yield FilterChain(host, HttpChain(HTTPS_TABLE), (host,), _tls(certificate, own, options))
    yield FilterChain("default", HttpChain(HTTPS_TABLE), (), _tls(default, certificates.own_of(ANY_HOST), options))


def _tls(certificate: Certificate, own: HostTls, options: Options) -> ServerTls:
    """A client without a certificate is let in: the route decides (nginx answers by 400, not by an end of TLS)."""
    return ServerTls(
        (certificate.name,),
        authorities=own.authorities.name if own.authorities else "",
        validation=ClientValidation.OPTIONAL,
        minimum=options.ssl_protocols[0],
        maximum="" if options.ssl_protocols[-1] == NEWEST_TLS else options.ssl_protocols[-1],
        cipher_suites=own.cipher_suites or options.ssl_ciphers,
        protocols=("h2", "http/1.1") if options.use_http2 else ("http/1.1",),
        depth=own.depth,
    )


def _port(number: int) -> GatewayPort:
    return GatewayPort(NAMESPACE, NAME, number)
