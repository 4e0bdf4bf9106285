"""Certificates that an authority has signed through intermediate authorities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from podwire.pki.certificates import Authority, KeyPair

LIFETIME = timedelta(days=1)


class Chain(msgspec.Struct, frozen=True):
    """The root's certificate, the last authority below it, and the certificates between both (PEM)."""

    root: bytes
    last: Authority
    between: bytes

    @classmethod
    def create(cls, name: str, intermediates: int) -> Chain:
        """A new root with so many authorities below it, each of which the one before has signed."""
        first, *further = _authorities(name, intermediates)
        return cls(first.certificate, Authority.load((further or [first])[-1]), _joined(further))

    def client(self, user: str) -> KeyPair:
        """Return the certificate of a user, with those between."""
        return self._whole(self.last.client(user))

    def server(self, name: str) -> KeyPair:
        """Return the certificate of a server, with those between."""
        return self._whole(self.last.server((name,), ()))

    def _whole(self, pair: KeyPair) -> KeyPair:
        return KeyPair(pair.certificate + self.between, pair.key)


def _joined(pairs: list[KeyPair]) -> bytes:
    return b"".join(one.certificate for one in reversed(pairs))


def _authorities(name: str, intermediates: int) -> list[KeyPair]:
    found = []
    subject, key = _name(f"{name} 0"), ec.generate_private_key(ec.SECP256R1())
    issuer, signer = subject, key
    for number in range(intermediates + 1):
        found.append(_authority(subject, key, issuer, signer))
        issuer, signer = subject, key
        subject, key = _name(f"{name} {number + 1}"), ec.generate_private_key(ec.SECP256R1())
    return found


def _authority(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey
) -> KeyPair:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFETIME)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(made.public_bytes(Encoding.PEM), secret)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
