from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.access.things import ACCOUNTS, RBAC, allow, binding, rule, user
from tests.apiserver.conftest import Talk

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"
LIST_PODS = {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"}}
METRICS = {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}


def review(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


@pytest.mark.proves("reviews")
async def test_self_subject_review(talk: Talk) -> None:
    answer = await talk.as_user("eve", "staff").ok("POST", f"{AUTHENTICATION}/selfsubjectreviews", {})
    assert answer["status"]["userInfo"] == {"username": "eve", "groups": ["staff", "system:authenticated"]}


@pytest.mark.proves("reviews")
@pytest.mark.parametrize(
    ("requested", "before", "after"),
    [
        (LIST_PODS, False, True),
        ({"resourceAttributes": {**LIST_PODS["resourceAttributes"], "namespace": "other"}}, False, False),
        ({"resourceAttributes": {**LIST_PODS["resourceAttributes"], "verb": "*"}}, False, False),
        ({"nonResourceAttributes": {"verb": "get", "path": "/api"}}, True, True),
        (METRICS, False, False),
    ],
)
async def test_a_self_subject_access_review(talk: Talk, requested: dict[str, Any], before: bool, after: bool) -> None:
    eve, path = talk.as_user("eve"), f"{AUTHORIZATION}/selfsubjectaccessreviews"
    assert (await eve.ok("POST", path, review(**requested)))["status"]["allowed"] is before
    await allow(talk, "eve", rule("list", "", "pods"), namespace="default")
    assert (await eve.ok("POST", path, review(**requested)))["status"]["allowed"] is after


@pytest.mark.proves("reviews")
async def test_a_review_of_another_users_access(talk: Talk) -> None:
    path = f"{AUTHORIZATION}/subjectaccessreviews"
    await allow(talk, "eve", rule("list", "", "pods"), namespace="default")
    assert (await talk.ok("POST", path, review(user="eve", **LIST_PODS)))["status"]["allowed"]
    assert not (await talk.ok("POST", path, review(user="bob", **LIST_PODS)))["status"]["allowed"]
    assert (await talk.ok("POST", path, review(user="x", groups=["system:masters"], **METRICS)))["status"]["allowed"]
    code, _, _ = await talk.as_user("eve").refused("POST", path, review(user="eve", **LIST_PODS))
    assert code == 403


@pytest.mark.proves("reviews")
async def test_a_review_of_another_users_access_in_a_namespace(talk: Talk) -> None:
    await allow(talk, "eve", rule("list", "", "pods"), namespace="default")
    path = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
    assert (await talk.ok("POST", path, review(user="eve", **LIST_PODS)))["status"]["allowed"]
    elsewhere = {"resourceAttributes": {**LIST_PODS["resourceAttributes"], "namespace": "other"}}
    assert (await talk.refused("POST", path, review(user="eve", **elsewhere)))[0] == 422
    await talk.ok("POST", f"{RBAC}/namespaces/default/rolebindings", binding("admin", "admin", user("bob")))
    bob = talk.as_user("bob")
    await bob.ok("POST", path, review(user="eve", **LIST_PODS))
    assert (await bob.refused("POST", f"{AUTHORIZATION}/namespaces/other/localsubjectaccessreviews", {}))[0] == 403


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("subjectaccessreviews", {"user": "eve"}),
        ("subjectaccessreviews", LIST_PODS),
        ("subjectaccessreviews", {"user": "eve", **LIST_PODS, **METRICS}),
        ("selfsubjectaccessreviews", {}),
        ("selfsubjectrulesreviews", {}),
    ],
)
async def test_incomplete_reviews_are_refused(talk: Talk, kind: str, spec: dict[str, Any]) -> None:
    assert (await talk.refused("POST", f"{AUTHORIZATION}/{kind}", review(**spec)))[0] == 422


@pytest.mark.proves("reviews")
async def test_a_self_subject_rules_review(talk: Talk) -> None:
    path = f"{AUTHORIZATION}/selfsubjectrulesreviews"
    await allow(talk, "eve", rule("list", "", "pods"), namespace="default")
    eve = talk.as_user("eve")
    here = (await eve.ok("POST", path, review(namespace="default")))["status"]
    there = (await eve.ok("POST", path, review(namespace="other")))["status"]
    assert rule("list", "", "pods") in here["resourceRules"]
    assert rule("list", "", "pods") not in there["resourceRules"]
    assert here["incomplete"] is False
    assert any("/api" in one["nonResourceURLs"] for one in here["nonResourceRules"])
    assert rule("*", "*", "*") in (await talk.ok("POST", path, review(namespace="x")))["status"]["resourceRules"]


@pytest.mark.proves("reviews")
async def test_a_review_names_the_user_of_a_token(talk: Talk) -> None:
    path = f"{AUTHENTICATION}/tokenreviews"
    token = (await talk.ok("POST", f"{ACCOUNTS}/default/token", {}))["status"]["token"]
    good = (await talk.ok("POST", path, review(token=token)))["status"]
    assert good["authenticated"]
    assert good["user"]["username"] == "system:serviceaccount:default:default"
    assert good["audiences"] == ["https://kubernetes.default.svc.cluster.local"]
    for wrong in (review(token=token, audiences=["vault"]), review(token=f"{token}x"), review(token="x")):
        bad = (await talk.ok("POST", path, wrong))["status"]
        assert not bad["authenticated"]
        assert bad["error"]
    assert (await talk.refused("POST", path, review()))[0] == 422
    assert (await talk.as_user("eve").refused("POST", path, review(token=token)))[0] == 403


async def test_reviews_can_only_be_created(talk: Talk) -> None:
    path = f"{AUTHORIZATION}/selfsubjectaccessreviews"
    assert (await talk.refused("GET", path))[0] == 405
    assert (await talk.refused("GET", f"{path}/a"))[0] == 405
    assert (await talk.refused("POST", path, {"kind": "Pod"}))[0] == 400
    assert (await talk.refused("POST", path, review(resourceAttributes="x")))[0] == 400
