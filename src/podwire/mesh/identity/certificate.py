"""A workload's certificate (X.509-SVID) with its key, and what certificates of peers are verified with.

Source: X509-SVID.md and SPIFFE_Trust_Domain_and_Bundle.md of github.com/spiffe/spiffe.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import msgspec

from podwire.mesh.identity.spiffe import Spiffe

TRUST_BUNDLE = "trust-bundle"
"""The name of the SDS secret by which peers are verified; that of a certificate is its SPIFFE id."""
LEAF_LIFETIME = timedelta(hours=24)


class Leaf(msgspec.Struct, frozen=True):
    """A certificate of one identity on one node.

    Attributes:
        id: whose it is.
        chain: PEM: the certificate, then the intermediate authorities; the root is not in it.
        key: PEM (PKCS #8). It exists in the memory of the node's programs only.
        serial: of the certificate.
        not_before, not_after: its validity.

    """

    id: Spiffe
    chain: str
    key: str
    serial: int
    not_before: datetime
    not_after: datetime

    def __repr__(self) -> str:
        """Without the key: a log may have this text."""
        return f"Leaf(id={self.id}, serial={self.serial:x}, not_after={self.not_after.isoformat()})"


class TrustBundle(msgspec.Struct, frozen=True):
    """The root certificates that are valid now, the certificates that are valid no more, and the keys of tokens.

    Attributes:
        roots: PEM, one certificate after another, in the order of their fingerprints.
        revocations: PEM: a list (CRL) of each authority that signs leaves; empty while nothing is revoked.
        issuer: fingerprint of the intermediate that signs now: a leaf of another one is replaced early.
        token_keys: JSON Web Key Set by which tokens of workloads (JWT-SVID) are verified.

    """

    roots: str
    revocations: str = ""
    issuer: str = ""
    token_keys: str = ""

    @property
    def version(self) -> str:
        """Differs where the bundle differs."""
        parts = (self.roots, self.revocations, self.issuer, self.token_keys)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
