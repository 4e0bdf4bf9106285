from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podwire.apiserver.access.tokens import Reference, Subject, Tokens
from podwire.apiserver.storage.store import Store
from podwire.pki.jwt import SigningKey, TokenError
from tests.apiserver.builders import obj, put, remove

ISSUER = "https://here"
HOUR = timedelta(hours=1)
ACCOUNT = Reference("bot", "uid-bot")
SUBJECT = Subject("ns", ACCOUNT)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store() -> Store:
    made = Store(":memory:")
    await put(made, obj("bot"), "serviceaccounts")
    await put(made, obj("web"), "pods")
    await put(made, obj("node-1", ""), "nodes")
    await put(made, obj("hidden"), "secrets")
    return made


@pytest.fixture
def tokens(store: Store, clock: Clock) -> Tokens:
    return Tokens(store, SigningKey.create, ISSUER, clock)


def bound(**references: str) -> Subject:
    return Subject("ns", ACCOUNT, tuple((kind, Reference(name, f"uid-{name}")) for kind, name in references.items()))


def test_a_token_is_its_service_account(tokens: Tokens) -> None:
    user, audiences = tokens.authenticate(tokens.issue(SUBJECT, (), HOUR).token)
    assert user.name == "system:serviceaccount:ns:bot"
    assert user.uid == "uid-bot"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert audiences == (ISSUER,)
    assert dict(user.extra)["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")


def test_a_token_of_a_pod_has_its_name(tokens: Tokens) -> None:
    user, _ = tokens.authenticate(tokens.issue(bound(pod="web", node="node-1"), (), HOUR).token)
    extra = dict(user.extra)
    assert extra["authentication.kubernetes.io/pod-name"] == ("web",)
    assert extra["authentication.kubernetes.io/pod-uid"] == ("uid-web",)
    assert extra["authentication.kubernetes.io/node-name"] == ("node-1",)


def test_a_token_ends(tokens: Tokens, clock: Clock) -> None:
    issued = tokens.issue(SUBJECT, (), HOUR)
    assert issued.expires == clock.now + HOUR
    clock.now += timedelta(minutes=59)
    tokens.authenticate(issued.token)
    clock.now += timedelta(minutes=2)
    with pytest.raises(TokenError, match="expired"):
        tokens.authenticate(issued.token)


def test_a_token_of_the_future_is_not_valid_yet(tokens: Tokens, clock: Clock) -> None:
    issued = tokens.issue(SUBJECT, (), HOUR)
    clock.now -= timedelta(minutes=1)
    with pytest.raises(TokenError, match="not valid yet"):
        tokens.authenticate(issued.token)


def test_a_token_is_for_its_audiences(tokens: Tokens) -> None:
    vault = tokens.issue(SUBJECT, ("vault", "db"), HOUR).token
    with pytest.raises(TokenError, match=f"not for {ISSUER}"):
        tokens.authenticate(vault)
    assert tokens.authenticate(vault, ("db", "other"))[1] == ("db",)
    with pytest.raises(TokenError, match="not for other"):
        tokens.authenticate(vault, ("other",))


def test_tokens_of_another_issuer_or_key_are_refused(tokens: Tokens, store: Store, clock: Clock) -> None:
    other_key = Tokens(store, SigningKey.create, ISSUER, clock)
    with pytest.raises(TokenError, match="not known here"):
        tokens.authenticate(other_key.issue(SUBJECT, (), HOUR).token)
    other_issuer = Tokens(store, lambda: tokens.key, "https://there", clock)
    with pytest.raises(TokenError, match="another issuer"):
        tokens.authenticate(other_issuer.issue(SUBJECT, (ISSUER,), HOUR).token)


@pytest.mark.parametrize(
    ("subject", "storage", "name", "namespace"),
    [
        (SUBJECT, "serviceaccounts", "bot", "ns"),
        (bound(pod="web"), "pods", "web", "ns"),
        (bound(secret="hidden"), "secrets", "hidden", "ns"),
        (bound(node="node-1"), "nodes", "node-1", ""),
    ],
)
async def test_a_token_ends_with_what_it_is_bound_to(
    tokens: Tokens, store: Store, subject: Subject, storage: str, name: str, namespace: str
) -> None:
    token = tokens.issue(subject, (), HOUR).token
    tokens.authenticate(token)
    await remove(store, name, namespace, storage)
    with pytest.raises(TokenError, match=f"{name}, which is gone"):
        tokens.authenticate(token)
    again: dict[str, Any] = obj(name, namespace)
    again["metadata"]["uid"] = "another life"
    await put(store, again, storage)
    with pytest.raises(TokenError, match=f"{name}, which is gone"):
        tokens.authenticate(token)


async def test_a_dying_pod_keeps_its_token_for_a_minute(tokens: Tokens, store: Store, clock: Clock) -> None:
    token = tokens.issue(bound(pod="web"), (), HOUR).token
    dying = obj("web")
    dying["metadata"]["deletionTimestamp"] = f"{clock.now:%Y-%m-%dT%H:%M:%SZ}"
    await put(store, dying, "pods")
    clock.now += timedelta(seconds=59)
    tokens.authenticate(token)
    clock.now += timedelta(seconds=2)
    with pytest.raises(TokenError, match="which was deleted"):
        tokens.authenticate(token)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exp": "soon"}, "no exp"),
        ({"nbf": None}, "no nbf"),
        ({"aud": ISSUER}, "not for"),
        ({"kubernetes.io": None}, "no ServiceAccount"),
        ({"kubernetes.io": {"namespace": "ns", "serviceaccount": {"name": "bot"}}}, "incomplete"),
        ({"sub": "system:serviceaccount:ns:other"}, "subject"),
    ],
)
def test_claims_that_do_not_fit_are_refused(tokens: Tokens, change: dict[str, Any], message: str) -> None:
    claims = tokens.key.public.verify(tokens.issue(SUBJECT, (), HOUR).token)
    with pytest.raises(TokenError, match=message):
        tokens.authenticate(tokens.key.sign({**claims, **change}))
