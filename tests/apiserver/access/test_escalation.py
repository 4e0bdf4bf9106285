from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.access.things import RBAC, allow, binding, group, role, rule, user
from tests.apiserver.conftest import Talk

Object = dict[str, Any]

WRITES = (
    rule("create update get", "rbac.authorization.k8s.io", "roles rolebindings clusterroles clusterrolebindings"),
    rule("get list", "", "pods"),
)
IN_DEFAULT = f"{RBAC}/namespaces/default"
PODS = rule("get list", "", "pods")
SECRETS = rule("get", "", "secrets")


@pytest.fixture
async def eve(talk: Talk) -> Talk:
    """A user who may write roles and bindings, and read pods."""
    await allow(talk, "eve", *WRITES)
    return talk.as_user("eve")


@pytest.mark.proves("rbac-escalation")
@pytest.mark.parametrize("path", [f"{IN_DEFAULT}/roles", f"{RBAC}/clusterroles"])
async def test_a_role_gives_only_what_its_writer_holds(eve: Talk, path: str) -> None:
    await eve.ok("POST", path, role("fine", PODS))
    for wrong in (SECRETS, rule("*", "", "pods"), rule("get", "*", "pods"), rule("delete", "", "pods")):
        code, _, text = await eve.refused("POST", path, role("wrong", PODS, wrong))
        assert (code, "attempting to grant RBAC permissions not currently held" in text) == (403, True)


async def test_the_refusal_names_what_is_missing(eve: Talk) -> None:
    _, _, text = await eve.refused("POST", f"{IN_DEFAULT}/roles", role("wrong", rule("get list", "", "pods secrets")))
    assert text == (
        'roles.rbac.authorization.k8s.io "wrong" is forbidden: user "eve" (groups=["system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'
    )


async def test_an_update_is_held_to_the_same(eve: Talk, talk: Talk) -> None:
    path = f"{IN_DEFAULT}/roles"
    made = await eve.ok("POST", path, role("r", PODS))
    assert (await eve.refused("PUT", f"{path}/r", {**made, "rules": [SECRETS]}))[0] == 403
    strong = await talk.ok("POST", path, role("strong", SECRETS))
    strong["metadata"]["labels"] = {"a": "b"}
    strong = await eve.ok("PUT", f"{path}/strong", strong)
    assert (await eve.refused("PUT", f"{path}/strong", {**strong, "rules": [SECRETS, PODS]}))[0] == 403


@pytest.mark.proves("rbac-escalation")
@pytest.mark.parametrize("path", [f"{IN_DEFAULT}/rolebindings", f"{RBAC}/clusterrolebindings"])
async def test_a_binding_gives_only_what_its_writer_holds(eve: Talk, talk: Talk, path: str) -> None:
    await talk.ok("POST", f"{RBAC}/clusterroles", role("pods", PODS))
    await eve.ok("POST", path, binding("fine", "pods", user("bob")))
    for subject in (user("eve"), group("system:authenticated")):
        assert (await eve.refused("POST", path, binding("wrong", "cluster-admin", subject)))[0] == 403
    code, _, text = await eve.refused("POST", path, binding("wrong", "none", user("eve")))
    assert (code, text) == (404, 'clusterroles.rbac.authorization.k8s.io "none" not found')


async def test_rights_of_one_namespace_are_no_rights_elsewhere(talk: Talk) -> None:
    await allow(talk, "eve", *WRITES, SECRETS, namespace="default")
    eve = talk.as_user("eve")
    await eve.ok("POST", f"{IN_DEFAULT}/roles", role("fine", SECRETS))
    assert (await eve.refused("POST", f"{RBAC}/clusterroles", role("wrong", SECRETS)))[0] == 403
    assert (await eve.refused("POST", f"{RBAC}/namespaces/kube-system/roles", role("wrong", SECRETS)))[0] == 403


async def test_the_verbs_escalate_and_bind_lift_it(eve: Talk, talk: Talk) -> None:
    await talk.ok("POST", f"{RBAC}/clusterroles", role("secrets", SECRETS))
    more = [
        rule("escalate", "rbac.authorization.k8s.io", "roles", "special"),
        rule("bind", "rbac.authorization.k8s.io", "clusterroles", "secrets"),
    ]
    await talk.ok("POST", f"{RBAC}/clusterroles", role("more", *more))
    await talk.ok("POST", f"{RBAC}/clusterrolebindings", binding("more", "more", user("eve")))
    await eve.ok("POST", f"{IN_DEFAULT}/roles", role("special", SECRETS))
    assert (await eve.refused("POST", f"{IN_DEFAULT}/roles", role("other", SECRETS)))[0] == 403
    await eve.ok("POST", f"{IN_DEFAULT}/rolebindings", binding("b", "secrets", user("bob")))
    assert (await eve.refused("POST", f"{IN_DEFAULT}/rolebindings", binding("c", "admin", user("bob"))))[0] == 403


async def test_an_aggregated_role_needs_all_rights(eve: Talk, talk: Talk) -> None:
    growing = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}
    code, _, text = await eve.refused("POST", f"{RBAC}/clusterroles", role("r", **growing))
    assert (code, "must have cluster-admin privileges" in text) == (403, True)
    await talk.ok("POST", f"{RBAC}/clusterrolebindings", binding("eve", "cluster-admin", user("eve")))
    await eve.ok("POST", f"{RBAC}/clusterroles", role("r", **growing))
