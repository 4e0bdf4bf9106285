"""Every way to see or change something passes the same check."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base.requests import Request, Response
from podwire.apiserver.reads.watcher import WatchAnswer
from tests.apiserver.access.things import PODS, allow, pod, rule
from tests.apiserver.conftest import Talk

SECRETS = "/api/v1/namespaces/default/secrets"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def code(talk: Talk, method: str, path: str, body: Any = None, **headers: str) -> int:
    answer = await talk.answer(method, path, body, **headers)
    return answer.code if isinstance(answer, Response) else 200


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (SECRETS, "application/json"),
        ("/api/v1/secrets", "application/json"),
        (f"{SECRETS}?watch=true", "application/json"),
        (f"{SECRETS}?fieldSelector=type=Opaque", "application/json"),
        (f"{SECRETS}?fieldSelector=metadata.name=s", "application/json"),
        (f"{SECRETS}?limit=1", "application/json"),
        (SECRETS, TABLE),
        (SECRETS, METADATA),
        (f"{SECRETS}/s", "application/json"),
        (f"{SECRETS}/s", TABLE),
        (f"{SECRETS}/", "application/json"),
        ("/api/v1/namespaces/default/%73ecrets", "application/json"),
    ],
)
async def test_secrets_are_seen_by_no_way(talk: Talk, path: str, accept: str) -> None:
    await talk.ok("POST", SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    await allow(talk, "eve", rule("get list watch", "", "pods configmaps"))
    assert await code(talk.as_user("eve"), "GET", path, accept=accept) == 403
    assert await code(talk, "GET", path, accept=accept) == 200


@pytest.mark.parametrize(
    ("method", "body", "headers"),
    [
        ("PUT", {"metadata": {"name": "s"}}, {}),
        ("PATCH", {"data": {}}, {"content_type": "application/merge-patch+json"}),
        ("PATCH", {"kind": "Secret"}, {"content_type": "application/apply-patch+yaml"}),
        ("DELETE", None, {}),
    ],
)
async def test_dry_runs_are_checked_too(talk: Talk, method: str, body: Any, headers: dict[str, str]) -> None:
    await allow(talk, "eve", rule("list", "", "secrets"))
    eve = talk.as_user("eve")
    assert await code(eve, method, f"{SECRETS}/s?dryRun=All&fieldManager=x", body, **headers) == 403


async def test_one_verb_is_not_another(talk: Talk) -> None:
    await allow(talk, "eve", rule("list", "", "secrets"), namespace="default")
    eve = talk.as_user("eve")
    assert await code(eve, "GET", SECRETS) == 200
    for method, path in (
        ("GET", f"{SECRETS}/s"),
        ("GET", f"{SECRETS}?watch=1"),
        ("DELETE", SECRETS),
        ("POST", SECRETS),
    ):
        assert await code(eve, method, path, {}) == 403
    assert await code(eve, "GET", "/api/v1/secrets") == 403


@pytest.mark.proves("streams-need-create")
@pytest.mark.parametrize("part", ["exec", "attach", "portforward"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stream_into_a_pod_needs_create(talk: Talk, part: str, method: str) -> None:
    await talk.ok("POST", PODS, pod("web"))
    await allow(talk, "reader", rule("get list watch", "", "pods pods/exec pods/attach pods/portforward"))
    await allow(talk, "writer", rule("create", "", f"pods/{part}"))
    path = f"{PODS}/web/{part}?command=id"
    answer = await talk.as_user("reader").refused(method, path)
    assert answer[0] == 403
    assert f'cannot create resource "pods/{part}" in API group "" in the namespace "default"' in answer[2]
    assert await code(talk.as_user("writer"), method, path) != 403


async def test_a_name_that_is_allowed_can_be_listed_and_watched(talk: Talk) -> None:
    await talk.ok("POST", SECRETS, {"metadata": {"name": "mine"}})
    await talk.ok("POST", SECRETS, {"metadata": {"name": "other"}})
    await allow(talk, "eve", rule("get list watch", "", "secrets", "mine"), namespace="default")
    eve = talk.as_user("eve")
    listed = await eve.ok("GET", f"{SECRETS}?fieldSelector=metadata.name=mine")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["mine"]
    assert isinstance(await eve.answer("GET", f"{SECRETS}?watch=1&fieldSelector=metadata.name=mine"), WatchAnswer)
    for selector in ("metadata.name=other", "metadata.name!=mine", "metadata.name=mine\\", ""):
        assert await code(eve, "GET", f"{SECRETS}?fieldSelector={selector}") == 403


async def test_a_namespace_is_in_itself(talk: Talk) -> None:
    await allow(talk, "eve", rule("get", "", "namespaces"), namespace="default")
    eve = talk.as_user("eve")
    assert await code(eve, "GET", "/api/v1/namespaces/default") == 200
    assert await code(eve, "GET", "/api/v1/namespaces/kube-system") == 403
    assert await code(eve, "GET", "/api/v1/namespaces") == 403


@pytest.mark.proves("rbac")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        (PODS, 'pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "default"'),
        (
            f"{PODS}/a",
            'pods "a" is forbidden: User "eve" cannot get resource "pods" in API group "" in the namespace "default"',
        ),
        (
            f"{PODS}/a/log",
            (
                'pods "a" is forbidden: User "eve" cannot get resource "pods/log" in API group "" '
                'in the namespace "default"'
            ),
        ),
        (
            "/apis/apps/v1/deployments",
            (
                'deployments.apps is forbidden: User "eve" cannot list resource "deployments" in API group "apps" '
                "at the cluster scope"
            ),
        ),
        ("/metrics", 'forbidden: User "eve" cannot get path "/metrics"'),
        (
            "/apis/example.com/v1/widgets",
            (
                'widgets.example.com is forbidden: User "eve" cannot list resource "widgets" '
                'in API group "example.com" at the cluster scope'
            ),
        ),
    ],
)
async def test_refusals_have_upstreams_wording(talk: Talk, path: str, message: str) -> None:
    answer = await talk.as_user("eve").refused("GET", path)
    assert answer == (403, "Forbidden", message)


async def test_the_details_name_what_was_refused(talk: Talk) -> None:
    _, refusal = await talk.as_user("eve").response("GET", "/apis/apps/v1/namespaces/default/deployments/web")
    assert refusal["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


@pytest.mark.proves("anonymous")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/healthz", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/version", 200),
        ("/api", 401),
        ("/apis", 401),
        ("/openapi/v3", 401),
        ("/openid/v1/jwks", 401),
        ("/.well-known/openid-configuration", 401),
        (PODS, 401),
        ("/healthz/../api", 401),
    ],
)
async def test_paths_that_no_user_may_read(talk: Talk, path: str, expected: int) -> None:
    answer = await talk.server.api.handle(Request("GET", path, None))
    assert isinstance(answer, Response)
    assert answer.code == expected


async def test_the_public_paths_can_be_closed(talk: Talk) -> None:
    await talk.ok("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:public-info-viewer")
    answer = await talk.server.api.handle(Request("GET", "/healthz", None))
    assert isinstance(answer, Response)
    assert answer.code == 403


async def test_nodes_touch_only_what_is_theirs(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod("here", "node-1"))
    await talk.ok("POST", PODS, pod("there", "node-2"))
    for name in ("node-1", "node-2"):
        await talk.ok("POST", "/api/v1/nodes", {"metadata": {"name": name}})
    node = talk.as_user("system:node:node-1", "system:nodes")
    merge = {"content_type": "application/merge-patch+json"}
    labels = {"metadata": {"labels": {"a": "b"}}}
    state = {"status": {"phase": "Running"}}
    assert await code(node, "PATCH", f"{PODS}/here/status", state, **merge) == 200
    assert await code(node, "PATCH", f"{PODS}/there/status", state, **merge) == 403
    assert await code(node, "DELETE", f"{PODS}/there") == 403
    assert await code(node, "DELETE", f"{PODS}/here") == 200
    assert await code(node, "PATCH", "/api/v1/nodes/node-1", labels, **merge) == 200
    answer = await node.refused("PATCH", "/api/v1/nodes/node-2", labels, **merge)
    assert 'node "node-1" is not allowed to modify node "node-2"' in answer[2]


async def test_impersonation_reaches_the_handlers(talk: Talk) -> None:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    as_bob = talk.impersonating(("impersonate-user", "bob"), ("impersonate-group", "staff"))
    answer = await as_bob.ok("POST", path, {})
    assert answer["status"]["userInfo"] == {"username": "bob", "groups": ["staff", "system:authenticated"]}
    assert (await as_bob.refused("GET", PODS))[0] == 403
    eve = talk.as_user("eve").impersonating(("impersonate-user", "kubernetes-admin"))
    assert (await eve.refused("GET", PODS))[2].startswith('users "kubernetes-admin" is forbidden: User "eve" cannot')
