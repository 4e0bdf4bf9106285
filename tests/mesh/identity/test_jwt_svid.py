"""Tokens of workloads: what is in one, and each reason why one is not valid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podwire.mesh.identity import jwt_svid
from podwire.pki.jwt import SigningKey, TokenError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRONT = "spiffe://cluster.local/ns/shop/sa/front"
KEY, OTHER = SigningKey.create(), SigningKey.create()
KEYS = jwt_svid.key_set(one.pem().decode() for one in (OTHER, KEY))
END = NOW + jwt_svid.LIFETIME
CLAIMS = {"sub": FRONT, "aud": ["db"], "exp": END.timestamp()}


def check(token: str, now: datetime = NOW, keys: str = KEYS) -> jwt_svid.Token:
    return jwt_svid.check(token, "db", "cluster.local", keys, now)


def test_a_token_is_valid_for_each_of_its_audiences() -> None:
    token = jwt_svid.sign(KEY, FRONT, ["web", "db"], NOW, END)
    found = check(token)
    assert found.id == FRONT
    assert found.claims == {"sub": FRONT, "aud": ["web", "db"], "iat": NOW.timestamp(), "exp": END.timestamp()}
    assert jwt_svid.check(token, "web", "cluster.local", KEYS, NOW).id == FRONT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": ["web"]}, "for another audience"),
        ({"aud": None}, "for another audience"),
        ({"exp": None}, "expired"),
        ({"exp": (NOW - timedelta(minutes=2)).timestamp()}, "expired"),
        ({"sub": None}, "no subject"),
        ({"sub": "front"}, "subject"),
        ({"sub": FRONT.replace("cluster.local", "elsewhere")}, "another trust domain"),
    ],
)
def test_anything_else_is_not(changes: dict[str, Any], reason: str) -> None:
    assert check(KEY.sign(CLAIMS)).id == FRONT
    with pytest.raises(TokenError, match=reason):
        check(KEY.sign({**CLAIMS, **changes}))


def test_it_ends_with_its_life_and_a_leeway_for_clocks() -> None:
    token = KEY.sign(CLAIMS)
    assert check(token, END + jwt_svid.LEEWAY).id == FRONT
    with pytest.raises(TokenError, match="expired"):
        check(token, END + jwt_svid.LEEWAY + timedelta(seconds=1))


def test_only_keys_of_the_bundle_count() -> None:
    with pytest.raises(TokenError, match="not known"):
        check(SigningKey.create().sign(CLAIMS))
    with pytest.raises(TokenError, match="not known"):
        check(KEY.sign(CLAIMS), keys="")
    with pytest.raises(TokenError, match="no JSON Web Token"):
        check("token")


@pytest.mark.parametrize("audiences", [[], [""], ["a"] * 17, ["a" * 513]])
def test_audiences_that_no_token_can_have(audiences: list[str]) -> None:
    assert jwt_svid.problem(["db"]) == ""
    assert jwt_svid.problem(audiences)
