"""A cluster's certificate authority, and the certificates of its servers and clients: EC P-256.

Client certificates carry the user as common name and the groups as organizations
(k8s.io/apiserver `authentication/request/x509`). cryptography is imported late: it takes 37 ms.
"""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LIFETIME = timedelta(days=3650)
CLOCK_SKEW = timedelta(minutes=5)

SERVER_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)
LOOPBACK = ("127.0.0.1", "::1")


class KeyPair(msgspec.Struct, frozen=True):
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs certificates. Its key is in `pair`; keep it where only the owner can read it."""

    def __init__(self, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self.pair = KeyPair(_certificate_pem(certificate), _key_pem(key))

    @classmethod
    def create(cls, name: str = "podwire") -> Authority:
        """A new self-signed authority."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name, ())
        builder = (
            _builder(subject, subject, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
        )
        return cls(_sign(builder, key, key), key)

    @classmethod
    def load(cls, pair: KeyPair) -> Authority:
        """An authority that was made before; raises ValueError for anything that is no EC key and certificate."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(pair.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is no EC key: create a new authority")  # noqa: TRY004
        return cls(x509.load_pem_x509_certificate(pair.certificate), key)

    def server(
        self,
        names: Iterable[str] = SERVER_NAMES,
        addresses: Iterable[str] = LOOPBACK,
        common_name: str = "kube-apiserver",
    ) -> KeyPair:
        """A certificate for a server that is reached by these names and addresses."""
        from cryptography import x509

        subjects: list[x509.GeneralName] = [x509.DNSName(name) for name in dict.fromkeys(names)]
        subjects.extend(x509.IPAddress(one) for one in dict.fromkeys(map(ipaddress.ip_address, addresses)))
        return self._issue(_name(common_name, ()), x509.SubjectAlternativeName(subjects), server=True)

    def client(self, user: str, groups: Sequence[str] = (), lifetime: timedelta = LIFETIME) -> KeyPair:
        """A certificate that proves to be a user in some groups."""
        return self._issue(_name(user, groups), None, server=False, lifetime=lifetime)

    def _issue(
        self,
        subject: x509.Name,
        names: x509.SubjectAlternativeName | None,
        *,
        server: bool,
        lifetime: timedelta = LIFETIME,
    ) -> KeyPair:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(subject, self._certificate.subject, key, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return KeyPair(_certificate_pem(_sign(builder, key, self._key)), _key_pem(key))


def issued_at(certificate: bytes) -> datetime | None:
    """Return when a certificate (PEM) was made by `Authority`; None for what is no certificate."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_before_utc + CLOCK_SKEW
    except ValueError:
        return None


def write(folder: Path, name: str, pair: KeyPair) -> None:
    """Write `<name>.crt` and `<name>.key`, readable by the owner only."""
    for suffix, content in (("crt", pair.certificate), ("key", pair.key)):
        write_private(folder / f"{name}.{suffix}", content)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that never was readable by others, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)
    fresh.rename(path)


def _name(common: str, organizations: Iterable[str]) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, lifetime: timedelta = LIFETIME
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(
    builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey, signer: EllipticCurvePrivateKey
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    identified = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return identified.sign(signer, hashes.SHA256())


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
