from __future__ import annotations

import base64
import json

import pytest

from podwire.pki.jwt import LONGEST_TOKEN, SigningKey, TokenError

KEY = SigningKey.create()
CLAIMS = {"iss": "here", "n": 1, "list": ["a"]}


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_a_key_believes_what_it_signed() -> None:
    assert KEY.public.verify(KEY.sign(CLAIMS)) == CLAIMS
    assert SigningKey.load(KEY.pem()).public.verify(KEY.sign(CLAIMS)) == CLAIMS


def test_another_key_does_not() -> None:
    with pytest.raises(TokenError, match="not known here"):
        SigningKey.create().public.verify(KEY.sign(CLAIMS))


def with_header(**header: str) -> str:
    """A token whose signature is right, under another header."""
    return f"{part({'alg': 'ES256', 'kid': KEY.id, **header})}.{KEY.sign(CLAIMS).partition('.')[2]}"


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "no JSON Web Token"),
        ("a.b", "no JSON Web Token"),
        ("a.b.c.d", "no JSON Web Token"),
        ("ä.b.c", "no JSON Web Token"),
        ("a" * LONGEST_TOKEN + ".b.c", "no JSON Web Token"),
        ("!.b.c", "no base64url"),
        (f"{part(b'no json')}.b.c", "no JSON"),
        (f"{part([])}.b.c", "no JSON object"),
        (f"{part(b'[' * 5000)}.b.c", "no JSON"),
        (with_header(alg="none"), "not signed by ES256"),
        (with_header(alg="HS256"), "not signed by ES256"),
        (with_header(crit="x"), "not signed by ES256"),
        (with_header(kid="other"), "not known here"),
        (with_header(typ="JWT"), "signature is wrong"),
        (KEY.sign(CLAIMS).rpartition(".")[0] + ".", "wrong length"),
        (KEY.sign(CLAIMS).rpartition(".")[0] + f".{part(bytes(64))}", "signature is wrong"),
    ],
)
def test_anything_else_is_refused(token: str, message: str) -> None:
    with pytest.raises(TokenError, match=message):
        KEY.public.verify(token)


def test_changed_claims_are_refused() -> None:
    head, _, signature = KEY.sign(CLAIMS).split(".")
    with pytest.raises(TokenError, match="signature is wrong"):
        KEY.public.verify(f"{head}.{part({**CLAIMS, 'n': 2})}.{signature}")


def test_a_key_of_another_kind_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="P-256"):
        SigningKey.load(other)


def test_the_public_key_has_nothing_private() -> None:
    jwk = KEY.public.jwk()
    assert set(jwk) == {"use", "kty", "kid", "crv", "alg", "x", "y"}
    assert (jwk["kid"], jwk["alg"], jwk["crv"]) == (KEY.id, "ES256", "P-256")
