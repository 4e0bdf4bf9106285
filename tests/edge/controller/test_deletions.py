"""What is deleted is served no longer, and nothing else takes its place: in a real Envoy."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from podwire.pki.certificates import Authority
from tests.edge.controller.real_gateway import RealGateway, served
from tests.edge.xds.real_envoy import request

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = Authority.create("test")
HOSTS = ("a.example.org", "b.example.org")
RULES = [{"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "moved.example.org"}}]}]


def https(host: str) -> dict[str, object]:
    return {
        "name": host[0],
        "port": 443,
        "protocol": "HTTPS",
        "hostname": host,
        "tls": {"certificateRefs": [{"name": host[0]}]},
    }


PLAIN = {"name": "plain", "port": 80, "protocol": "HTTP"}
BOTH = [PLAIN, *map(https, HOSTS)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealGateway]:
    async with served(tmp_path_factory.mktemp("deletions")) as found:
        for host in HOSTS:
            found.put_pair(host[0], AUTHORITY.server((host,)))
        found.put("HTTPRoute", "web", spec={"parentRefs": [{"name": "gw"}], "rules": RULES})
        found.put("Gateway", "gw", spec={"gatewayClassName": "edge", "listeners": BOTH})
        await found.apply()
        yield found


async def name_shown(edge: RealGateway, host: str) -> str:
    """Return the DNS name in the certificate that is shown for a host; empty where the handshake fails."""
    context = ssl.create_default_context(cadata=AUTHORITY.pair.certificate.decode())
    context.check_hostname = False
    try:
        path = str(edge.folder / "gw-443")
        _, writer = await asyncio.open_unix_connection(path, ssl=context, server_hostname=host)
    except (ssl.SSLError, ConnectionError):
        return ""
    names = writer.get_extra_info("peercert")["subjectAltName"]
    writer.close()
    return str(next(value for kind, value in names if kind == "DNS"))


async def test_a_deleted_secret_is_shown_no_longer_nor_another_ones_in_its_place(edge: RealGateway) -> None:
    assert [await name_shown(edge, host) for host in HOSTS] == list(HOSTS)
    edge.remove("Secret", "b")
    await edge.apply()
    assert [await name_shown(edge, host) for host in HOSTS] == [HOSTS[0], ""]
    edge.put_pair("b", AUTHORITY.server((HOSTS[1],)))
    await edge.apply()
    assert [await name_shown(edge, host) for host in HOSTS] == list(HOSTS)


async def test_a_certificate_that_is_broken_is_not_replaced_by_another_hosts(edge: RealGateway) -> None:
    edge.put("Secret", "b", type="kubernetes.io/tls", data={"tls.crt": "bm8=", "tls.key": "bm8="})
    await edge.apply()
    assert [await name_shown(edge, host) for host in (*HOSTS, "c.example.org")] == [HOSTS[0], "", ""]
    edge.put_pair("b", AUTHORITY.server((HOSTS[1],)))
    await edge.apply()


async def test_a_deleted_listener_is_closed_to_its_hosts(edge: RealGateway) -> None:
    edge.put("Gateway", "gw", spec={"gatewayClassName": "edge", "listeners": [PLAIN, https(HOSTS[0])]})
    await edge.apply()
    assert [await name_shown(edge, host) for host in HOSTS] == [HOSTS[0], ""]
    edge.put("Gateway", "gw", spec={"gatewayClassName": "edge", "listeners": BOTH})
    await edge.apply()
    assert await name_shown(edge, HOSTS[1]) == HOSTS[1]


async def test_a_deleted_route_is_not_found(edge: RealGateway) -> None:
    assert (await request(edge.folder / "gw-80", HOSTS[0]))[0] == 302
    edge.remove("HTTPRoute", "web")
    await edge.apply()
    assert (await request(edge.folder / "gw-80", HOSTS[0]))[0] == 404
    edge.put("HTTPRoute", "web", spec={"parentRefs": [{"name": "gw"}], "rules": RULES})
    await edge.apply()
    assert (await request(edge.folder / "gw-80", HOSTS[0]))[0] == 302
