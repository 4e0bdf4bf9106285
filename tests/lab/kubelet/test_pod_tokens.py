from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from podwire.kube.client import ApiError, Client, ServiceAccountToken
from podwire.kube.core import Pod
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import Kind
from podwire.kube.meta import NamespacedName
from podwire.lab.kubelet.pod_tokens import PodTokens, account, projections


def pod(*sources: dict[str, Any], **spec: Any) -> Pod:
    volume = {"name": "v", "projected": {"sources": list(sources)}}
    metadata = {"name": "web", "namespace": "ns", "uid": "u"}
    return msgspec.convert({"metadata": metadata, "spec": {"volumes": [volume], **spec}}, Pod)


def token(**parts: Any) -> dict[str, Any]:
    return {"serviceAccountToken": {"path": "token", **parts}}


class Issuer(Client):
    """Answers token requests by number, or refuses them."""

    def __init__(self, lifetime: timedelta = timedelta(hours=1)) -> None:
        super().__init__(Credentials("", "", "", ""))
        self.requested: list[tuple[NamespacedName, Mapping[str, Any]]] = []
        self.lifetime = lifetime
        self.refuses = False

    async def request_token(self, kind: Kind[Any], key: NamespacedName, spec: Mapping[str, Any]) -> ServiceAccountToken:
        assert kind.resource == "serviceaccounts"
        if self.refuses:
            raise ApiError(403, "Forbidden", "not today")
        self.requested.append((key, spec))
        return ServiceAccountToken(f"token {len(self.requested)}", datetime.now(UTC) + self.lifetime)


def nothing() -> None:
    """Nobody waits."""


async def test_a_token_is_requested_for_the_pod_and_once() -> None:
    issuer = Issuer()
    tokens = PodTokens(issuer, nothing)
    one = pod(token(expirationSeconds=3607), serviceAccountName="bot")
    assert await tokens.refresh(one) == ""
    assert await tokens.refresh(one) == ""
    ((key, spec),) = issuer.requested
    assert key == NamespacedName("ns", "bot")
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u"}
    assert spec == {"audiences": [], "expirationSeconds": 3607, "boundObjectRef": bound}
    assert tokens.texts == {("", 3607): "token 1"}
    tokens.stop()


async def test_each_audience_has_its_own() -> None:
    issuer = Issuer()
    tokens = PodTokens(issuer, nothing)
    await tokens.refresh(pod(token(), token(audience="vault"), {"configMap": {"name": "c"}}))
    assert [spec["audiences"] for _, spec in issuer.requested] == [[], ["vault"]]
    assert tokens.texts == {("", 3600): "token 1", ("vault", 3600): "token 2"}
    tokens.stop()


async def test_what_is_due_is_replaced() -> None:
    issuer = Issuer(lifetime=timedelta(seconds=-1))
    tokens = PodTokens(issuer, nothing)
    await tokens.refresh(pod(token()))
    await tokens.refresh(pod(token()))
    assert tokens.texts == {("", 3600): "token 2"}
    tokens.stop()


async def test_the_old_token_stays_while_there_is_no_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.lab.kubelet.pod_tokens.RETRY_SECONDS", 0.01)
    issuer, poked = Issuer(lifetime=timedelta(seconds=-1)), asyncio.Event()
    tokens = PodTokens(issuer, poked.set)
    await tokens.refresh(pod(token()))
    tokens.stop()
    poked.clear()
    issuer.refuses = True
    assert await tokens.refresh(pod(token())) == "no token of ServiceAccount ns/default: not today"
    assert tokens.texts == {("", 3600): "token 1"}
    async with asyncio.timeout(60):
        await poked.wait()


async def test_a_pod_without_tokens_requests_none() -> None:
    issuer = Issuer()
    issuer.refuses = True
    bare = pod()
    assert await PodTokens(issuer, nothing).refresh(bare) == ""
    assert list(projections(bare)) == []
    assert account(bare) == NamespacedName("ns", "default")
