"""The two ports of the proxy of Ingresses: plain HTTP, and HTTPS with a chain for each certified host. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.ingress.annotations.settings import DEFAULTS
from podwire.edge.ingress.certificates import HostCertificates, HostTls
from podwire.edge.ingress.servers import ANY_HOST
from podwire.edge.ingress.virtual_hosts import HTTP_TABLE, HTTPS_TABLE
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener, ProxyOptions
from podwire.edge.model.tls import Certificate, ClientValidation, ServerTls

NAMESPACE, NAME = "podwire-system", "ingress"
HTTP, HTTPS = 80, 443
PROXY_PORTS = {HTTP: 10080, HTTPS: 10443}
"""Ports on which the proxy itself listens."""
OLDEST_TLS = "1.2"
OPTIONS = ProxyOptions(max_request_bytes=DEFAULTS.proxy_body_size, as_nginx=True)


def listeners(certificates: HostCertificates, default: Certificate) -> tuple[Listener, Listener]:
    """Return both listeners. A name without a certificate, and a client without SNI, gets the default one."""
    plain = FilterChain("http", HttpChain(HTTP_TABLE))
    return (
        Listener(_port(HTTP), PROXY_PORTS[HTTP], (plain,), options=OPTIONS),
        Listener(
            _port(HTTPS), PROXY_PORTS[HTTPS], tuple(_chains(certificates, default)), inspects_tls=True, options=OPTIONS
        ),
    )


def _chains(certificates: HostCertificates, default: Certificate) -> Iterator[FilterChain]:
    hosts = (certificates.by_host.keys() | certificates.own.keys()) - {ANY_HOST}
    for host in sorted(hosts):
        certificate = certificates.of(host) or default
        yield FilterChain(host, HttpChain(HTTPS_TABLE), (host,), _tls(certificate, certificates.own_of(host)))
    yield FilterChain("default", HttpChain(HTTPS_TABLE), (), _tls(default, certificates.own_of(ANY_HOST)))


def _tls(certificate: Certificate, own: HostTls) -> ServerTls:
    """A client without a certificate is let in: the route decides (nginx answers by 400, not by an end of TLS)."""
    return ServerTls(
        (certificate.name,),
        authorities=own.authorities.name if own.authorities else "",
        validation=ClientValidation.OPTIONAL,
        minimum=OLDEST_TLS,
        cipher_suites=own.cipher_suites,
        depth=own.depth,
    )


def _port(number: int) -> GatewayPort:
    return GatewayPort(NAMESPACE, NAME, number)
