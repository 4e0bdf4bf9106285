"""Random policies, connections and requests: Envoy decides as the rules' meaning says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from podwire.edge.model import paths
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.decision import connection_decision, needs_requests, request_decision
from podwire.mesh.authorization.model import Connection, Policy, Request
from podwire.mesh.authorization.tokens import TokenPolicy
from podwire.mesh.kinds.authorization_policy import (
    AuthorizationPolicy,
    AuthorizationPolicySpec,
    AuthorizationRule,
    RuleOperation,
    RuleSource,
)
from tests.mesh.authorization.random_policies import CLAIMS, HOSTS, METHODS, PATHS, Dice
from tests.mesh.envoy.authorized_envoy import BANNER, HTTP, Authorized, Keys, authorized, issuer

WORKLOADS = 25
QUESTIONS = 8


def as_read(path: str, host: str, method: str, roles: tuple[str, ...], claims: dict[str, object] | None) -> Request:
    """Return a request as Envoy has it after normalisation."""
    headers = tuple(("x-role", one.strip(" ")) for one in roles)
    return Request(method, paths.normalised(path.partition("?")[0]), host, headers, claims)


async def check_request(
    dice: Dice, signed: Sequence[str], envoy: Authorized, number: int, policies: tuple[Policy, ...]
) -> str:
    connection = dice.connection()
    host, path, method, roles = dice.one(HOSTS), dice.one(PATHS), dice.one(METHODS), dice.role_lines()
    number_of_token = dice.one((None, *range(len(CLAIMS))))
    claims = None if number_of_token is None else CLAIMS[number_of_token]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Content-Length: 0", *(f"X-Role: {one}" for one in roles)]
    if number_of_token is not None:
        lines.append(f"Authorization: Bearer {signed[number_of_token]}")
    request = as_read(path, host, method, roles, claims)
    is_read = connection.port in HTTP and needs_requests(policies, connection.port)
    first = connection_decision(policies, connection, reads_requests=is_read)
    reported = "\n".join(map(repr, (connection, request, roles, *policies)))
    if not is_read:
        seen = await envoy.banner(number, connection)
        assert seen == (BANNER if first.allowed else b""), f"{first}\n{reported}"
        return f"connection {first.outcome}"
    status = await envoy.status(number, connection, lines)
    expected = request_decision(policies, connection, request)
    wanted = (200 if expected.allowed else 403) if first.allowed else 0
    assert status == wanted, f"{status}, not {wanted}: {first} {expected}\n{reported}"
    assert first.allowed or not expected.allowed, "what refuses a connection refuses all its requests"
    return f"request {expected.outcome}" if first.allowed else "refused before requests"


async def agree(tmp_path: Path, seed: int, workloads: int, questions: int) -> set[str]:
    dice, keys = Dice(seed), Keys()
    policies = [dice.policies(number) for number in range(workloads)]
    tokens = [TokenPolicy(NamespacedName("shop", "tokens"), (issuer(keys),))]
    signed = [keys.token(one) for one in CLAIMS]
    found: set[str] = set()
    async with authorized(tmp_path, policies, tokens) as envoy:
        for number in range(workloads):
            requested = (check_request(dice, signed, envoy, number, policies[number]) for _ in range(questions))
            found.update(await asyncio.gather(*requested))
    return found


async def test_envoy_decides_as_the_meaning_of_policies_says(tmp_path: Path) -> None:
    outcomes = await agree(tmp_path, 16, WORKLOADS, QUESTIONS)
    assert outcomes >= {
        "connection allowed", "connection denied", "connection not allowed", "connection no policy",
        "request allowed", "request denied", "request not allowed", "refused before requests",
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10))
async def test_envoy_decides_so_in_thousands_of_cases(tmp_path: Path, seed: int) -> None:
    assert len(await agree(tmp_path, seed, 150, 20)) > 5


async def test_a_server_that_speaks_first_says_nothing_to_a_denied_client(tmp_path: Path) -> None:
    """Envoy's filter RBAC decides with the first byte of a client, when the server was connected long since."""
    nothing_allowed = Policy(NamespacedName("shop", "deny"))
    async with authorized(tmp_path, [[nothing_allowed], []]) as envoy:
        assert await envoy.banner(0, Connection("10.1.0.1", 5432)) == b""
        assert await envoy.banner(1, Connection("10.1.0.1", 5432)) == BANNER


async def test_a_rule_may_have_more_identities_and_paths_than_a_short_expression_has(tmp_path: Path) -> None:
    """Envoy refuses expressions of more than 100 instructions unless its runtime says otherwise."""
    wanted = "spiffe://cluster.local/ns/shop/sa/web"
    names = (RuleSource(identities=(*(f"other/account-{n}" for n in range(60)), "shop/web")),)
    operations = (RuleOperation(paths=(*(f"/{{*}}/part-{n}/{{**}}" for n in range(40)), "/in")),)
    rule = AuthorizationRule(sources=names, operations=operations)
    policy = AuthorizationPolicy(
        metadata=ObjectMeta(name="long", namespace="shop"), spec=AuthorizationPolicySpec(rules=(rule,))
    )
    async with authorized(tmp_path, [[reading.read(policy).policy]]) as envoy:
        for identity, path, status in ((wanted, "/in", 200), (wanted, "/out", 403), (f"{wanted}-2", "/in", 0)):
            lines = [f"GET {path} HTTP/1.1", "Host: a", "Content-Length: 0"]
            assert await envoy.status(0, Connection("10.1.0.1", min(HTTP), identity), lines) == status
