from __future__ import annotations

import base64
from typing import Any

from podwire.apiserver.base.requests import Request, Response
from tests.apiserver.access.things import ACCOUNTS
from tests.apiserver.conftest import Talk

SECRETS = "/api/v1/namespaces/default/secrets"
TYPE = "kubernetes.io/service-account-token"


def secret(account: str, kind: str = TYPE) -> dict[str, Any]:
    annotations = {"kubernetes.io/service-account.name": account} if account else {}
    return {"metadata": {"name": "s", "annotations": annotations}, "type": kind}


async def let_in(talk: Talk, token: str) -> bool:
    answer = await talk.server.api.handle(Request("GET", "/api", None, headers={"authorization": f"Bearer {token}"}))
    assert isinstance(answer, Response)
    return answer.code == 200


async def test_a_secret_for_an_account_holds_a_lasting_token(talk: Talk) -> None:
    account = (await talk.ok("GET", f"{ACCOUNTS}/default"))["metadata"]
    made = await talk.ok("POST", SECRETS, secret("default"))
    assert made["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == account["uid"]
    data = {key: base64.b64decode(value).decode() for key, value in made["data"].items()}
    assert data["namespace"] == "default"
    assert data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    assert await let_in(talk, data["token"])
    await talk.ok("DELETE", f"{SECRETS}/s")
    assert not await let_in(talk, data["token"])


async def test_an_account_created_later_is_filled_in_by_the_next_change(talk: Talk) -> None:
    made = await talk.ok("POST", SECRETS, secret("late"))
    assert "token" not in made.get("data", {})
    await talk.ok("POST", ACCOUNTS, {"metadata": {"name": "late"}})
    made["metadata"]["labels"] = {"a": "b"}
    filled = await talk.ok("PUT", f"{SECRETS}/s", made)
    assert await let_in(talk, base64.b64decode(filled["data"]["token"]).decode())


async def test_the_account_must_be_named(talk: Talk) -> None:
    code, _, text = await talk.refused("POST", SECRETS, secret(""))
    assert (code, "service-account.name]: Required value" in text) == (422, True)


async def test_other_secrets_get_no_token(talk: Talk) -> None:
    assert "data" not in await talk.ok("POST", SECRETS, secret("default", "Opaque"))
