"""Certificates of clients and towards backends, in a real Envoy: who gets through, and who does not."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from podwire.pki.certificates import Authority, KeyPair
from tests.edge.controller.real_gateway import RealGateway, served
from tests.edge.xds.real_envoy import request

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVERS, CLIENTS, OTHERS = Authority.create("servers"), Authority.create("clients"), Authority.create("others")
STRICT, LAX, NONE = 8443, 9443, 443
HOST = "a.example.org"


def reference(name: str) -> dict[str, str]:
    return {"group": "", "kind": "ConfigMap", "name": name}


def validation(*authorities: str, mode: str = "AllowValidOnly") -> dict[str, Any]:
    return {"validation": {"caCertificateRefs": [reference(one) for one in authorities], "mode": mode}}


FRONTEND = {
    "default": validation("clients"),
    "perPort": [
        {"port": LAX, "tls": validation("clients", mode="AllowInsecureFallback")},
        {"port": NONE, "tls": {}},
    ],
}


def gateway(frontend: dict[str, Any] = FRONTEND, certificate: str = "gateway") -> dict[str, Any]:
    listeners = [
        {"name": f"port-{port}", "port": port, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "server"}]}}
        for port in (STRICT, LAX, NONE)
    ]
    listeners.append({"name": "plain", "port": 80, "protocol": "HTTP"})
    tls: dict[str, Any] = {"frontend": frontend}
    if certificate:
        tls["backend"] = {"clientCertificateRef": {"name": certificate}}
    return {"gatewayClassName": "edge", "listeners": listeners, "tls": tls}


def client(folder: Path, pair: KeyPair | None) -> ssl.SSLContext:
    """Return the context of a client with this certificate, or with none."""
    context = ssl.create_default_context(cadata=SERVERS.pair.certificate.decode())
    if pair is not None:
        certificate, key = folder / "client.crt", folder / "client.key"
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        context.load_cert_chain(certificate, key)
    return context


class SecureBackend:
    """An HTTPS backend that admits only clients of an authority, and returns the common name of each."""

    def __init__(self, folder: Path, name: str, admitted: Authority) -> None:
        self._socket = str(folder / name)
        issued = SERVERS.server(("backend.test",))
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(issued.certificate)
        key.write_bytes(issued.key)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=admitted.pair.certificate.decode())
        self._context.load_cert_chain(certificate, key)
        self._context.verify_mode = ssl.CERT_REQUIRED

    async def start(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, self._socket, ssl=self._context)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subject = dict(one[0] for one in writer.get_extra_info("peercert")["subject"])
        body = subject["commonName"].encode()
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body += b" forged" if b"x-forwarded-client-cert" in head.lower() else b""
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealGateway]:
    folder = tmp_path_factory.mktemp("client-certificates")
    backend = await SecureBackend(folder, "web", CLIENTS).start()
    async with served(folder) as found:
        found.put_pair("server", SERVERS.server((HOST,)))
        found.put_pair("gateway", CLIENTS.client("gateway-one"))
        for name, authority in (("clients", CLIENTS), ("others", OTHERS), ("servers", SERVERS)):
            found.put("ConfigMap", name, data={"ca.crt": authority.pair.certificate.decode()})
        found.put("ConfigMap", "empty", data={"ca.crt": ""})
        found.put_service("web")
        rule = {"backendRefs": [{"name": "web", "port": 80}]}
        found.put("HTTPRoute", "web", spec={"parentRefs": [{"name": "gw"}], "rules": [rule]})
        policy = {
            "targetRefs": [{"group": "", "kind": "Service", "name": "web"}],
            "validation": {"hostname": "backend.test", "caCertificateRefs": [reference("servers")]},
        }
        found.put("BackendTLSPolicy", "web", spec=policy)
        found.put("Gateway", "gw", spec=gateway())
        await found.apply()
        try:
            yield found
        finally:
            backend.close()


async def status(edge: RealGateway, port: int, pair: KeyPair | None) -> int:
    """Return the status of a response; 0 where the client is refused."""
    try:
        context = client(edge.folder, pair)
        return (await request(edge.folder / f"gw-{port}", HOST, ssl=context, server_hostname=HOST))[0]
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
        return 0


@pytest.mark.parametrize(
    ("port", "admitted"),
    [
        (STRICT, {"valid": True, "of another authority": False, "none": False}),
        (LAX, {"valid": True, "of another authority": True, "none": True}),
        (NONE, {"valid": True, "of another authority": True, "none": True}),
    ],
)
async def test_a_port_admits_clients_by_its_own_validation(
    edge: RealGateway, port: int, admitted: dict[str, bool]
) -> None:
    pairs = {"valid": CLIENTS.client("ann"), "of another authority": OTHERS.client("ann"), "none": None}
    found = {name: await status(edge, port, pair) for name, pair in pairs.items()}
    assert found == {name: 200 if is_admitted else 0 for name, is_admitted in admitted.items()}


async def test_authorities_of_clients_are_followed(edge: RealGateway) -> None:
    before = CLIENTS.client("ann")
    edge.put("Gateway", "gw", spec=gateway({"default": validation("clients", "others")}))
    await edge.apply()
    assert [await status(edge, STRICT, one) for one in (before, OTHERS.client("ann"), None)] == [200, 200, 0]
    edge.put("ConfigMap", "clients", data={"ca.crt": OTHERS.pair.certificate.decode()})
    await edge.apply()
    assert [await status(edge, STRICT, one) for one in (before, OTHERS.client("ann"))] == [0, 200]
    edge.put("ConfigMap", "clients", data={"ca.crt": CLIENTS.pair.certificate.decode()})
    edge.put("Gateway", "gw", spec=gateway())
    await edge.apply()
    assert [await status(edge, STRICT, one) for one in (before, OTHERS.client("ann"))] == [200, 0]


def resumed(socket_path: Path, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[int, bool, Any]:
    """Send a request; returns its status (0: refused), whether the session was resumed, and the session."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plain:
        plain.settimeout(60)
        plain.connect(str(socket_path))
        try:
            with context.wrap_socket(plain, server_hostname=HOST, session=session) as secure:
                secure.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                head = secure.recv(4096)
                return int(head.split()[1]) if head else 0, bool(secure.session_reused), secure.session
        except (ssl.SSLError, ConnectionError):
            return 0, False, None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_cve_2022_21654_a_session_does_not_outlive_the_authorities(
    edge: RealGateway, version: ssl.TLSVersion
) -> None:
    context = client(edge.folder, CLIENTS.client("ann"))
    context.minimum_version = context.maximum_version = version
    path = edge.folder / f"gw-{STRICT}"
    status, _, session = await asyncio.to_thread(resumed, path, context, None)
    assert status == 200
    assert (await asyncio.to_thread(resumed, path, context, session))[:2] == (200, True)
    edge.put("Gateway", "gw", spec=gateway({"default": validation("others")}))
    await edge.apply()
    assert (await asyncio.to_thread(resumed, path, context, session))[0] == 0
    edge.put("Gateway", "gw", spec=gateway())
    await edge.apply()
    assert (await asyncio.to_thread(resumed, path, context, None))[0] == 200


async def test_without_a_valid_authority_no_client_is_served_by_tls(edge: RealGateway) -> None:
    edge.put("Gateway", "gw", spec=gateway({"default": validation("empty")}))
    await edge.apply()
    assert await status(edge, STRICT, CLIENTS.client("ann")) == 0
    assert (await request(edge.folder / "gw-80", HOST))[0] == 200, "plain HTTP is served"
    edge.put("Gateway", "gw", spec=gateway())
    await edge.apply()
    assert await status(edge, STRICT, CLIENTS.client("ann")) == 200


async def test_the_gateway_shows_its_certificate_to_backends(edge: RealGateway) -> None:
    assert await request(edge.folder / "gw-80", HOST) == (200, b"gateway-one")
    edge.put_pair("second", CLIENTS.client("gateway-two"))
    edge.put("Gateway", "other", spec=gateway(certificate="second"))
    edge.put("Gateway", "without", spec=gateway(certificate=""))
    names = ("gw", "other", "without")
    rule = {"backendRefs": [{"name": "web", "port": 80}]}
    edge.put("HTTPRoute", "web", spec={"parentRefs": [{"name": one} for one in names], "rules": [rule]})
    await edge.apply()
    found = [await request(edge.folder / f"{name}-80", HOST) for name in names]
    assert found[:2] == [(200, b"gateway-one"), (200, b"gateway-two")]
    assert found[2][0] == 503, "a backend that requires a certificate refuses a Gateway without"
    edge.put_pair("gateway", CLIENTS.client("gateway-three"))
    await edge.apply()
    assert (await request(edge.folder / "gw-80", HOST))[0] == 200


async def test_a_clients_own_header_about_certificates_is_removed(edge: RealGateway) -> None:
    reader, writer = await asyncio.open_unix_connection(str(edge.folder / "gw-80"))
    head = f'GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-Client-Cert: Subject="CN=root"\r\nConnection: close\r\n\r\n'
    writer.write(head.encode())
    body = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert b" 200 OK" in body
    assert b"forged" not in body
