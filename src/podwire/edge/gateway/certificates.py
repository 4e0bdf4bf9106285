"""Certificates in Secrets and authorities in ConfigMaps: resolved, or why they are not. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from podwire.edge.gateway.grants import Referrer, permits, remedy
from podwire.edge.gateway.kinds.references import ObjectReference, SecretObjectReference
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.tls import Authorities, Certificate
from podwire.kube.meta import NamespacedName

CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"
LEAST_RSA_BITS = 2048
KNOWN_TEXTS = 4096
"""Certificates that were read before: to read one takes a millisecond or more."""
CURVES = ("secp256r1", "secp384r1", "secp521r1")


class Unresolved(msgspec.Struct, frozen=True):
    """A reference that resolves to nothing usable. `reason` is that of the condition ResolvedRefs."""

    reason: str
    message: str


class Subject(msgspec.Struct, frozen=True):
    """The names that a certificate is for, and when it ends."""

    names: tuple[str, ...]
    ends: datetime

    def is_for(self, host: str) -> bool:
        """Whether a host is one of the names, or one label under one (RFC 9525, 6.3)."""
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names


def certificate(
    reference: SecretObjectReference, referrer: Referrer, objects: Objects, invalid: str = "InvalidCertificateRef"
) -> Certificate | Unresolved:
    """Return the certificate that a reference names, or why there is none; `invalid` is the reason for most."""
    if not reference.is_secret:
        given = f"{reference.group or 'core'}/{reference.kind}"
        return Unresolved(invalid, f"{reference.name}: kind {given} is not supported: refer to a Secret")
    key = reference.key(referrer.namespace)
    if not permits(objects.grants_of(key.namespace), referrer, "Secret", key):
        return Unresolved("RefNotPermitted", f"Secret {key} is not permitted: {remedy(referrer, 'Secret', key)}")
    found = objects.secrets.get(key)
    if found is None:
        return Unresolved(invalid, f"Secret {key} does not exist: create it with type kubernetes.io/tls")
    texts = [secret_text(found.data.get(name, "")) for name in (CERTIFICATE, KEY)]
    for name, text in zip((CERTIFICATE, KEY), texts, strict=True):
        if not text:
            return Unresolved(
                invalid, f"Secret {key} has no PEM text in data[{name}]: create it with type kubernetes.io/tls"
            )
    fault = pair_fault(*texts)
    if fault:
        return Unresolved(invalid, f"Secret {key}: {fault}")
    return Certificate(f"Secret/{key}", *texts)


def config_map_authorities(key: NamespacedName, objects: Objects) -> Authorities | Unresolved:
    """Return the authorities in a ConfigMap's `ca.crt`, or why there are none."""
    found = objects.config_maps.get(key)
    if found is None:
        return Unresolved(
            "InvalidCACertificateRef", f"ConfigMap {key} does not exist: create it with data[{AUTHORITIES}]"
        )
    text = found.data.get(AUTHORITIES, "")
    if not _certificates(text):
        problem = (
            f"ConfigMap {key} has no PEM certificate in data[{AUTHORITIES}]: set it to the authority's certificate"
        )
        return Unresolved("InvalidCACertificateRef", problem)
    return Authorities(f"ConfigMap/{key}", text)


def secret_authorities(key: NamespacedName, objects: Objects) -> Authorities | Unresolved:
    """Return the authorities in a Secret's `ca.crt`, or why there are none."""
    found = objects.secrets.get(key)
    if found is None:
        return Unresolved("InvalidCACertificateRef", f"Secret {key} does not exist: create it with data[{AUTHORITIES}]")
    text = secret_text(found.data.get(AUTHORITIES, ""))
    if not _certificates(text):
        problem = f"Secret {key} has no PEM certificate in data[{AUTHORITIES}]: set it to the authority's certificate"
        return Unresolved("InvalidCACertificateRef", problem)
    return Authorities(f"Secret/{key}", text)


def authorities(
    references: Iterable[ObjectReference], referrer: Referrer, objects: Objects
) -> tuple[Authorities | None, tuple[Unresolved, ...]]:
    """Return all authorities that the references name, as one bundle, or None, and what is not resolved."""
    resolved = [_authority(one, referrer, objects) for one in references]
    found = [one for one in resolved if isinstance(one, Authorities)]
    problems = tuple(one for one in resolved if isinstance(one, Unresolved))
    if not found:
        return None, problems
    bundle = "\n".join(one.bundle.rstrip("\n") for one in found) + "\n"
    return Authorities("+".join(one.name for one in found), bundle), problems


@lru_cache(maxsize=KNOWN_TEXTS)
def pair_fault(chain: str, key: str) -> str:
    """Return what is wrong with a certificate chain and its key, both PEM; empty where they belong together.

    cryptography is imported late: it takes 37 ms.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    found = _certificates(chain)
    if not found:
        return f"data[{CERTIFICATE}] is no PEM certificate: replace it"
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return f"data[{KEY}] is no PEM private key without password: replace it"
    if fault := _key_fault(private):
        return f"data[{KEY}] {fault}, which Envoy does not take: use RSA of 2048 bits or more, or ECDSA on P-256"
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != found[0]:
        return f"data[{KEY}] is not the key of data[{CERTIFICATE}]: replace one of them"
    return ""


def _key_fault(key: Any) -> str:
    """Return what is wrong with a private key for Envoy, which would refuse it and wait with the whole port."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key:
        case rsa.RSAPrivateKey():
            return f"is RSA of {key.key_size} bits" if key.key_size < LEAST_RSA_BITS else ""
        case ec.EllipticCurvePrivateKey():
            return f"is ECDSA on {key.curve.name}" if key.curve.name not in CURVES else ""
        case ed25519.Ed25519PrivateKey():
            return ""
        case _:
            return f"is a {type(key).__name__.strip('_')}"


@lru_cache(maxsize=KNOWN_TEXTS)
def subject(chain: str) -> Subject:
    """Return whom the first certificate of a chain, which is PEM, is for. Raises ValueError where there is none."""
    from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName, load_pem_x509_certificate
    from cryptography.x509.oid import NameOID

    found = load_pem_x509_certificate(chain.encode())
    try:
        extension = found.extensions.get_extension_for_class(SubjectAlternativeName)
        names = tuple(extension.value.get_values_for_type(DNSName))
    except ExtensionNotFound:
        names = tuple(str(one.value) for one in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    return Subject(tuple(one.lower() for one in names), found.not_valid_after_utc)


@lru_cache(maxsize=KNOWN_TEXTS)
def _certificates(text: str) -> tuple[bytes, ...]:
    """Return the public keys (DER) of the certificates in a PEM text; empty where it cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_pem_x509_certificates

    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        return tuple(one.public_key().public_bytes(*form) for one in load_pem_x509_certificates(text.encode()))
    except (ValueError, UnsupportedAlgorithm):
        return ()


def _authority(reference: ObjectReference, referrer: Referrer, objects: Objects) -> Authorities | Unresolved:
    key = reference.key(referrer.namespace)
    if not reference.is_config_map:
        given = f"{reference.group or 'core'}/{reference.kind}"
        return Unresolved("InvalidCACertificateKind", f"{given} {key}: kind is not supported: refer to a ConfigMap")
    if not permits(objects.grants_of(key.namespace), referrer, "ConfigMap", key):
        return Unresolved("RefNotPermitted", f"ConfigMap {key} is not permitted: {remedy(referrer, 'ConfigMap', key)}")
    return config_map_authorities(key, objects)


def secret_text(encoded: str) -> str:
    """Return the text of a Secret's value; empty where it is none."""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
