from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base.requests import Request, Response
from tests.apiserver.access.things import ACCOUNTS, PODS, allow, pod, rule
from tests.apiserver.conftest import Talk

TOKEN = f"{ACCOUNTS}/default/token"
NODE = ("system:node:node-1", "system:nodes")


def request(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


def to_pod(name: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "name": name, **parts}


async def with_token(talk: Talk, path: str, token: str) -> int:
    answer = await talk.server.api.handle(Request("GET", path, None, headers={"authorization": f"Bearer {token}"}))
    assert isinstance(answer, Response)
    return answer.code


@pytest.mark.proves("token-requests")
async def test_a_token_authenticates_its_account_and_grants_no_more(talk: Talk) -> None:
    made = await talk.ok("POST", TOKEN, request())
    token = made["status"]["token"]
    assert made["spec"]["expirationSeconds"] == 3600
    assert await with_token(talk, "/api", token) == 200
    assert await with_token(talk, PODS, token) == 403
    await allow(talk, "system:serviceaccount:default:default", rule("list", "", "pods"), namespace="default")
    assert await with_token(talk, PODS, token) == 200
    assert await with_token(talk, "/api/v1/pods", token) == 403
    await talk.ok("DELETE", f"{ACCOUNTS}/default")
    assert await with_token(talk, PODS, token) == 401


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
async def test_what_is_no_token_is_refused(talk: Talk, token: str) -> None:
    assert await with_token(talk, "/api", token) == 401


async def test_a_token_for_others_is_not_for_this_server(talk: Talk) -> None:
    made = await talk.ok("POST", TOKEN, request(audiences=["vault"], expirationSeconds=600))
    assert await with_token(talk, "/api", made["status"]["token"]) == 401


async def test_a_wrong_token_is_refused_even_on_public_paths(talk: Talk) -> None:
    assert await with_token(talk, "/healthz", "a.b.c") == 401


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"expirationSeconds": 599}, 422, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 1 << 33}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"expirationSeconds": "1h"}, 422, "less than 10 minutes"),
        ({"audiences": "vault"}, 422, "list of texts"),
        ({"boundObjectRef": {"kind": "ConfigMap", "name": "c"}}, 400, "use Pod, Secret or Node"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1"}}, 422, "spec.boundObjectRef.name: Required value"),
        ({"boundObjectRef": to_pod("none")}, 404, 'pods "none" not found'),
        ({"boundObjectRef": to_pod("web", uid="other")}, 409, "the UID in the bound object reference (other)"),
        ({"boundObjectRef": to_pod("other")}, 400, "pod running with different"),
    ],
)
async def test_requests_that_are_refused(talk: Talk, spec: dict[str, Any], code: int, message: str) -> None:
    await talk.ok("POST", ACCOUNTS, {"metadata": {"name": "second"}})
    await talk.ok("POST", PODS, pod("web"))
    await talk.ok("POST", PODS, pod("other", serviceAccountName="second"))
    found, _, text = await talk.refused("POST", TOKEN, request(**spec))
    assert (found, message in text) == (code, True), text


async def test_other_accounts_and_other_kinds_are_refused(talk: Talk) -> None:
    assert (await talk.refused("POST", f"{ACCOUNTS}/none/token", request()))[0] == 404
    assert (await talk.refused("POST", TOKEN, {"apiVersion": "v1", "kind": "Pod"}))[0] == 400
    assert (await talk.refused("POST", TOKEN, {"spec": "x"}))[0] == 400
    assert (await talk.refused("POST", TOKEN, request(boundObjectRef="web")))[0] == 400
    assert (await talk.refused("GET", TOKEN))[0] == 405


@pytest.mark.proves("token-requests")
async def test_the_token_of_a_pod_ends_with_it(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod("web", "node-1"))
    made = await talk.ok("POST", TOKEN, request(boundObjectRef=to_pod("web")))
    assert await with_token(talk, "/api", made["status"]["token"]) == 200
    await talk.ok("DELETE", f"{PODS}/web", {"gracePeriodSeconds": 0})
    assert await with_token(talk, "/api", made["status"]["token"]) == 401


async def test_a_node_gets_tokens_for_its_own_pods_only(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod("here", "node-1"))
    await talk.ok("POST", PODS, pod("there", "node-2"))
    node = talk.as_user(*NODE)
    await node.ok("POST", TOKEN, request(boundObjectRef=to_pod("here")))
    for spec in ({}, {"boundObjectRef": to_pod("there")}):
        code, _, text = await node.refused("POST", TOKEN, request(**spec))
        assert (code, "node requested token" in text) == (403, True), text


async def test_a_token_needs_the_right_to_create_it(talk: Talk) -> None:
    eve = talk.as_user("eve")
    code, _, text = await eve.refused("POST", TOKEN, request())
    assert code == 403
    assert text == (
        'serviceaccounts "default" is forbidden: User "eve" cannot create resource "serviceaccounts/token" '
        'in API group "" in the namespace "default"'
    )
