"""Ways round rules about requests that other meshes had, by their published names, against a real Envoy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from podwire.kube.meta import NamespacedName
from podwire.mesh.authorization import pattern
from podwire.mesh.authorization.model import (
    Action,
    ClaimCondition,
    Connection,
    HeaderCondition,
    Issued,
    Operation,
    Policy,
    Rule,
    Source,
)
from podwire.mesh.authorization.tokens import Issuer, TokenPolicy
from tests.mesh.envoy.authorized_envoy import Authorized, Keys, authorized, issuer

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = NamespacedName("shop", "p")
CLIENT = Connection("10.1.0.1", 80, "spiffe://cluster.local/ns/shop/sa/web")
KEYS, OTHER_KEYS = Keys(), Keys()
CLAIMS = {"iss": "https://id.test", "sub": "ann", "groups": ["admin"]}


def paths(*texts: str) -> tuple[Operation, ...]:
    return (Operation(paths=tuple(pattern.read_path(one) for one in texts)),)


DENY_PATH, ALLOW_PATH, DENY_HEADER, ALLOW_HEADER, ALLOW_CLAIM, DENY_OTHERS, ALLOW_IDENTITY = range(7)
WORKLOADS = (
    (Policy(KEY, Action.DENY, (Rule(operations=paths("/admin", "/admin/*")),)),),
    (Policy(KEY, rules=(Rule(operations=paths("/public/*")),)),),
    (Policy(KEY, Action.DENY, (Rule(conditions=(HeaderCondition("x-role", (pattern.read("guest"),)),)),)),),
    (Policy(KEY, rules=(Rule(conditions=(HeaderCondition("x-role", (pattern.read("admin"),)),)),)),),
    (Policy(KEY, rules=(Rule(conditions=(ClaimCondition(("groups",), (pattern.read("admin"),)),)),)),),
    (
        Policy(
            KEY,
            Action.DENY,
            (Rule((Source(not_tokens=(Issued(pattern.read("https://id.test"), pattern.read("*")),)),)),),
        ),
    ),
    (
        Policy(
            KEY,
            rules=(
                Rule(
                    (Source(identities=(pattern.read("spiffe://cluster.local/ns/shop/sa/web"),)),),
                    (Operation(methods=(pattern.read("GET"),)),),
                ),
            ),
        ),
    ),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def envoy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Authorized]:
    without_keys = Issuer("https://away.test", keys_url="https://away.test/keys")
    unreadable = Issuer("https://unreadable.test", keys='{"keys": [{"kty": "EC"}]}')
    tokens = TokenPolicy(KEY, (issuer(KEYS), without_keys, unreadable))
    async with authorized(tmp_path_factory.mktemp("threats"), WORKLOADS, [tokens]) as found:
        yield found


async def get(envoy: Authorized, number: int, path: str = "/", *headers: str, client: Connection = CLIENT) -> int:
    return await envoy.status(number, client, [f"GET {path} HTTP/1.1", "Host: a.test", *headers])


@pytest.mark.parametrize(
    "path",
    [
        "/admin", "/admin/x", "/x/../admin", "/x/%2e%2e/admin", "//admin", "/./admin", "/%61dmin", "/x/..;/admin",
        "/admin;x=1", "/ADMIN", "/x\\..\\admin", "/admin?x", "/%2561dmin/%252e%252e/admin", "http://a.test/admin",
        "/x/..%2fadmin", "/x/..%5cadmin", "/x%00/../admin", "/admin#x",
    ],
)  # fmt: skip
async def test_go_2024_2653_a_denied_path_is_denied_in_each_way_of_writing_it(envoy: Authorized, path: str) -> None:
    assert await get(envoy, DENY_PATH, path) in (400, 403, 307)
    assert await get(envoy, DENY_PATH, "/x") == 200


@pytest.mark.parametrize(
    "path", ["/public/../admin", "/public/..;/admin", "/public/%2e%2e/admin", "/public", "/PUBLIC/x"]
)
async def test_an_allowed_path_is_allowed_in_one_way_of_writing_it(envoy: Authorized, path: str) -> None:
    assert await get(envoy, ALLOW_PATH, path) == 403
    assert await get(envoy, ALLOW_PATH, "/public/./x") == 200


@pytest.mark.parametrize(
    "lines",
    [
        ("X-Role: guest",), ("X-Role: admin", "X-Role: guest"), ("X-Role: guest", "X-Role: admin"),
        ("X-Role: admin, guest",), ("x-role: GUEST",), ("X-Role:   guest  ",), ("X_Role: guest",),
    ],
)  # fmt: skip
async def test_go_2023_1785_a_denied_header_is_denied_in_each_line(envoy: Authorized, lines: tuple[str, ...]) -> None:
    assert await get(envoy, DENY_HEADER, "/", *lines) in (400, 403)
    assert await get(envoy, DENY_HEADER, "/", "X-Role: admin") == 200


@pytest.mark.parametrize(
    "lines", [(), ("X-Role: admin", "X-Role: guest"), ("X-Role: guest", "X-Role: admin"), ("X-Role: admin,guest",)]
)
async def test_go_2023_1785_an_allowed_header_has_no_other_value(envoy: Authorized, lines: tuple[str, ...]) -> None:
    assert await get(envoy, ALLOW_HEADER, "/", *lines) == 403
    assert await get(envoy, ALLOW_HEADER, "/", "X-Role: admin", "X-Role: admin") == 200


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


async def test_a_token_is_verified_before_its_claims_count(envoy: Authorized) -> None:
    good = KEYS.token(CLAIMS)
    assert await get(envoy, ALLOW_CLAIM, "/", bearer(good)) == 200
    assert await get(envoy, ALLOW_CLAIM) == 403
    head, _, signature = good.split(".")
    forged = ".".join((head, OTHER_KEYS.token({**CLAIMS, "sub": "eve"}).split(".")[1], signature))
    unsigned = KEYS.token(CLAIMS, alg="none").rpartition(".")[0] + "."
    for token in (
        OTHER_KEYS.token(CLAIMS),
        forged,
        unsigned,
        KEYS.token(CLAIMS, alg="HS256"),
        KEYS.token({**CLAIMS, "exp": 1}),
        KEYS.token({**CLAIMS, "nbf": 3_900_000_000}),
        KEYS.token({**CLAIMS, "iss": "https://evil.test"}),
        "x",
    ):
        assert await get(envoy, ALLOW_CLAIM, "/", bearer(token)) == 401, token


async def test_a_token_whose_issuers_keys_cannot_be_read_is_refused(envoy: Authorized) -> None:
    for name in ("away", "unreadable"):
        token = KEYS.token({**CLAIMS, "iss": f"https://{name}.test"})
        assert await get(envoy, ALLOW_CLAIM, "/", bearer(token)) == 401


async def test_a_rule_against_who_has_no_token_denies_who_has_none(envoy: Authorized) -> None:
    assert await get(envoy, DENY_OTHERS) == 403
    assert await get(envoy, DENY_OTHERS, "/", bearer(KEYS.token(CLAIMS))) == 200


async def test_a_header_is_no_identity(envoy: Authorized) -> None:
    names = ("X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/shop/sa/web", "X-Forwarded-For: 10.1.0.1")
    stranger = Connection("10.1.0.1", 80)
    assert await get(envoy, ALLOW_IDENTITY, "/", *names, client=stranger) == 0
    assert await get(envoy, ALLOW_IDENTITY) == 200


async def test_connections_of_two_identities_at_once_do_not_exchange_them(envoy: Authorized) -> None:
    stranger = Connection("10.1.0.1", 80)
    found = await asyncio.gather(
        *(get(envoy, ALLOW_IDENTITY, client=one) for _ in range(50) for one in (CLIENT, stranger))
    )
    assert found == [200, 0] * 50
