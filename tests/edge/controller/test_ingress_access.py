"""Who may send requests, in a real Envoy: users, authorization by a service, addresses, connections, bodies."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.edge.controller.real_ingress import RealIngress, served
from tests.edge.ingress.echo import Received, Response
from tests.edge.ingress.objects import ingress, path

pytestmark = pytest.mark.asyncio(loop_scope="module")

APR1 = "ann:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"  # myPassword
BCRYPT = "bob:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"  # myPassword
AUTH = "http://auth.shop.svc.cluster.local/verify?from=$host"
ADDRESS, OTHER = "192.0.2.7", "198.51.100.9"


def basic(user: str, password: str = "myPassword") -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def authorize(received: Received) -> Response:
    """Let the token `good` pass; cookies are set for all but tokens that begin with `quiet`.

    A header `X-Answers: NAME VALUE` of the request is one of the answer.
    """
    whole = received.headers.get("x-token", "")
    token = whole.removeprefix("quiet-")
    cookies = (("Set-Cookie", "session=1; Path=/"), ("Set-Cookie", "second=2")) if token == whole else ()
    name, _, value = received.headers.get("x-answers", "").partition(" ")
    cookies = (*cookies, *(((name, value),) if name else ()))
    if token == "good":
        return Response(200, (("X-User", "ann"), *cookies))
    statuses = {"bad": 403, "down": 500, "moved": 302}
    return Response(statuses.get(token, 401), (("WWW-Authenticate", "Bearer"), *cookies))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealIngress]:
    async with served(tmp_path_factory.mktemp("ingress")) as found:
        for name in ("web", "auth", "proxy"):
            await found.put_service(name)
        found.backends["auth"].respond = found.backends["proxy"].respond = authorize
        found.put_secret("users", auth=f"{APR1}\n{BCRYPT}\n")
        found.put_config_map("sent", {"X-Sent": "yes"})
        users: Any = {"auth_type": "basic", "auth_secret": "users"}
        found.put(
            ingress("basic", path("/"), host="basic.test", auth_realm="the shop", **users),
            ingress("auth", path("/"), host="auth.test", auth_url=AUTH, auth_response_headers="X-User,X-Group"),
            ingress(
                "signin",
                path("/"),
                host="signin.test",
                auth_url=AUTH,
                auth_method="POST",
                auth_signin="https://login.test/start?x=1",
                auth_always_set_cookie="true",
                auth_proxy_set_headers="sent",
                auth_request_redirect="https://$host/after",
            ),
            ingress("own", path("/"), path("/oauth2", "proxy"), host="own.test", auth_url="https://$host/oauth2/auth"),
            ingress(
                "cached", path("/"), host="cached.test", auth_url=AUTH, auth_cache_key="$http_x_token",
                auth_cache_duration="200 401 10m",
            ),
            ingress("lost", path("/"), host="lost.test", auth_url="http://none.shop.svc.cluster.local/"),
            ingress("any", path("/"), host="any.test", satisfy="any", allowlist_source_range=ADDRESS, **users),
            ingress(
                "none-acme", path("/.well-known/acme-challenge"), host="none.test", satisfy="any",
                denylist_source_range=ADDRESS, **users,
            ),
            ingress("none", path("/"), host="none.test", satisfy="any", denylist_source_range=ADDRESS, **users),
            ingress("all", path("/"), host="all.test", allowlist_source_range=ADDRESS, **users),
            ingress(
                "rates", path("/"), host="rates.test", limit_rps="1", limit_burst_multiplier="2",
                limit_rpm="100", limit_whitelist=ADDRESS,
            ),
            ingress("busy", path("/"), host="busy.test", limit_connections="2"),
            ingress(
                "spared", path("/"), host="spared.test", limit_connections="1",
                limit_whitelist=f"{ADDRESS}/31,2001:db8::/33",
            ),
            ingress(
                "pages", path("/"), host="pages.test", auth_url=AUTH, custom_http_errors="401,403,500",
                default_backend="proxy",
            ),
            ingress("large", path("/"), host="large.test", proxy_body_size="20m"),
            ingress("stream", path("/"), host="stream.test", proxy_body_size="1k", proxy_request_buffering="off"),
        )  # fmt: skip
        await found.apply()
        yield found


async def test_users_with_hashes_of_each_form(edge: RealIngress) -> None:
    for user in ("ann", "bob"):
        found = await edge.get("basic.test", authorization=basic(user))
        assert found.status == 200
        assert "authorization" not in found.received.headers
    for wrong in (basic("ann", "other"), basic("eve"), "Basic !", "Bearer x", basic("ann")[:-3]):
        found = await edge.get("basic.test", authorization=wrong)
        assert (found.status, found.header("www-authenticate")) == (401, 'Basic realm="the shop"')
    assert (await edge.get("basic.test")).status == 401


async def test_a_password_is_verified_once_and_then_known(edge: RealIngress) -> None:
    assert edge.envoy is not None
    await edge.get("basic.test", authorization=basic("bob"))
    before = await edge.envoy.statistic("cluster.passwords.upstream_rq_total")
    assert (await edge.get("basic.test", authorization=basic("bob"))).status == 200
    assert await edge.envoy.statistic("cluster.passwords.upstream_rq_total") == before
    assert (await edge.get("basic.test", authorization=basic("bob", "x"))).status == 401
    assert await edge.envoy.statistic("cluster.passwords.upstream_rq_total") == before + 1


async def test_an_authorization_service_decides(edge: RealIngress) -> None:
    found = await edge.get("auth.test", "/a?b=c", x_token="good", x_user="forged", x_group="forged")
    assert found.status == 200
    assert found.received.headers["x-user"] == "ann"
    assert "x-group" not in found.received.headers, "a header that the service does not set is no client's"
    assert found.all("set-cookie") == ["session=1; Path=/", "second=2"]
    requested = edge.backends["auth"].seen[-1]
    assert (requested.method, requested.path) == ("GET", "/verify?from=auth.test")
    assert requested.headers["host"] == "auth.shop.svc.cluster.local"
    assert requested.headers["x-original-url"] == "http://auth.test/a?b=c"
    assert requested.headers["x-original-method"] == "GET"
    assert requested.headers["x-auth-request-redirect"] == "/a?b=c"
    for token, status in {"bad": 403, "": 401, "down": 500, "moved": 500}.items():
        before = len(edge.backends["web"].seen)
        assert (await edge.get("auth.test", x_token=token)).status == status
        assert len(edge.backends["web"].seen) == before
    assert (await edge.get("auth.test")).header("www-authenticate") == "Bearer"


async def test_a_body_is_not_sent_to_the_service_but_to_the_backend(edge: RealIngress) -> None:
    found = await edge.get("auth.test", method="POST", body="four", x_token="good")
    assert (found.received.method, found.received.body) == ("POST", "four")
    assert (edge.backends["auth"].seen[-1].method, edge.backends["auth"].seen[-1].body) == ("GET", "")


async def test_clients_are_sent_to_sign_in(edge: RealIngress) -> None:
    found = await edge.get("signin.test", "/a?b=c")
    assert found.status == 302
    assert found.header("location") == "https://login.test/start?x=1&rd=http://signin.test%2Fa%3Fb%3Dc"
    requested = edge.backends["auth"].seen[-1]
    assert (requested.method, requested.headers["x-sent"]) == ("POST", "yes")
    assert requested.headers["x-auth-request-redirect"] == "https://signin.test/after"
    assert requested.headers["x-original-uri"] == "/a?b=c"
    always = await edge.get("signin.test", x_token="good", x_want_status="404")
    assert (always.status, len(always.all("set-cookie"))) == (404, 2)
    only = await edge.get("auth.test", x_token="good", x_want_status="404")
    assert (only.status, only.all("set-cookie")) == (404, [])


async def test_a_service_of_the_same_host_is_called_directly(edge: RealIngress) -> None:
    assert (await edge.get("own.test", x_token="good")).status == 200
    assert edge.backends["proxy"].seen[-1].path == "/oauth2/auth"
    assert edge.backends["proxy"].seen[-1].headers["host"] == "own.test"
    assert (await edge.get("own.test")).status == 401


async def test_answers_of_the_service_are_kept(edge: RealIngress) -> None:
    before = len(edge.backends["auth"].seen)
    for _ in range(3):
        found = await edge.get("cached.test", x_token="quiet-good")
        assert found.received.headers["x-token"] == "quiet-good"
        assert (await edge.get("cached.test", x_token="quiet-other")).status == 401
        assert (await edge.get("cached.test", x_token="quiet-bad")).status == 403
    assert len(edge.backends["auth"].seen) - before == 1 + 1 + 3


async def test_an_answer_with_cookies_is_not_kept(edge: RealIngress) -> None:
    before = len(edge.backends["auth"].seen)
    for _ in range(2):
        assert (await edge.get("cached.test", x_token="good")).status == 200
    assert len(edge.backends["auth"].seen) - before == 2


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("cache-control no-store", False),
        ("cache-control max-age=0, private", False),
        ("cache-control max-age=0", False),
        ("cache-control s-maxage=60, max-age=0", True),
        ("expires Thu, 01 Jan 1970 00:00:01 GMT", False),
        ("x-accel-expires 0", False),
        ("x-accel-expires 60", True),
    ],
)
async def test_the_service_may_forbid_that_its_answer_is_kept(edge: RealIngress, header: str, kept: bool) -> None:
    before = len(edge.backends["auth"].seen)
    for _ in range(2):
        assert (await edge.get("cached.test", x_token=f"quiet-{header}", x_answers=header)).status == 401
    assert len(edge.backends["auth"].seen) - before == (1 if kept else 2)


async def test_protection_without_its_object_is_no_open_door(edge: RealIngress) -> None:
    assert (await edge.get("lost.test", x_token="good")).status == 503


async def test_one_of_addresses_and_users_or_both(edge: RealIngress) -> None:
    known, unknown = {"x_forwarded_for": ADDRESS}, {"x_forwarded_for": OTHER}
    user = {"authorization": basic("ann")}
    assert (await edge.get("any.test", **known)).status == 200
    assert (await edge.get("any.test", **unknown, **user)).status == 200
    assert (await edge.get("any.test", **unknown)).status == 401
    assert (await edge.get("none.test", **unknown)).status == 401, "not to be denied is not enough"
    assert (await edge.get("none.test", **unknown, **user)).status == 200
    challenge = "/.well-known/acme-challenge/x"
    assert (await edge.get("none.test", challenge, **known)).status == 403, "without users addresses are the only check"
    assert (await edge.get("none.test", challenge, **unknown)).status == 200
    assert (await edge.get("all.test", **known, **user)).status == 200
    assert (await edge.get("all.test", **known)).status == 401
    assert (await edge.get("all.test", **unknown, **user)).status == 403


async def test_rates_hold_but_for_exempt_clients(edge: RealIngress) -> None:
    answers = [(await edge.get("rates.test", x_forwarded_for=OTHER)).status for _ in range(8)]
    assert answers[:2] == [200, 200]
    assert 503 in answers
    free = [(await edge.get("rates.test", x_forwarded_for=ADDRESS)).status for _ in range(8)]
    assert set(free) == {200}


async def test_requests_at_the_same_time_are_counted_by_client(edge: RealIngress) -> None:
    gate = edge.backends["web"].gate
    first = [asyncio.ensure_future(edge.get("busy.test", "/wait", x_forwarded_for=OTHER)) for _ in range(2)]
    while sum(one.path == "/wait" for one in edge.backends["web"].seen) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert (await edge.get("busy.test", x_forwarded_for=OTHER)).status == 503
    assert (await edge.get("busy.test", x_forwarded_for=ADDRESS)).status == 200
    first[0].cancel()  # a client that goes away is not counted any more
    async with asyncio.timeout(60):
        while (await edge.get("busy.test", x_forwarded_for=OTHER)).status == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    gate.set()
    assert (await first[1]).status == 200
    assert {(await edge.get("busy.test", x_forwarded_for=OTHER)).status for _ in range(5)} == {200}


async def test_clients_of_the_allowlist_have_any_number_of_connections(edge: RealIngress) -> None:
    wanted = {ADDRESS: 200, "2001:db8::1": 200, "2001:db8:7fff:1::": 200}
    wanted |= {OTHER: 503, "192.0.2.8": 503, "2001:db8:8000::1": 503, "2001:db9::": 503, "::1": 503}
    backend = edge.backends["web"]
    backend.gate.clear()
    before = sum(one.path == "/wait" for one in backend.seen)
    first = [asyncio.ensure_future(edge.get("spared.test", "/wait", x_forwarded_for=one)) for one in wanted]
    while sum(one.path == "/wait" for one in backend.seen) < before + len(wanted):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    found = {one: (await edge.get("spared.test", x_forwarded_for=one)).status for one in wanted}
    backend.gate.set()
    assert found == wanted
    assert {(await one).status for one in first} == {200}


async def test_a_page_in_place_of_a_refusal_lets_nobody_pass(edge: RealIngress) -> None:
    """CVE-2026-24513: where the page of an error answered 401 itself, the refusal was lost."""
    before, pages = len(edge.backends["web"].seen), len(edge.backends["proxy"].seen)
    for token in ("", "bad", "down", "moved"):
        found = await edge.get("pages.test", "/secret", x_token=token)
        assert found.status in {401, 403, 500}
    assert len(edge.backends["web"].seen) == before
    assert len(edge.backends["proxy"].seen) > pages, "there was a page"
    assert (await edge.get("pages.test", "/secret", x_token="good")).status == 200
    assert len(edge.backends["web"].seen) == before + 1


async def test_large_bodies_are_not_buffered_and_have_their_limit(edge: RealIngress) -> None:
    found = await edge.get("large.test", method="POST", body="x" * (1 << 20))
    assert (found.status, len(found.received.body)) == (200, 1 << 20)
    assert (await edge.get("large.test", method="POST", content_length="20971521")).status == 413
    assert (await edge.get("stream.test", method="POST", body="x" * 1024)).status == 200
    assert (await edge.get("stream.test", method="POST", body="x" * 1025)).status == 413
