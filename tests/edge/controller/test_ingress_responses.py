"""Backends and responses of Ingresses in a real Envoy: balancing, sessions, tries, copies, pages, cookies, logs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.edge.controller.real_ingress import RealIngress, served
from tests.edge.ingress.echo import Received, Response
from tests.edge.ingress.objects import ingress, path
from tests.edge.xds.real_envoy import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHROME_60 = "Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 Chrome/60.0.3112.90 Safari/537.36"


def page(received: Received) -> Response:
    """The page of an error."""
    return Response(410, (("Content-Type", "text/x-page"),), f"page for {received.headers['x-code']}")


def named(name: str) -> Response:
    return Response(200, (("X-Endpoint", name),))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealIngress]:
    async with served(tmp_path_factory.mktemp("ingress")) as found:
        for name, endpoints in (("web", 1), ("many", 3), ("canary", 1), ("pages", 1), ("copies", 1), ("gone", 0)):
            await found.put_service(name, endpoints, on_loopback=name in {"many", "canary"})
        found.backends["pages"].respond = page
        for name in ("many", "many-2", "many-3", "canary"):
            found.backends[name].respond = lambda _, name=name: named(name)  # type: ignore[misc]
        sticky = {"affinity": "cookie", "session_cookie_name": "S"}
        copied = "http://copies.shop.svc.cluster.local/copied$request_uri"
        found.put(
            ingress("rr", path("/", "many"), host="rr.test"),
            ingress("hash", path("/", "many"), host="hash.test", upstream_hash_by="$arg_user"),
            ingress(
                "sticky", path("/a", "many"), host="sticky.test", session_cookie_domain="sticky.test",
                session_cookie_samesite="None", session_cookie_conditional_samesite_none="true",
                session_cookie_expires="600", session_cookie_secure="true", **sticky,  # type: ignore[arg-type]
            ),
            ingress("main", path("/", "many"), host="canary.test", **sticky),  # type: ignore[arg-type]
            ingress("other", path("/", "canary"), host="canary.test", canary="true", canary_weight="50"),
            ingress(
                "tries", path("/", "many"), host="tries.test", proxy_next_upstream="error http_502",
                proxy_next_upstream_tries="3",
            ),
            ingress("copy", path("/"), host="copy.test", mirror_target=copied, mirror_host="seen.test"),
            ingress(
                "head", path("/"), host="head.test", mirror_target=copied, mirror_request_body="off"
            ),
            ingress(
                "errors", path("/"), host="errors.test", custom_http_errors="404,418", default_backend="pages"
            ),
            ingress(
                "proxy", path("/"), host="proxy-errors.test", custom_http_errors="404", default_backend="pages",
                disable_proxy_intercept_errors="true",
            ),
            ingress("gone", path("/", "gone"), host="gone.test", default_backend="pages"),
            ingress(
                "moved", path("/"), host="moved.test", proxy_redirect_from="http://inner/",
                proxy_redirect_to="https://$host/", proxy_cookie_path="/inner/ /",
                proxy_cookie_domain="inner.local moved.test",
            ),
            ingress(
                "redirect", path("/"), host="redirect.test", permanent_redirect="https://new.test$uri?from=$host",
                permanent_redirect_code="308",
            ),
            ingress(
                "code", path("/"), host="code.test", temporal_redirect="https://new.test", temporal_redirect_code="305"
            ),
            ingress("quiet", path("/"), host="quiet.test", enable_access_log="false"),
        )  # fmt: skip
        await found.apply()
        yield found


async def endpoints(edge: RealIngress, host: str, count: int, url: str = "/", **headers: str) -> list[str | None]:
    return [(await edge.get(host, url, **headers)).header("x-endpoint") for _ in range(count)]


async def test_endpoints_in_turn_or_by_a_hash(edge: RealIngress) -> None:
    assert len(set(await endpoints(edge, "rr.test", 6))) == 3
    by_user = {user: set(await endpoints(edge, "hash.test", 4, f"/?user={user}")) for user in map(str, range(12))}
    assert all(len(one) == 1 for one in by_user.values())
    assert len(set.union(*by_user.values())) > 1


async def test_the_cookie_of_a_session(edge: RealIngress) -> None:
    found = await edge.get("sticky.test", "/a/b")
    (cookie,) = found.all("set-cookie")
    value, *attributes = cookie.split("; ")
    names = {one.partition("=")[0]: one.partition("=")[2] for one in attributes}
    assert names.keys() == {"Path", "Domain", "Secure", "SameSite", "HttpOnly", "Expires"}
    assert (names["Path"], names["Domain"], names["SameSite"]) == ("/a", "sticky.test", "None")
    assert names["Expires"].endswith("GMT")
    assert set(await endpoints(edge, "sticky.test", 5, "/a", cookie=value)) == {found.header("x-endpoint")}
    (old,) = (await edge.get("sticky.test", "/a", user_agent=CHROME_60)).all("set-cookie")
    assert "SameSite" not in old


async def test_a_client_stays_at_its_side_of_a_canary(edge: RealIngress) -> None:
    seen = set()
    for _ in range(200):
        found = await edge.get("canary.test")
        cookies = [one.partition(";")[0] for one in found.all("set-cookie")]
        side = next(one for one in cookies if one.startswith("S-canary="))
        is_canary = found.header("x-endpoint") == "canary"
        assert side == f"S-canary={'canary' if is_canary else 'main'}"
        again = await endpoints(edge, "canary.test", 3, cookie="; ".join(cookies))
        assert set(again) == {found.header("x-endpoint")}
        seen.add(is_canary)
        if len(seen) == 2:
            return
    pytest.fail("all of 200 clients are at one side")


async def test_further_tries_of_requests_that_may_be_repeated(edge: RealIngress) -> None:
    def broken(_: Received) -> Response:
        return Response(502, (("X-Endpoint", "many"),))

    before, edge.backends["many"].respond = edge.backends["many"].respond, broken
    try:
        assert "many" not in await endpoints(edge, "tries.test", 6)
        posted = [(await edge.get("tries.test", method="POST", body="x")).status for _ in range(6)]
        assert 502 in posted
    finally:
        edge.backends["many"].respond = before
    cut = edge.backends["many"].seen.copy()
    await edge.get("tries.test", "/cut")
    assert len(edge.backends["many"].seen) + len(edge.backends["many-2"].seen) > len(cut)


async def test_copies_of_requests(edge: RealIngress) -> None:
    seen = edge.backends["copies"].seen
    assert (await edge.get("copy.test", "/a?b=c", method="POST", body="four")).status == 200
    await until(lambda: len(seen) == 1, "copied")
    assert (seen[0].method, seen[0].path, seen[0].body) == ("POST", "/a?b=c", "four")
    assert seen[0].headers["host"] == "seen.test"
    assert (await edge.get("head.test", "/a?b=c", method="POST", body="four")).status == 200
    await until(lambda: len(seen) == 2, "copied without body")
    assert (seen[1].method, seen[1].path, seen[1].body) == ("POST", "/copied/a?b=c", "")
    assert seen[1].headers["host"] == "copies.shop.svc.cluster.local"


async def test_pages_of_errors(edge: RealIngress) -> None:
    found = await edge.get("errors.test", "/a?b=c", x_want_status="418", accept="text/x")
    assert (found.status, found.body, found.header("content-type")) == (410, "page for 418", "text/x-page")
    requested = edge.backends["pages"].seen[-1].headers
    wanted = {
        "x-code": "418", "x-format": "text/x", "x-original-uri": "/a?b=c", "x-namespace": "shop",
        "x-ingress-name": "errors", "x-service-name": "web", "x-service-port": "80", "host": "errors.test",
    }  # fmt: skip
    assert {name: requested.get(name) for name in wanted} == wanted
    assert requested["x-request-id"]
    assert (await edge.get("errors.test", x_want_status="500")).status == 500
    head = await edge.get("errors.test", method="HEAD", x_want_status="404")
    assert (head.status, head.body) == (410, "")
    assert (await edge.get("proxy-errors.test", x_want_status="404")).status == 404
    assert (await edge.get("gone.test")).body == "page for 503"


async def test_locations_and_cookies_of_backends(edge: RealIngress) -> None:
    moved = await edge.get("moved.test", x_want_status="302", x_want_header="Location: http://inner/a?b")
    assert moved.header("location") == "https://moved.test/a?b"
    other = await edge.get("moved.test", x_want_status="302", x_want_header="Location: http://innermost/a")
    assert other.header("location") == "http://innermost/a"
    refresh = await edge.get("moved.test", x_want_header="Refresh: 5; url=http://inner/b")
    assert refresh.header("refresh") == "5; url=https://moved.test/b"
    cookie = "Set-Cookie: a=1; Path=/inner/x; Domain=.inner.local; Secure"
    assert (await edge.get("moved.test", x_want_header=cookie)).all("set-cookie") == [
        "a=1; Path=/x; Domain=moved.test; Secure"
    ]
    kept = "a=1; Path=/other; Domain=other.local"
    assert (await edge.get("moved.test", x_want_header=f"Set-Cookie: {kept}")).all("set-cookie") == [kept]


async def test_redirects_with_variables_and_any_status(edge: RealIngress) -> None:
    found = await edge.get("redirect.test", "/a/b?c")
    assert (found.status, found.header("location")) == (308, "https://new.test/a/b?from=redirect.test")
    assert (await edge.get("code.test")).status == 305


async def test_requests_without_a_log(edge: RealIngress) -> None:
    assert edge.envoy is not None
    envoy = edge.envoy
    for host in ("quiet.test", "copy.test"):
        assert (await edge.get(host, "/logged")).status == 200  # lines are written in their order
    await until(lambda: any('"host":"copy.test"' in one for one in envoy.access_log()), "a line of the log")
    assert [one for one in envoy.access_log() if '"host":"quiet.test"' in one] == []
