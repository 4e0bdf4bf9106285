"""When a node replaces a certificate. Pure; times are of the node's clock.

At half of its life by the time that has passed here since it was received: a wrong clock changes neither the moment nor
the order. Before that where another intermediate signs, or where it is revoked.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import msgspec

from podwire.mesh.identity.certificate import Leaf, TrustBundle

PASSED = 0.5
SPREAD_SECONDS = 60.0
"""All nodes replace their leaves within this time when another intermediate signs."""
SKEW_SECONDS = 60.0
"""A difference between the clocks of a node and of the signer that is reported. Certificates bear five minutes."""


class Received(msgspec.Struct, frozen=True):
    """A leaf, with the authority that signed it and when it came.

    Attributes:
        leaf: the certificate.
        issuer: fingerprint of the intermediate.
        at: monotonic seconds.
        lifetime: seconds for which it is valid from then on.

    """

    leaf: Leaf
    issuer: str
    at: float
    lifetime: float


def due(one: Received | None, bundle: TrustBundle, bundle_at: float, revoked: frozenset[int]) -> float:
    """Return the monotonic time at which to request a leaf; 0 where it is due whatever time it is."""
    if one is None or one.leaf.serial in revoked:
        return 0.0
    half = one.at + one.lifetime * PASSED * (1 - 0.1 * _share(one.leaf))
    if bundle.issuer and bundle.issuer != one.issuer:
        return min(half, bundle_at + SPREAD_SECONDS * _share(one.leaf))
    return half


def may_be_served(one: Received, now: float, revoked: frozenset[int]) -> bool:
    """Whether it still proves an identity."""
    return now < one.at + one.lifetime and one.leaf.serial not in revoked


def skew(signed_at: datetime, now: datetime) -> timedelta | None:
    """Return by how much the clocks of the signer and of this node differ, where that is to be reported."""
    difference = now - signed_at
    return difference if abs(difference.total_seconds()) > SKEW_SECONDS else None


def _share(leaf: Leaf) -> float:
    """Return a number from 0 to 1 that spreads requests: the same for a leaf at each look."""
    digest = hashlib.sha256(f"{leaf.id}{leaf.serial}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / (1 << 32)
