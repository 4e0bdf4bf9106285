"""A workload's token (JWT-SVID): what it contains, and who a valid one is. Pure.

Source: JWT-SVID.md of github.com/spiffe/spiffe; each is signed by ES256.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from podwire.mesh.identity.spiffe import SpiffeError, parse
from podwire.pki import jwt
from podwire.pki.jwt import SigningKey, TokenError, VerifyingKey

LIFETIME = timedelta(minutes=5)
"""A token cannot be revoked, so it is short."""
LEEWAY = timedelta(minutes=1)
"""Of the clock of who verifies."""
MOST_AUDIENCES, LONGEST_AUDIENCE = 16, 512


class Token(msgspec.Struct, frozen=True):
    """A token that is valid, and whose it is."""

    id: str
    claims: dict[str, Any]


def problem(audiences: Iterable[str]) -> str:
    """Return why no token can be for these audiences; empty: it can."""
    found = tuple(audiences)
    if not found or not all(found):
        return "a token needs an audience: name who is going to verify it"
    if len(found) > MOST_AUDIENCES or any(len(one) > LONGEST_AUDIENCE for one in found):
        return f"more than {MOST_AUDIENCES} audiences, or one of more than {LONGEST_AUDIENCE} characters"
    return ""


def sign(key: SigningKey, spiffe_id: str, audiences: Iterable[str], now: datetime, end: datetime) -> str:
    """Return a token of an identity."""
    claims = {"sub": spiffe_id, "aud": list(audiences), "iat": int(now.timestamp()), "exp": int(end.timestamp())}
    return key.sign(claims)


def key_set(keys: Iterable[str]) -> str:
    """Return the JSON Web Key Set of private keys (PEM): the public ones."""
    found = [SigningKey.load(one.encode()).public.jwk() for one in keys]
    # A bundle of the Workload API has keys for tokens only: SPIRE's have no "use" either.
    return msgspec.json.encode({"keys": [{k: v for k, v in one.items() if k != "use"} for one in found]}).decode()


def check(token: str, audience: str, trust_domain: str, keys: str, now: datetime) -> Token:
    """Return whose a token is. Raises TokenError where it is not valid for this audience now."""
    claims = _key(jwt.key_id(token), keys).verify(token)
    subject, end, audiences = claims.get("sub"), claims.get("exp"), claims.get("aud")
    if not isinstance(subject, str):
        raise TokenError("the token has no subject")
    try:
        found = parse(subject)
    except SpiffeError as error:
        raise TokenError(f"the token's subject: {error}") from None
    if found.trust_domain != trust_domain:
        raise TokenError(f"the token is of another trust domain than {trust_domain}")
    if not isinstance(end, int | float) or now.timestamp() > end + LEEWAY.total_seconds():
        raise TokenError("the token has expired")
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise TokenError("the token is for another audience")
    return Token(subject, claims)


def _key(name: str, keys: str) -> VerifyingKey:
    for one in msgspec.json.decode(keys or '{"keys":[]}')["keys"]:
        if one.get("kid") == name:
            return VerifyingKey.of_jwk(one)
    raise TokenError("the token is signed by a key that is not known here")
