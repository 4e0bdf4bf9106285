"""Certificates of clients and of backends, by Ingresses in a real Envoy."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import pytest_asyncio

from podwire.pki.certificates import Authority
from tests.edge.controller.real_ingress import AUTHORITY, RealIngress, served
from tests.edge.ingress.objects import ingress, path

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS, OTHERS, BACKENDS = (Authority.create(one) for one in ("clients", "others", "backends"))
HOSTS = ("on.test", "optional.test", "no-ca.test", "page.test", "named.test", "other.test", "open.test")


class Edge:
    """The proxy, and contexts of clients with and without certificates."""

    def __init__(self, proxy: RealIngress, folder: Path) -> None:
        self.proxy, self.folder = proxy, folder
        self.contexts = {"none": _context()}
        for name, authority, user in (("ann", CLIENTS, "ann"), ("eve", OTHERS, "ann"), ("bob", CLIENTS, "bob")):
            pair = authority.client(user)
            file = folder / f"{name}.pem"
            file.write_bytes(pair.certificate + pair.key)
            self.contexts[name] = _context()
            self.contexts[name].load_cert_chain(file)

    async def status(self, host: str, client: str, server_name: str = "", url: str = "/") -> int:
        found = await self.proxy.get_secure(host, url, tls=self.contexts[client], server_name=server_name)
        return found.status


def _backend(folder: Path) -> ssl.SSLContext:
    """A backend for inner.test that requires a certificate of its clients."""
    pair = BACKENDS.server(("inner.test",))
    file = folder / "backend.pem"
    file.write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=CLIENTS.pair.certificate.decode())
    context.load_cert_chain(file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.pair.certificate.decode())
    context.check_hostname = True
    return context


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("ingress")
    async with served(folder) as found:
        await found.put_service("web")
        await found.put_service("secure", tls=_backend(folder))
        proxy = CLIENTS.client("proxy")
        found.put_secret("proxy", ca_crt=BACKENDS.pair.certificate, tls_crt=proxy.certificate, tls_key=proxy.key)
        found.put_secret("wrong-ca", ca_crt=OTHERS.pair.certificate, tls_crt=proxy.certificate, tls_key=proxy.key)
        shown: Any = {"backend_protocol": "HTTPS", "proxy_ssl_secret": "proxy", "proxy_ssl_name": "inner.test"}
        verified: Any = {**shown, "proxy_ssl_verify": "on"}
        pair = AUTHORITY.server(HOSTS)
        found.put_secret("tls", tls_crt=pair.certificate, tls_key=pair.key)
        found.put_secret("clients", ca_crt=CLIENTS.pair.certificate)
        found.put_secret("others", ca_crt=OTHERS.pair.certificate)
        tls = ({"hosts": list(HOSTS), "secretName": "tls"},)
        found.put(
            ingress(
                "on", path("/"), host="on.test", tls=tls, auth_tls_secret="clients",
                auth_tls_pass_certificate_to_upstream="true", ssl_redirect="false",
            ),
            ingress("acme", path("/.well-known/acme-challenge/token"), host="on.test", ssl_redirect="false"),
            ingress("on-too", path("/other"), host="on.test", tls=tls, created="2026-02-01T00:00:00Z"),
            ingress(
                "optional", path("/"), host="optional.test", tls=tls, auth_tls_secret="clients",
                auth_tls_verify_client="optional",
            ),
            ingress(
                "no-ca", path("/"), host="no-ca.test", tls=tls, auth_tls_secret="clients",
                auth_tls_verify_client="optional_no_ca",
            ),
            ingress(
                "page", path("/"), host="page.test", tls=tls, auth_tls_secret="clients",
                auth_tls_error_page="https://help.test/certificates",
            ),
            ingress(
                "named", path("/"), host="named.test", tls=tls, auth_tls_secret="clients", auth_tls_match_cn="CN=ann$"
            ),
            ingress(
                "moved", path("/moved"), host="on.test", permanent_redirect="https://new.test/",
                created="2026-02-01T00:00:00Z",
            ),
            ingress("moved-by-script", path("/odd"), host="on.test", temporal_redirect="https://$host/x",
                    created="2026-02-01T00:00:00Z"),
            ingress("cors", path("/cors"), host="on.test", enable_cors="true", created="2026-02-01T00:00:00Z"),
            ingress("moved-named", path("/moved"), host="named.test", permanent_redirect="https://new.test/",
                    created="2026-02-01T00:00:00Z"),
            ingress("other", path("/"), host="other.test", tls=tls, auth_tls_secret="others"),
            ingress("open", path("/"), host="open.test", tls=tls),
            ingress("verified", path("/", "secure"), host="verified.test", proxy_ssl_server_name="on", **verified),
            ingress("shown", path("/", "secure"), host="shown.test", **{**shown, "proxy_ssl_name": "any.test"}),
            ingress("bare", path("/", "secure"), host="bare.test", backend_protocol="HTTPS"),
            ingress("name", path("/", "secure"), host="name.test", **{**verified, "proxy_ssl_name": "other.test"}),
            ingress("ca", path("/", "secure"), host="ca.test", **{**verified, "proxy_ssl_secret": "wrong-ca"}),
            ingress("no-secret", path("/", "secure"), host="no-secret.test", **{**verified, "proxy_ssl_secret": "x"}),
            ingress("inner", path("/", "secure"), host="inner.test", ssl_passthrough="true"),
            ingress("lost", path("/"), host="lost.test", auth_tls_secret="none"),
        )  # fmt: skip
        await found.apply()
        yield Edge(found, folder)


async def test_a_certificate_is_required_of_the_whole_host(edge: Edge) -> None:
    for url in ("/", "/other"):
        assert await edge.status("on.test", "ann", url=url) == 200
        assert await edge.status("on.test", "none", url=url) == 400
        assert await edge.status("on.test", "eve", url=url) == 400
    assert (await edge.proxy.get("on.test")).status == 400, "requests in plain text have no certificate"
    challenge = "/.well-known/acme-challenge/token"
    assert (await edge.proxy.get("on.test", challenge)).status == 200, "but a certificate can be renewed"
    assert await edge.status("on.test", "none", url=challenge) == 400


async def test_what_the_proxy_answers_itself_is_for_clients_with_a_certificate_too(edge: Edge) -> None:
    wanted = {"/moved": 301, "/odd": 302}
    for url, status in wanted.items():
        assert [await edge.status("on.test", one, url=url) for one in ("ann", "none", "eve")] == [status, 400, 400]
    assert [await edge.status("named.test", one, url="/moved") for one in ("ann", "bob", "none")] == [301, 403, 400]
    found = [
        (await edge.proxy.get_secure("on.test", "/cors", method="OPTIONS", tls=edge.contexts[one])).status
        for one in ("ann", "none")
    ]
    assert found == [204, 400]


async def test_the_backend_gets_the_certificate_and_nothing_that_a_client_says(edge: Edge) -> None:
    forged = {"ssl_client_verify": "SUCCESS", "ssl_client_cert": "forged", "ssl_client_subject_dn": "CN=root"}
    context = edge.contexts["ann"]
    headers = (await edge.proxy.get_secure("on.test", tls=context, **forged)).received.headers
    assert headers["ssl-client-verify"] == "SUCCESS"
    assert "CN=ann" in headers["ssl-client-subject-dn"]
    assert "CN=clients" in headers["ssl-client-issuer-dn"]
    assert unquote(headers["ssl-client-cert"]).startswith("-----BEGIN CERTIFICATE-----")
    none = (await edge.proxy.get_secure("optional.test", tls=edge.contexts["none"], **forged)).received.headers
    assert none["ssl-client-verify"] == "NONE"
    assert not {"ssl-client-cert", "ssl-client-subject-dn", "ssl-client-issuer-dn"} & none.keys()


async def test_certificates_that_are_optional(edge: Edge) -> None:
    assert [await edge.status("optional.test", one) for one in ("none", "ann", "eve")] == [200, 200, 400]
    assert [await edge.status("no-ca.test", one) for one in ("none", "ann", "eve")] == [200, 200, 200]
    found = await edge.proxy.get_secure("no-ca.test", tls=edge.contexts["eve"])
    assert found.received.headers["ssl-client-verify"].startswith("FAILED")


async def test_a_page_for_those_without_certificate(edge: Edge) -> None:
    found = await edge.proxy.get_secure("page.test", tls=edge.contexts["none"])
    assert (found.status, found.header("location")) == (302, "https://help.test/certificates")


async def test_subjects(edge: Edge) -> None:
    assert [await edge.status("named.test", one) for one in ("ann", "bob", "none")] == [200, 403, 400]


async def test_a_certificate_is_for_the_host_that_it_was_verified_for(edge: Edge) -> None:
    assert await edge.status("other.test", "eve") == 200
    assert await edge.status("on.test", "eve", server_name="other.test") == 421
    assert await edge.status("on.test", "none", server_name="open.test") == 421
    assert await edge.status("open.test", "none") == 200


async def test_a_host_without_its_authorities_is_closed(edge: Edge) -> None:
    assert (await edge.proxy.get("lost.test")).status == 503


async def test_backends_are_verified_and_see_a_certificate(edge: Edge) -> None:
    wanted = {"verified": 200, "shown": 200, "bare": 502, "name": 502, "ca": 502, "no-secret": 503}
    assert {one: (await edge.proxy.get(f"{one}.test")).status for one in wanted} == wanted


async def test_connections_that_are_passed_on_end_at_the_backend(edge: Edge) -> None:
    context = ssl.create_default_context(cadata=BACKENDS.pair.certificate.decode())
    context.load_cert_chain(edge.folder / "ann.pem")
    found = await edge.proxy.get_secure("inner.test", tls=context)
    assert (found.status, found.received.headers["host"]) == (200, "inner.test")
    assert "x-request-id" not in found.received.headers
    assert await edge.status("open.test", "none") == 200
