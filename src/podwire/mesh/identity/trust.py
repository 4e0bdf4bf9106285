"""What peers are verified with, from the state of the authority and from what is revoked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

import msgspec

from podwire.mesh.identity import jwt_svid
from podwire.mesh.identity.authority import AuthorityState
from podwire.mesh.identity.certificate import TrustBundle
from podwire.pki import authorities


class Revoked(msgspec.Struct, frozen=True):
    """A certificate that is valid no more.

    Attributes:
        serial: hexadecimal.
        since: when it was revoked.
        until: when it expires: then it need not be listed.

    """

    serial: str
    since: datetime
    until: datetime


def bundle(state: AuthorityState, revoked: Iterable[Revoked], now: datetime) -> TrustBundle:
    """Return the bundle. With any list there is one of each signer: a leaf whose signer has none would be refused.

    The lists of all signers have all serial numbers: these are random, so none is another leaf's.
    """
    serials = {int(one.serial, 16): one.since for one in revoked if one.until > now}
    # A list differs only where its content does: the time is that of the last revocation.
    made = max(serials.values(), default=now)
    lists = (
        [authorities.revocation_list(one.pair, serials, made).decode() for one in state.signers()] if serials else []
    )
    roots = sorted(state.roots, key=lambda one: one.fingerprint)
    keys = jwt_svid.key_set(one.token_key for one in state.signers() if one.token_key)
    return TrustBundle("".join(one.certificate for one in roots), "".join(lists), state.active.fingerprint, keys)


def basis(state: AuthorityState, revoked: Iterable[Revoked], now: datetime) -> str:
    """Return a digest of what the bundle is made from: a signature differs each time that it is made."""
    parts = [*(one.fingerprint for one in state.roots), *(one.fingerprint for one in state.signers())]
    parts += [hashlib.sha256(one.token_key.encode()).hexdigest() for one in state.signers()]
    parts += sorted(one.serial for one in revoked if one.until > now)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]
