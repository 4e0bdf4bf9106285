"""ServiceAccount tokens: their claims, and whether these are still valid.

A token is bound to its ServiceAccount's uid, and may be bound to a Pod, Node or Secret too: it ends with them.
Source: k8s.io/kubernetes `pkg/serviceaccount/claims.go`; KEP-1205 "Bound Service Account Tokens".
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base.authentication import AUTHENTICATED, SERVICE_ACCOUNTS, User
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes.metadata import parse_timestamp
from podwire.pki.jwt import SigningKey, TokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podwire.apiserver.storage.store import Store

Object = dict[str, Any]

PREFIX = "system:serviceaccount:"
PRIVATE = "kubernetes.io"
"""The claim that holds Kubernetes' own."""

BOUND = {"pod": "pods", "node": "nodes", "secret": "secrets"}
"""What a token can be bound to, by the claim's name, and where it is stored."""

DELETION_LEEWAY = timedelta(seconds=60)
"""A ServiceAccount or Pod that is being deleted may still use its token for this long after its grace period."""

CLOCK_SKEW_SECONDS = 10
MOST_REMEMBERED = 2048


class Reference(msgspec.Struct, frozen=True):
    """One object, as a claim names it."""

    name: str
    uid: str


class Subject(msgspec.Struct, frozen=True):
    """For whom a token is: a ServiceAccount, and what it is bound to by the names of `BOUND` (a pod: with its node)."""

    namespace: str
    account: Reference
    bound: tuple[tuple[str, Reference], ...] = ()


class Issued(msgspec.Struct, frozen=True):
    """A new token and when it ends."""

    token: str
    expires: datetime


class Tokens:
    """Issues tokens and authenticates them. `key` is loaded when it is first needed."""

    def __init__(self, store: Store, key: Callable[[], SigningKey], issuer: str, clock: Callable[[], datetime]) -> None:
        self.issuer = issuer
        self._store = store
        self._load = key
        self._key: SigningKey | None = None
        self._clock = clock
        self._verified: dict[bytes, Object] = {}

    @property
    def key(self) -> SigningKey:
        """The key that signs."""
        if self._key is None:
            self._key = self._load()
        return self._key

    def issue(self, subject: Subject, audiences: Iterable[str], lifetime: timedelta) -> Issued:
        """A token for these audiences; the issuer itself where none are named."""
        now = self._clock().replace(microsecond=0)
        begins, ends = int(now.timestamp()), int((now + lifetime).timestamp())
        private: Object = {name: {"name": one.name, "uid": one.uid} for name, one in subject.bound}
        private["namespace"] = subject.namespace
        private["serviceaccount"] = {"name": subject.account.name, "uid": subject.account.uid}
        claims = {
            "aud": list(audiences) or [self.issuer],
            "exp": ends,
            "iat": begins,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            PRIVATE: private,
            "nbf": begins,
            "sub": f"{PREFIX}{subject.namespace}:{subject.account.name}",
        }
        return Issued(self.key.sign(claims), datetime.fromtimestamp(ends, UTC))

    def authenticate(self, token: str, audiences: Iterable[str] = ()) -> tuple[User, tuple[str, ...]]:
        """Whose token it is, and for which of the audiences (default: this server); raises TokenError."""
        claims = self._claims(token)
        now = self._clock().timestamp()
        if claims.get("iss") != self.issuer:
            raise TokenError("the token is of another issuer")
        if not _number(claims, "nbf") - CLOCK_SKEW_SECONDS <= now:
            raise TokenError("the token is not valid yet")
        if now > _number(claims, "exp"):
            raise TokenError("the token has expired")
        meant = claims.get("aud")
        requested = tuple(audiences) or (self.issuer,)
        common = tuple(one for one in requested if isinstance(meant, list) and one in meant)
        if not common:
            raise TokenError(f"the token is not for {', '.join(requested)}")
        return self._user(claims), common

    def _claims(self, token: str) -> Object:
        """The claims of a token with a good signature, which is checked once."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self.key.public.verify(token)
            if len(self._verified) >= MOST_REMEMBERED:
                self._verified.clear()
            self._verified[digest] = claims
        return claims

    def _user(self, claims: Object) -> User:
        private = claims.get(PRIVATE)
        if not isinstance(private, dict):
            raise TokenError("the token names no ServiceAccount")
        namespace, account = str(private.get("namespace", "")), _reference(private, "serviceaccount")
        if claims.get("sub") != f"{PREFIX}{namespace}:{account.name}":
            raise TokenError("the token's subject is not its ServiceAccount")
        self._check_alive("serviceaccounts", namespace, account)
        extra: list[tuple[str, tuple[str, ...]]] = [
            ("authentication.kubernetes.io/credential-id", (f"JTI={claims.get('jti', '')}",))
        ]
        for name, storage in BOUND.items():
            if name in private:
                one = _reference(private, name)
                if name != "node" or "pod" not in private:
                    self._check_alive(storage, "" if name == "node" else namespace, one)
                extra += _extra(name, one)
        return service_account(namespace, account, tuple(extra))

    def _check_alive(self, storage: str, namespace: str, requested: Reference) -> None:
        stored = self._store.get(Key(storage, namespace, requested.name))
        if stored is None or stored.uid != requested.uid:
            raise TokenError(f"the token is bound to {storage} {requested.name}, which is gone")
        deleted = stored.object()["metadata"].get("deletionTimestamp") if storage != "nodes" else None
        if deleted is not None and self._clock() > parse_timestamp(deleted) + DELETION_LEEWAY:
            raise TokenError(f"the token is bound to {storage} {requested.name}, which was deleted")


def service_account(namespace: str, account: Reference, extra: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> User:
    """The user that a ServiceAccount is."""
    groups = (*account_groups(namespace), AUTHENTICATED)
    return User(f"{PREFIX}{namespace}:{account.name}", groups, account.uid, extra)


def account_groups(namespace: str) -> tuple[str, str]:
    """The groups of all ServiceAccounts, and of those of one namespace."""
    return SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}"


def _extra(name: str, one: Reference) -> list[tuple[str, tuple[str, ...]]]:
    """A user's `extra` about a bound object; none for Secrets."""
    if name == "secret":
        return []
    prefix = f"authentication.kubernetes.io/{name}"
    return [(f"{prefix}-name", (one.name,)), (f"{prefix}-uid", (one.uid,))]


def _reference(private: Object, name: str) -> Reference:
    value = private.get(name)
    if not isinstance(value, dict) or not value.get("name") or not value.get("uid"):
        raise TokenError(f"the token's {name} is incomplete")
    return Reference(str(value["name"]), str(value["uid"]))


def _number(claims: Object, name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float):
        raise TokenError(f"the token has no {name}")
    return value
