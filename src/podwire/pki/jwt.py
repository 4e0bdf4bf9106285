"""Signed tokens: JSON Web Tokens (RFC 7519) in compact form (RFC 7515), ES256 (RFC 7518) and nothing else.

cryptography is imported late: it takes 37 ms.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

ALGORITHM = "ES256"
LONGEST_TOKEN = 16 * 1024
_HALF = 32
"""Bytes of each of the two numbers of a signature."""


class TokenError(Exception):
    """A token is invalid. The text has the reason, never the token."""


class VerifyingKey:
    """A P-256 public key that verifies signatures."""

    def __init__(self, key: EllipticCurvePublicKey) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = key
        self.id = _text(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest())

    @classmethod
    def of_jwk(cls, value: Mapping[str, Any]) -> VerifyingKey:
        """The key of a JSON Web Key; raises ValueError for anything that is no P-256 key."""
        from cryptography.hazmat.primitives.asymmetric import ec

        if value.get("kty") != "EC" or value.get("crv") != "P-256":
            raise ValueError("the JSON Web Key is no P-256 key")
        try:
            x, y = (int.from_bytes(_bytes(value[name]), "big") for name in ("x", "y"))
        except (KeyError, TypeError, TokenError):
            raise ValueError("the JSON Web Key has no x and y") from None
        return cls(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())

    def jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key (RFC 7517)."""
        numbers = self._key.public_numbers()
        x, y = (_text(number.to_bytes(_HALF, "big")) for number in (numbers.x, numbers.y))
        return {"use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": ALGORITHM, "x": x, "y": y}

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that this key signed; raises TokenError. Times and audiences are not looked at."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        head, payload, signature = _parts(token)
        header = _object(head)
        if header.get("alg") != ALGORITHM or "crit" in header:
            raise TokenError(f"the token is not signed by {ALGORITHM}")
        if header.get("kid") != self.id:
            raise TokenError("the token is signed by a key that is not known here")
        numbers = _bytes(signature)
        if len(numbers) != 2 * _HALF:
            raise TokenError("the token's signature has a wrong length")
        r, s = int.from_bytes(numbers[:_HALF], "big"), int.from_bytes(numbers[_HALF:], "big")
        try:
            signed = f"{head}.{payload}".encode()
            self._key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise TokenError("the token's signature is wrong") from None
        return _object(payload)


class SigningKey:
    """A P-256 key that signs tokens. `public` verifies them."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = VerifyingKey(key.public_key())

    @property
    def id(self) -> str:
        """The id of the public key."""
        return self.public.id

    @classmethod
    def create(cls) -> SigningKey:
        """A new key."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, pem: bytes) -> SigningKey:
        """The key of a PEM file; raises ValueError for anything that is no P-256 key."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("the key for tokens is no P-256 key: create a new one")  # noqa: TRY004
        return cls(key)

    def pem(self) -> bytes:
        """The private key as PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with these claims."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        header = {"alg": ALGORITHM, "kid": self.id}
        signed = f"{_text(msgspec.json.encode(header))}.{_text(msgspec.json.encode(claims))}"
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_text(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"


def key_id(token: str) -> str:
    """The id of the key that a token names; raises TokenError."""
    found = _object(_parts(token)[0]).get("kid")
    if not isinstance(found, str):
        raise TokenError("the token names no key")
    return found


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".")
    if len(token) > LONGEST_TOKEN or len(parts) != 3 or not token.isascii():
        raise TokenError("this is no JSON Web Token")
    return parts[0], parts[1], parts[2]


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenError("a part of the token is no base64url") from None


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(_bytes(text))
    except (ValueError, RecursionError):
        raise TokenError("a part of the token is no JSON") from None
    if not isinstance(value, dict):
        raise TokenError("a part of the token is no JSON object")
    return value
