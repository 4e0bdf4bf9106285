"""A port with TLS over QUIC in a real Envoy; the client is a second Envoy, as Python has no HTTP/3."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener, ProxyOptions
from podwire.edge.model.matches import Match
from podwire.edge.model.routes import Answer, Route, RouteName, VirtualHost
from podwire.edge.model.tls import Certificate, ServerTls
from podwire.pki.certificates import Authority
from tests.edge.envoy.unix_sockets import envoy_with
from tests.edge.xds.real_envoy import BINARY, is_listening, request, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = Authority.create("test")
HOSTS = ("a.example.org", "b.example.org")
_T = "type.googleapis.com/envoy.extensions"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wanted(udp_port: int) -> list[Any]:
    """Return a port with a chain and a certificate for each of two hosts, over TCP and over UDP."""
    pairs = []
    for host in HOSTS:
        issued = AUTHORITY.server((host,))
        pairs.append(Certificate(f"Secret/shop/{host}", issued.certificate.decode(), issued.key.decode()))
    chains = tuple(
        FilterChain(host, HttpChain(host), (host,), ServerTls((pair.name,)))
        for host, pair in zip(HOSTS, pairs, strict=True)
    )
    options = ProxyOptions(http3=True)
    tcp, udp = GatewayPort("shop", "edge", 443), GatewayPort("shop", "edge", 443, "UDP")
    name = RouteName("HTTPRoute", "shop", "web")
    hosts = [VirtualHost(one, "*", (Route(name, Match(), Answer(200, one)),)) for one in HOSTS]
    return [
        *pairs,
        *hosts,
        Listener(tcp, 0, chains, inspects_tls=True, options=options, announces_http3=True),
        Listener(udp, udp_port, chains, options=options),
    ]


def client(folder: Path, host: str, port: int) -> dict[str, Any]:
    """Return the configuration of an Envoy that passes requests at the socket `client-HOST` on by HTTP/3."""
    context = {
        "sni": host,
        "common_tls_context": {
            "validation_context": {
                "trusted_ca": {"inline_string": AUTHORITY.pair.certificate.decode()},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": host}}],
            }
        },
    }
    transport = {"@type": f"{_T}.transport_sockets.quic.v3.QuicUpstreamTransport", "upstream_tls_context": context}
    options = {
        "@type": f"{_T}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http3_protocol_options": {}},
    }
    endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    cluster = {
        "name": "edge",
        "type": "STATIC",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "transport_socket": {"name": "envoy.transport_sockets.quic", "typed_config": transport},
        "load_assignment": {"cluster_name": "edge", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
    }
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "edge", "timeout": "20s"}}]
    manager = {
        "@type": f"{_T}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "client",
        "route_config": {"virtual_hosts": [{"name": "edge", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{_T}.filters.http.router.v3.Router"}}],
    }
    listener = {
        "name": "client",
        "address": {"pipe": {"path": str(folder / f"client-{host}")}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def started(file: Path, configuration: dict[str, Any]) -> subprocess.Popen[bytes]:
    file.write_text(json.dumps(configuration))
    return subprocess.Popen([BINARY, "-c", str(file), "--concurrency", "1", "-l", "error", "--disable-hot-restart"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    folder, port = tmp_path_factory.mktemp("http3"), free_port()
    clients: list[subprocess.Popen[bytes]] = []
    async with envoy_with(folder, wanted(port)):
        try:
            clients.extend(started(folder / f"{host}.json", client(folder, host, port)) for host in HOSTS)
            await until(lambda: all(is_listening(folder / f"client-{host}") for host in HOSTS), "clients", 60)
            yield folder
        finally:
            for one in clients:
                one.kill()
                one.wait()


@pytest.mark.parametrize("host", HOSTS)
async def test_each_hosts_chain_is_served_over_quic(edge: Path, host: str) -> None:
    assert await asyncio.wait_for(request(edge / f"client-{host}", host), 60) == (200, host.encode())


async def test_responses_over_tcp_announce_http3_at_the_gateways_port(edge: Path) -> None:
    context = ssl.create_default_context(cadata=AUTHORITY.pair.certificate.decode())
    reader, writer = await asyncio.open_unix_connection(str(edge / "edge-443"), ssl=context, server_hostname=HOSTS[0])
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOSTS[0]}\r\nConnection: close\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    writer.close()
    assert b'alt-svc: h3=":443"; ma=86400\r\n' in head
