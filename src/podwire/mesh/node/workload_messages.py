"""Messages of the SPIFFE Workload API about certificates: texts, bytes and messages of them. Pure.

Sources: workload.proto of github.com/spiffe/go-spiffe v2 (SPIFFE_Workload_API.md); protobuf's "Encoding".
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from podwire.mesh.identity.certificate import Leaf, TrustBundle
from podwire.mesh.identity.spiffe import SCHEME

SERVICE = "SpiffeWorkloadAPI"
HEADER = "workload.spiffe.io"
"""Metadata that each call must have with the value `true`: a page of a browser cannot send it."""
_BYTES = 2
"""Wire type of what has a length."""


def x509_svids(leaf: Leaf, bundle: TrustBundle) -> bytes:
    """Return an X509SVIDResponse with one identity."""
    svid = b"".join(
        (
            field(1, str(leaf.id).encode()),
            field(2, _der(leaf.chain, "CERTIFICATE")),
            field(3, _der(leaf.key, "PRIVATE KEY")),
            field(4, _der(bundle.roots, "CERTIFICATE")),
        )
    )
    return field(1, svid) + _revocations(2, bundle)


def x509_bundles(trust_domain: str, bundle: TrustBundle) -> bytes:
    """Return an X509BundlesResponse: the roots by trust domain."""
    entry = field(1, f"{SCHEME}{trust_domain}".encode()) + field(2, _der(bundle.roots, "CERTIFICATE"))
    return _revocations(1, bundle) + field(2, entry)


def _revocations(number: int, bundle: TrustBundle) -> bytes:
    return b"".join(field(number, one) for one in _ders(bundle.revocations, "X509 CRL"))


def field(number: int, content: bytes) -> bytes:
    """Return a field that has a length: a text, bytes or a message."""
    return bytes([number << 3 | _BYTES]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _der(text: str, label: str) -> bytes:
    """Return the values of a PEM text, one after another."""
    return b"".join(_ders(text, label))


def _ders(text: str, label: str) -> Iterable[bytes]:
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    for part in text.split(begin)[1:]:
        body = part.partition(end)[0]
        yield ssl.PEM_cert_to_DER_cert(f"-----BEGIN CERTIFICATE-----{body}-----END CERTIFICATE-----")
