"""Certificates of a chain: a root, intermediate authorities, certificates that name one URI, and lists of revoked ones.

EC P-256 and SHA-256. All authorities permit URIs of one host only (name constraints, RFC 5280 4.2.1.10), so that a
root which is trusted can vouch for no other. cryptography is imported late: it takes 37 ms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from podwire.pki.certificates import CLOCK_SKEW, KeyPair

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey


class Validity(msgspec.Struct, frozen=True):
    """The fields of a certificate."""

    serial: int
    not_before: datetime
    not_after: datetime
    fingerprint: str

    def is_valid(self, now: datetime) -> bool:
        """Whether it is valid now."""
        return self.not_before <= now <= self.not_after


def create_root(host: str, now: datetime, lifetime: timedelta) -> KeyPair:
    """Return a new self-signed root for URIs of one host."""
    from cryptography import x509

    key = _new_key()
    name = _name(f"podwire mesh root {host}", key.public_key())
    builder = _authority(_builder(name, name, key.public_key(), (now - CLOCK_SKEW, now + lifetime)), host, length=1)
    uri = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{host}")])
    return _pair(_sign(builder.add_extension(uri, critical=False), key.public_key(), key), key)


def create_intermediate(root: KeyPair, host: str, now: datetime, lifetime: timedelta) -> KeyPair:
    """Return a new authority that the root vouches for, and that signs leaves; it ends with the root at the latest.

    Raises ValueError for a root that is no certificate with its EC key, or that is not valid now.
    """
    from cryptography import x509

    signer, certificate = _load_key(root.key), _load(root.certificate)
    if not described(root.certificate).is_valid(now):
        raise ValueError("the root certificate is not valid now: check the clock, or create a new root")
    if signer.public_key() != certificate.public_key():
        raise ValueError("the key is not that of the root certificate")
    key = _new_key()
    name = _name(f"podwire mesh intermediate {host}", key.public_key())
    times = (now - CLOCK_SKEW, min(now + lifetime, certificate.not_valid_after_utc))
    builder = _authority(_builder(name, certificate.subject, key.public_key(), times), host, length=0)
    uri = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{host}")])
    return _pair(_sign(builder.add_extension(uri, critical=False), key.public_key(), signer), key)


def sign(
    signer: KeyPair,
    public_key: EllipticCurvePublicKey,
    uri: str,
    times: tuple[datetime, datetime],
    dns_names: Iterable[str] = (),
) -> bytes:
    """Return a certificate (PEM) for client and server authentication whose only URI is this one.

    It is valid between the two times and ends with its signer at the latest. Raises ValueError for a bad signer.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer = _load(signer.certificate)
    names = [x509.UniformResourceIdentifier(uri), *map(x509.DNSName, dns_names)]
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    begin, end = times
    # The subject is empty, so the alternative name is critical (RFC 5280 4.2.1.6).
    builder = (
        _builder(x509.Name([]), issuer.subject, public_key, (begin, min(end, issuer.not_valid_after_utc)))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
    )
    return _pem(_sign(builder, public_key, _load_key(signer.key)))


def request(uri: str) -> tuple[bytes, bytes]:
    """Return a new private key and the request (PKCS #10) for a certificate with this URI, both PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    key = _new_key()
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
    return key_pem(key), builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def requested_key(pem: bytes) -> EllipticCurvePublicKey:
    """Return the public key of a request: nothing else in it is used. Raises ValueError.

    The request is signed by that key, so its sender has the private one.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    found = x509.load_pem_x509_csr(pem)
    key = found.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the key of the request is no P-256 key")  # noqa: TRY004 the input is bad, not the program
    if not found.is_signature_valid:
        raise ValueError("the request is not signed by its own key")
    return key


def revocation_list(signer: KeyPair, serials: Mapping[int, datetime], now: datetime) -> bytes:
    """Return the list (CRL, PEM) of revoked certificates of a signer: serial number and time of revocation.

    Nodes receive each new list at once, so it is valid as long as its signer is: an old list must not stop all
    connections while no new one can be made.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    issuer, key = _load(signer.certificate), _load_key(signer.key)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - CLOCK_SKEW)
        .next_update(max(issuer.not_valid_after_utc, now))
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for serial, moment in sorted(serials.items()):
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build()
        builder = builder.add_revoked_certificate(one)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def revoked_serials(pem: bytes) -> frozenset[int]:
    """Return the serial numbers of all lists in a text. Raises ValueError."""
    from cryptography import x509

    begin = b"-----BEGIN X509 CRL-----"
    lists = [x509.load_pem_x509_crl(begin + part) for part in pem.split(begin)[1:]]
    return frozenset(one.serial_number for found in lists for one in found)


def described(pem: bytes) -> Validity:
    """Return serial number, validity and fingerprint of the first certificate. Raises ValueError."""
    from cryptography.hazmat.primitives.serialization import Encoding

    found = _load(pem)
    digest = hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()
    return Validity(found.serial_number, found.not_valid_before_utc, found.not_valid_after_utc, digest)


def host_of(pem: bytes) -> str:
    """Return the host of the URI that an authority names itself by. Raises ValueError where it has none."""
    from cryptography import x509

    try:
        names = _load(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("it names no trust domain: make it with 'podwire mesh ca init'") from None
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier) or ("",)
    return uri.removeprefix("spiffe://")


def is_signed_by(pem: bytes, authority: bytes) -> bool:
    """Whether the first certificate names the authority's as issuer and has a valid signature of it."""
    from cryptography.exceptions import InvalidSignature

    try:
        _load(pem).verify_directly_issued_by(_load(authority))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def key_pem(key: EllipticCurvePrivateKey) -> bytes:
    """Return the private key as PEM (PKCS #8)."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _authority(builder: x509.CertificateBuilder, host: str, length: int) -> x509.CertificateBuilder:
    from cryptography import x509

    permitted = [x509.UniformResourceIdentifier(host)]
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=length), critical=True)
        .add_extension(_key_usage(is_authority=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
    )


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePublicKey, times: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(times[0])
        .not_valid_after(times[1])
    )


def _sign(
    builder: x509.CertificateBuilder, key: EllipticCurvePublicKey, signer: EllipticCurvePrivateKey
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    own = x509.SubjectKeyIdentifier.from_public_key(key)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        builder.add_extension(own, critical=False).add_extension(issuer, critical=False).sign(signer, hashes.SHA256())
    )


def _name(text: str, key: EllipticCurvePublicKey) -> x509.Name:
    """Return a name that differs between authorities: chains and lists are found by it."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    digest = x509.SubjectKeyIdentifier.from_public_key(key).digest.hex()[:16]
    parts = [(NameOID.ORGANIZATION_NAME, text[:64]), (NameOID.COMMON_NAME, digest)]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _load(pem: bytes) -> x509.Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem)


def _load_key(pem: bytes) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is no EC key")  # noqa: TRY004 the input is bad, not the program
    return key


def _pair(certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(_pem(certificate), key_pem(key))


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)
