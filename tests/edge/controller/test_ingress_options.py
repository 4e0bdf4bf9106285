"""Options of all Ingresses in a real Envoy: authorization, headers, compression, addresses of clients, redirects."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from podwire.edge.ingress.options.reading import read
from tests.edge.controller.real_ingress import AUTHORITY, RealIngress, served
from tests.edge.ingress.echo import Received, Response
from tests.edge.ingress.objects import ingress, path

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPTIONS = {
    "global-auth-url": "http://auth.shop.svc.cluster.local/check",
    "http-redirect-code": "301",
    "hsts-max-age": "60",
    "hide-headers": "X-Secret",
    "add-headers": "shop/added",
    "proxy-set-headers": "shop/sent",
    "use-gzip": "true",
    "use-forwarded-headers": "true",
    "proxy-real-ip-cidr": "192.0.2.0/24",
    "ssl-protocols": "TLSv1.2",
    "use-http2": "false",
    "enable-brotli": "true",
    "otlp-collector-host": "127.0.0.1",
    "otlp-collector-port": "1",
}


def authorize(received: Received) -> Response:
    return Response(200 if received.headers.get("x-token") == "good" else 403)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealIngress]:
    async with served(tmp_path_factory.mktemp("ingress")) as found:
        for name in ("web", "auth"):
            await found.put_service(name)
        found.backends["auth"].respond = authorize
        pair = AUTHORITY.server(("tls.test",))
        found.put_secret("tls", tls_crt=pair.certificate, tls_key=pair.key)
        found.put_config_map("added", {"X-Added": "100%"})
        found.put_config_map("sent", {"X-Sent": "yes"})
        tls = ({"hosts": ["tls.test"], "secretName": "tls"},)
        found.put(
            ingress("closed", path("/"), host="closed.test"),
            ingress(
                "open", path("/"), host="open.test", enable_global_auth="false", enable_opentelemetry="true",
                opentelemetry_operation_name="GET shop",
            ),
            ingress("tls", path("/"), host="tls.test", tls=tls, enable_global_auth="false"),
        )  # fmt: skip
        options = read(OPTIONS)
        assert options.problems == ()
        found.ingresses.configure(options)
        await found.apply(trusts_forwarded=False)
        yield found


async def test_one_service_authorizes_all_but_those_that_say_no(edge: RealIngress) -> None:
    assert (await edge.get("closed.test", x_token="good")).status == 200
    assert (await edge.get("closed.test")).status == 403
    assert (await edge.get("open.test")).status == 200


async def test_headers_of_all_requests_and_responses(edge: RealIngress) -> None:
    found = await edge.get("open.test", x_want_header="X-Secret: 1", x_sent="forged")
    assert (found.header("x-added"), found.header("x-secret")) == ("100%", None)
    assert found.received.headers["x-sent"] == "yes"
    assert found.header("strict-transport-security") is None


async def test_only_hosts_with_a_certificate_ask_for_https(edge: RealIngress) -> None:
    context = ssl.create_default_context(cadata=AUTHORITY.pair.certificate.decode())
    found = await edge.get_secure("tls.test", tls=context)
    assert found.header("strict-transport-security") == "max-age=60; includeSubDomains"
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        await edge.get_secure("tls.test", tls=context)
    moved = await edge.get("tls.test", "/a")
    assert (moved.status, moved.header("location")) == (301, "https://tls.test/a")


async def test_only_requests_of_those_that_want_it_are_traced(edge: RealIngress) -> None:
    assert "traceparent" in (await edge.get("open.test")).received.headers
    context = ssl.create_default_context(cadata=AUTHORITY.pair.certificate.decode())
    found = (await edge.get_secure("tls.test", tls=context)).received.headers
    assert found.get("traceparent", "-00").endswith("-00"), "not sampled"


async def test_responses_are_compressed_for_those_who_accept_it(edge: RealIngress) -> None:
    wanted = {"x_want_header": "Content-Type: application/json", "x_padding": "x" * 400}
    found = await edge.get("open.test", accept_encoding="gzip", **wanted)
    assert found.header("content-encoding") == "gzip"
    assert b"x-padding" in gzip.decompress(found.body.encode("latin-1"))
    both = await edge.get("open.test", accept_encoding="br, gzip;q=0.1", **wanted)
    assert both.header("content-encoding") == "br"
    assert (await edge.get("open.test", **wanted)).header("content-encoding") is None
