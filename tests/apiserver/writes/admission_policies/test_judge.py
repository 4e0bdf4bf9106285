"""What policies of users admit and deny, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base.requests import Response
from podwire.apiserver.main import running
from tests.apiserver.conftest import Files, Talk, configuration
from tests.apiserver.samples import MERGE
from tests.apiserver.writes.admission_policies.samples import (
    BINDINGS,
    CONFIG_MAPS,
    POLICIES,
    binding,
    bound,
    config_map,
    denied,
    policy,
    rule,
)

SMALL = "size(object.data) <= 1"


@pytest.mark.proves("admission-policies")
async def test_what_is_false_is_denied_and_the_rest_admitted(talk: Talk) -> None:
    await bound(talk, policy(SMALL))
    await talk.ok("POST", CONFIG_MAPS, config_map(x="1"))
    code, reason, message = await talk.refused("POST", CONFIG_MAPS, config_map("b", x="1", y="2"))
    assert (code, reason) == (422, "Invalid")
    by = "ValidatingAdmissionPolicy 'checked' with binding 'everywhere'"
    assert message == f'configmaps "b" is forbidden: {by} denied request: failed expression: {SMALL}'
    wrong = {"data": {"y": "2"}}
    assert "failed expression" in await denied(talk, "PATCH", f"{CONFIG_MAPS}/a", wrong, content_type=MERGE)
    await talk.ok("DELETE", f"{BINDINGS}/everywhere")
    await talk.ok("POST", CONFIG_MAPS, config_map("b", x="1", y="2"))


async def test_messages_and_reasons(talk: Talk) -> None:
    reported = {"expression": SMALL, "message": "too large", "reason": "RequestEntityTooLarge"}
    counted = {
        "expression": "size(object.data) <= 2",
        "messageExpression": "string(size(object.data)) + ' is more than 2'",
    }
    await bound(talk, policy(reported))
    assert (await talk.refused("POST", CONFIG_MAPS, config_map(x="1", y="2")))[:2] == (413, "RequestEntityTooLarge")
    await talk.ok("PUT", f"{POLICIES}/checked", {**(await talk.ok("GET", f"{POLICIES}/checked")), **_spec(counted)})
    assert await denied(talk, "POST", CONFIG_MAPS, config_map(x="1", y="2", z="3")) == "3 is more than 2"
    await talk.ok("POST", CONFIG_MAPS, config_map(x="1", y="2"))


def _spec(validation: dict[str, str]) -> dict[str, object]:
    return {"spec": policy(validation)["spec"]}


async def test_a_deletion_has_the_old_object_only(talk: Talk) -> None:
    rules = (rule("configmaps", operations=("DELETE",)),)
    await bound(talk, policy("object == null && !has(oldObject.data.locked)", rules=rules))
    await talk.ok("POST", CONFIG_MAPS, config_map("locked", locked="yes"))
    await talk.ok("POST", CONFIG_MAPS, config_map("free", x="1"))
    assert "failed expression" in await denied(talk, "DELETE", f"{CONFIG_MAPS}/locked")
    await talk.ok("GET", f"{CONFIG_MAPS}/locked")
    await talk.ok("DELETE", f"{CONFIG_MAPS}/free")


async def test_variables_conditions_and_the_user(talk: Talk) -> None:
    conditions = [{"name": "others", "expression": "request.userInfo.username != 'root'"}]
    variables = [
        {"name": "keys", "expression": "object.data.map(key, key)"},
        {"name": "few", "expression": "size(variables.keys) <= 1"},
    ]
    await bound(talk, policy("variables.few", variables=variables, matchConditions=conditions))
    assert "variables.few" in await denied(talk, "POST", CONFIG_MAPS, config_map(x="1", y="2"))
    await talk.as_user("root", "system:masters").ok("POST", CONFIG_MAPS, config_map(x="1", y="2"))


@pytest.mark.parametrize(
    ("expression", "admits"),
    [
        ("authorizer.group('').resource('configmaps').namespace('default').check('create').allowed()", True),
        ("authorizer.group('').resource('configmaps').namespace('kube-public').check('create').allowed()", False),
        ("authorizer.group('').resource('configmaps').namespace('default').name('a').check('delete').allowed()", False),
        ("authorizer.requestResource.check('create').allowed()", True),
        ("authorizer.requestResource.check('approve').allowed()", False),
        ("authorizer.path('/version').check('get').allowed()", True),
        ("authorizer.path('/secret').check('get').allowed()", False),
        ("authorizer.serviceAccount('kube-system', 'a').path('/version').check('get').allowed()", True),
        ("authorizer.serviceAccount('kube-system', 'a').path('/secret').check('get').allowed()", False),
        ("authorizer.requestResource.labelSelector('a=b').check('create').errored()", False),
        ("authorizer.requestResource.check('approve').reason() == ''", True),
    ],
)
async def test_the_authorizer_is_that_of_the_server(talk: Talk, expression: str, admits: bool) -> None:
    await bound(talk, policy(expression))
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "c"}, "rules": rules}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "c"}
    who = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}]
    bind = {**role, "kind": "RoleBinding", "roleRef": reference, "subjects": who}
    bind.pop("rules")
    await talk.ok("POST", f"{path}/roles", role)
    await talk.ok("POST", f"{path}/rolebindings", bind)
    alice = talk.as_user("alice", "system:authenticated")
    if admits:
        await alice.ok("POST", CONFIG_MAPS, config_map(x="1"))
    else:
        assert "failed expression" in await denied(alice, "POST", CONFIG_MAPS, config_map(x="1"))


@pytest.mark.parametrize(("failure", "admits"), [("Fail", False), ("Ignore", True)])
async def test_an_expression_that_fails_follows_the_failure_policy(talk: Talk, failure: str, admits: bool) -> None:
    await bound(talk, policy("object.data.absent == 'x'", failurePolicy=failure))
    if admits:
        await talk.ok("POST", CONFIG_MAPS, config_map(x="1"))
    else:
        assert "resulted in error: no such key: absent" in await denied(talk, "POST", CONFIG_MAPS, config_map(x="1"))


async def test_a_match_condition_that_is_false_decides_though_one_before_it_fails(talk: Talk) -> None:
    fails = {"name": "fails", "expression": "object.data.absent == 'x'"}
    is_large = {"name": "large", "expression": "size(object.data) > 1"}
    await bound(talk, policy("false", matchConditions=[fails, is_large]))
    await talk.ok("POST", CONFIG_MAPS, config_map(x="1"))
    text = await denied(talk, "POST", CONFIG_MAPS, config_map("large", x="1", y="2"))
    assert "match condition: no such key: absent" in text


async def test_params_of_a_binding(talk: Talk) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    reference = {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}
    await talk.ok("POST", CONFIG_MAPS, config_map("limits", most="1"))
    checked = policy("size(object.data) <= int(params.data.most)", paramKind=kind)
    await bound(talk, checked, binding(paramRef=reference))
    assert "failed expression" in await denied(talk, "POST", CONFIG_MAPS, config_map(x="1", y="2"))
    await talk.ok("PATCH", f"{CONFIG_MAPS}/limits", {"data": {"most": "2"}}, content_type=MERGE)
    await talk.ok("POST", CONFIG_MAPS, config_map(x="1", y="2"))
    await talk.ok("DELETE", f"{CONFIG_MAPS}/limits")
    assert "no params found" in await denied(talk, "POST", CONFIG_MAPS, config_map("b", x="1"))


async def test_params_by_selector_are_all_applied(talk: Talk) -> None:
    kind, limit = {"apiVersion": "v1", "kind": "ConfigMap"}, {"limit": "yes"}
    for name, most in (("one", "3"), ("two", "1")):
        await talk.ok("POST", CONFIG_MAPS, config_map(name, limit, most=most))
    reference = {"selector": {"matchLabels": limit}, "parameterNotFoundAction": "Allow"}
    checked = policy("size(object.data) <= int(params.data.most)", paramKind=kind)
    await bound(talk, checked, binding(paramRef=reference))
    assert "failed expression" in await denied(talk, "POST", CONFIG_MAPS, config_map(x="1", y="2"))
    await talk.ok("DELETE", f"{CONFIG_MAPS}/two")
    await talk.ok("POST", CONFIG_MAPS, config_map(x="1", y="2"))


async def test_warn_admits_with_a_warning(talk: Talk) -> None:
    await bound(talk, policy(SMALL), binding("Warn", "Audit"))
    answer = await talk.answer("POST", CONFIG_MAPS, config_map(x="1", y="2"))
    assert isinstance(answer, Response)
    by = "ValidatingAdmissionPolicy 'checked' with binding 'everywhere'"
    assert answer.warnings == (f"Validation failed for {by}: failed expression: {SMALL}",)


async def test_a_subresource_and_other_namespaces_are_requests_of_their_own(talk: Talk) -> None:
    elsewhere = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-public"}}}
    await bound(talk, policy("false", rules=(rule("*"),)), binding(matchResources=elsewhere))
    await talk.ok("POST", CONFIG_MAPS, config_map(x="1"))
    public = CONFIG_MAPS.replace("default", "kube-public")
    assert await denied(talk, "POST", public, config_map(x="1")) == "failed expression: false"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"validations": []}, "spec.validations: Required value"),
        ({"validations": [{"expression": "object.x =="}]}, "spec.validations[0].expression: Invalid value"),
        ({"validations": [{"expression": "authorizer.user('x') != null"}]}, "unknown functions: user"),
        (
            {
                "validations": [
                    {"expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()"}
                ]
            },
            "spec.validations[0].messageExpression: Invalid value",
        ),
        ({"failurePolicy": "Perhaps"}, "spec.failurePolicy: Unsupported value"),
        ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules: Required value"),
    ],
)
async def test_a_policy_that_cannot_be_evaluated_is_refused(talk: Talk, wrong: dict[str, Any], field: str) -> None:
    code, _, message = await talk.refused("POST", POLICIES, policy(SMALL, **wrong))
    assert code == 422
    assert field in message


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"policyName": ""}, "spec.policyName: Required value"),
        ({"validationActions": ["Deny", "Warn"]}, "must not contain both"),
        ({"paramRef": {"parameterNotFoundAction": "Deny"}}, "one of name or selector"),
    ],
)
async def test_a_binding_that_means_nothing_is_refused(talk: Talk, wrong: dict[str, Any], field: str) -> None:
    code, _, message = await talk.refused("POST", BINDINGS, binding(**wrong))
    assert code == 422
    assert field in message


async def test_policies_are_not_judged_by_policies(talk: Talk) -> None:
    await bound(talk, policy("false", rules=(rule("*", operations=("*",), group="*"),)))
    await talk.ok("DELETE", f"{POLICIES}/checked")
    await talk.ok("POST", CONFIG_MAPS, config_map(x="1"))


async def test_a_release_of_gateway_api_keeps_its_definitions_safe(files: Files) -> None:
    """The expressions of its policy `safe-upgrades.gateway.networking.k8s.io`, with functions in the global form."""
    annotation = "object.metadata.annotations['gateway.networking.k8s.io/{}']"
    version = f"!matches({annotation.format('bundle-version')}, 'v1.[0-5].\\\\d+')"
    channel = f"oldObject == null || {annotation.format('channel')} == 'standard'"
    definitions = rule("customresourcedefinitions", group="apiextensions.k8s.io")
    of_group = "object.spec.group != 'gateway.networking.k8s.io'"
    checked = policy(f"{of_group} || ({channel})", f"{of_group} || {version}", rules=(definitions,))
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gatewayclasses.gateway.networking.k8s.io"

    def annotated(**values: str) -> Any:
        return {"metadata": {"annotations": {f"gateway.networking.k8s.io/{k}": v for k, v in values.items()}}}

    async with running(configuration(files, gateway_api="standard")) as server:
        talk = Talk(server)
        await bound(talk, checked)
        await talk.ok("PATCH", path, annotated(**{"bundle-version": "v1.6.9"}), content_type=MERGE)
        old = annotated(**{"bundle-version": "v1.4.1"})
        assert "matches" in await denied(talk, "PATCH", path, old, content_type=MERGE)
        experimental = annotated(channel="experimental")
        assert "oldObject == null" in await denied(talk, "PATCH", path, experimental, content_type=MERGE)
