"""The state of a cluster's certificate authority: roots, the intermediate that signs, those before and after it.

It is kept whole in one Secret, so that a controller that starts in the middle of a rotation continues it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from podwire.pki import authorities
from podwire.pki.certificates import KeyPair
from podwire.pki.jwt import SigningKey


class Root(msgspec.Struct, frozen=True):
    """A root certificate (PEM). The key is empty where it is kept outside of the cluster."""

    certificate: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    key: str = ""


class Signer(msgspec.Struct, frozen=True):
    """An intermediate authority: it signs leaves, and the list of those of its leaves that are revoked.

    Attributes:
        certificate, key: PEM.
        fingerprint: of its certificate.
        root: fingerprint of the root that vouches for it.
        since: when it became what it is: the next one, or the active one.
        until: a retired one is needed no longer after this time: all of its leaves have expired.
        token_key: PEM: signs the tokens of workloads (JWT-SVID) while it is active.

    """

    certificate: str
    key: str
    fingerprint: str
    root: str
    not_before: datetime
    not_after: datetime
    since: datetime
    until: datetime | None = None
    token_key: str = ""

    @property
    def pair(self) -> KeyPair:
        """Certificate and key."""
        return KeyPair(self.certificate.encode(), self.key.encode())

    def is_valid(self, now: datetime) -> bool:
        """Whether it is valid now."""
        return self.not_before <= now <= self.not_after


class AuthorityState(msgspec.Struct, frozen=True):
    """All of it.

    Attributes:
        trust_domain: of all ids.
        roots: by which certificates are verified now.
        active: signs.
        next: signs as soon as all nodes know its root and its list of revoked certificates.
        retired: signed before; their leaves may still be valid.
        rotation: the last request of a user for another root that was carried out.

    """

    trust_domain: str
    roots: tuple[Root, ...]
    active: Signer
    next: Signer | None = None
    retired: tuple[Signer, ...] = ()
    rotation: str = ""

    def signers(self) -> Iterator[Signer]:
        """Yield those whose leaves may be in use now or soon."""
        yield self.active
        if self.next is not None:
            yield self.next
        yield from self.retired

    def root_of(self, signer: Signer) -> Root | None:
        """Return the root that vouches for a signer."""
        return next((one for one in self.roots if one.fingerprint == signer.root), None)


class AuthorityError(ValueError):
    """Certificates or keys that cannot be used. The message has the reason and the remedy."""


def root(pair: KeyPair, *, with_key: bool) -> Root:
    """Return a root as a value. Raises AuthorityError."""
    try:
        found = authorities.described(pair.certificate)
    except ValueError as error:
        raise AuthorityError(f"the root is no certificate in PEM: {error}") from None
    key = pair.key.decode() if with_key else ""
    return Root(pair.certificate.decode(), found.fingerprint, found.not_before, found.not_after, key)


def signer(pair: KeyPair, its_root: Root, now: datetime) -> Signer:
    """Return an intermediate as a value, with a new key for tokens.

    Raises AuthorityError where the root does not vouch for it.
    """
    try:
        found = authorities.described(pair.certificate)
    except ValueError as error:
        raise AuthorityError(f"the intermediate is no certificate in PEM: {error}") from None
    if not authorities.is_signed_by(pair.certificate, its_root.certificate.encode()):
        raise AuthorityError("the root did not sign the intermediate: use the root that was used for it")
    return Signer(
        pair.certificate.decode(),
        pair.key.decode(),
        found.fingerprint,
        its_root.fingerprint,
        found.not_before,
        found.not_after,
        now,
        token_key=SigningKey.create().pem().decode(),
    )


def with_token_keys(state: AuthorityState) -> AuthorityState:
    """Return the state in which each signer has a key for tokens: one that was made before there were any has none."""
    if all(one.token_key for one in state.signers()):
        return state
    return msgspec.structs.replace(
        state,
        active=_with_token_key(state.active),
        next=_with_token_key(state.next) if state.next is not None else None,
        retired=tuple(map(_with_token_key, state.retired)),
    )


def _with_token_key(one: Signer) -> Signer:
    return one if one.token_key else msgspec.structs.replace(one, token_key=SigningKey.create().pem().decode())


def first(trust_domain: str, its_root: Root, active: Signer) -> AuthorityState:
    """Return the state of a new authority."""
    return AuthorityState(trust_domain, (its_root,), active)


def with_next(state: AuthorityState, its_root: Root, following: Signer) -> AuthorityState:
    """Return the state in which another intermediate follows, of the same root or of another one.

    One that waits already is replaced. Raises AuthorityError where the intermediate is a signer already.
    """
    if following.fingerprint in {one.fingerprint for one in (state.active, *state.retired)}:
        raise AuthorityError("this intermediate signs already or did before: create another one")
    waiting = state.next.root if state.next is not None else ""
    used = {one.root for one in (state.active, *state.retired, following)}
    kept = tuple(one for one in state.roots if one.fingerprint != waiting or one.fingerprint in used)
    known = any(one.fingerprint == its_root.fingerprint for one in kept)
    return msgspec.structs.replace(state, roots=kept if known else (*kept, its_root), next=following)


def read(text: bytes) -> AuthorityState:
    """Return the state of the Secret. Raises AuthorityError."""
    try:
        return msgspec.json.decode(text, type=AuthorityState)
    except msgspec.MsgspecError as error:
        raise AuthorityError(f"the state of the authority cannot be read: {error}") from None


def write(state: AuthorityState) -> bytes:
    """Return the state as the Secret has it."""
    return msgspec.json.encode(state)
