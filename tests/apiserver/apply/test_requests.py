"""Server-side apply and managedFields, request by request, without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import Talk

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

Object = dict[str, Any]


def config_map(**parts: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}, **parts}


def deployment(**spec: Any) -> Object:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}}
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": whole}


async def apply(talk: Talk, path: str, body: Any, who: str = "me", more: str = "") -> Object:
    applied: Object = await talk.ok("PATCH", f"{path}?fieldManager={who}{more}", body, content_type=APPLY)
    return applied


async def refused(talk: Talk, path: str, body: Any, query: str = "fieldManager=me") -> tuple[int, str, str]:
    return await talk.refused("PATCH", f"{path}?{query}", body, content_type=APPLY)


def owners(obj: Object) -> dict[tuple[str, str, str], Object]:
    """The fields of each entry."""
    entries = obj["metadata"].get("managedFields", [])
    return {(one["manager"], one["operation"], one.get("subresource", "")): one["fieldsV1"] for one in entries}


# applying


@pytest.mark.proves("apply-creates")
async def test_applying_creates_an_object_that_is_absent(talk: Talk) -> None:
    code, made = await talk.response("PATCH", f"{MAPS}/a?fieldManager=me", config_map(), content_type=APPLY)
    assert (code, made["metadata"]["namespace"], len(made["metadata"]["uid"])) == (201, "default", 36)
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": made["metadata"]["creationTimestamp"],
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:x": {}}},
        }
    ]
    code, again = await talk.response("PATCH", f"{MAPS}/a?fieldManager=me", config_map(), content_type=APPLY)
    assert (code, again) == (200, made)


@pytest.mark.proves("yaml-bodies")
async def test_a_configuration_may_be_yaml(talk: Talk) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: 'yes'\n"
    assert (await apply(talk, f"{MAPS}/a", text))["data"] == {"x": "yes"}


@pytest.mark.proves("apply-removes")
async def test_defaults_have_no_owner_and_stay_when_a_field_is_removed(talk: Talk) -> None:
    made = await apply(talk, f"{DEPLOYMENTS}/web", deployment(replicas=3))
    assert "f:strategy" not in owners(made)["me", "Apply", ""]["f:spec"]
    changed = await apply(talk, f"{DEPLOYMENTS}/web", deployment())
    assert changed["spec"]["replicas"] == 1, "the default comes back"
    assert changed["metadata"]["generation"] == 2


@pytest.mark.proves("apply-conflicts")
async def test_a_conflict_names_every_field_and_its_owner(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map(data={"x": "1", "y": "1"}), user_agent="tool/v1 (linux)")
    wanted = config_map(data={"x": "2", "y": "2"})
    code, answer = await talk.response("PATCH", f"{MAPS}/a?fieldManager=me", wanted, content_type=APPLY)
    assert (code, answer["reason"]) == (409, "Conflict")
    assert answer["message"] == ('Apply failed with 2 conflicts: conflicts with "tool" using v1:\n- .data.x\n- .data.y')
    assert answer["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "tool" using v1', "field": ".data.x"},
        {"reason": "FieldManagerConflict", "message": 'conflict with "tool" using v1', "field": ".data.y"},
    ]
    forced = await apply(talk, f"{MAPS}/a", wanted, more="&force=true")
    assert owners(forced) == {
        ("me", "Apply", ""): {"f:data": {"f:x": {}, "f:y": {}}},
        ("tool", "Update", ""): {"f:data": {}},
    }


async def test_a_dry_run_changes_nothing(talk: Talk) -> None:
    assert (await apply(talk, f"{MAPS}/a", config_map(), more="&dryRun=All"))["data"] == {"x": "1"}
    assert (await talk.refused("GET", f"{MAPS}/a"))[0] == 404
    await apply(talk, f"{MAPS}/a", config_map())
    await apply(talk, f"{MAPS}/a", config_map(data={"x": "2"}), more="&dryRun=All")
    assert (await talk.ok("GET", f"{MAPS}/a"))["data"] == {"x": "1"}


@pytest.mark.proves("apply-creates")
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "fieldManager: Required value: is required for apply patch"),
        (f"fieldManager={'x' * 129}", "fieldManager: Too long: may not be more than 128 bytes"),
        ("fieldManager=a\nb", 'fieldManager: Invalid value: "a\\nb": should only contain printable characters'),
    ],
)
async def test_an_apply_needs_a_field_manager(talk: Talk, query: str, message: str) -> None:
    refusal = await refused(talk, f"{MAPS}/a", config_map(), query)
    assert refusal == (422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: {message}')


async def test_only_an_apply_can_be_forced(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    code, reason, message = await talk.refused("PATCH", f"{MAPS}/a?force=true", {}, content_type=MERGE)
    assert (code, reason) == (422, "Invalid")
    assert "force: Forbidden: may not be specified for non-apply patch" in message


@pytest.mark.parametrize(
    ("change", "code", "expected_text"),
    [
        ({"metadata": {"name": "b"}}, 400, "does not match the name on the URL (a)"),
        ({"metadata": {"name": "a", "namespace": "other"}}, 400, "the namespace of the provided object does not match"),
        ({"apiVersion": "v2"}, 400, "the API version in the data (v2) does not match"),
        ({"metadata": {"name": "a", "managedFields": []}}, 400, "metadata.managedFields must be nil"),
        ({"date": {}}, 400, "/a; v1, Kind=ConfigMap): .date: field not declared in schema"),
        ({"data": {"x": 1}}, 400, "json: cannot unmarshal number"),
        ({"metadata": {"name": "a", "resourceVersion": "1"}}, 409, "the object has been modified"),
        ({"metadata": {"name": "a", "uid": "u"}}, 409, "Precondition failed: UID in precondition: u"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
async def test_what_cannot_be_applied(
    talk: Talk, change: Object, code: int, expected_text: str, *, there: bool
) -> None:
    if there:
        await talk.ok("POST", MAPS, config_map(), user_agent="me")
    answer = await refused(talk, f"{MAPS}/a", config_map(**change))
    assert answer[0] == code
    assert expected_text in answer[2]


@pytest.mark.parametrize("body", [b"[]", b"a: [", b"{", b"7"])
async def test_what_is_no_configuration(talk: Talk, body: bytes) -> None:
    assert (await refused(talk, f"{MAPS}/a", body))[0] == 400


async def test_the_present_version_may_be_named(talk: Talk) -> None:
    made = await apply(talk, f"{MAPS}/a", config_map())
    named = {"name": "a", "resourceVersion": made["metadata"]["resourceVersion"]}
    await apply(talk, f"{MAPS}/a", config_map(metadata=named, data={"x": "2"}))
    assert (await refused(talk, f"{MAPS}/a", config_map(metadata=named)))[:2] == (409, "Conflict")


async def test_rules_of_the_kind_apply_to_the_merged_object(talk: Talk) -> None:
    code, reason, message = await refused(talk, f"{DEPLOYMENTS}/web", deployment(replicas=-1))
    assert (code, reason) == (422, "Invalid")
    assert "spec.replicas" in message


async def test_an_allocated_address_is_kept_without_an_owner(talk: Talk) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    made = await apply(talk, f"{SERVICES}/s", service)
    changed = await apply(talk, f"{SERVICES}/s", {**service, "spec": {"ports": [{"port": 81}]}})
    assert changed["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert [port["port"] for port in changed["spec"]["ports"]] == [81]
    assert list(owners(changed)["me", "Apply", ""]["f:spec"]) == ["f:ports"]


async def test_an_apply_that_creates_needs_the_right_to_create(talk: Talk) -> None:
    allowed = {"verbs": ["patch"], "apiGroups": [""], "resources": ["configmaps"]}
    subject = {"kind": "User", "name": "jane"}
    await talk.ok("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "r"}, "rules": [allowed]})
    bound = {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [subject]}
    await talk.ok("POST", f"{RBAC}/clusterrolebindings", bound)
    jane = talk.as_user("jane")
    code, reason, message = await refused(jane, f"{MAPS}/a", config_map())
    assert (code, reason) == (403, "Forbidden")
    assert 'cannot create resource "configmaps"' in message
    await talk.ok("POST", MAPS, config_map())
    assert (await apply(jane, f"{MAPS}/a", config_map()))["data"] == {"x": "1"}


# other writes


@pytest.mark.proves("apply-ownership", "apply-updates")
async def test_each_writer_is_kept_by_name(talk: Talk) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    await talk.ok("POST", PODS, {**pod, "spec": {"containers": [{"name": "c", "image": "i"}]}}, user_agent="kubectl/v1")
    await talk.ok("PATCH", f"{PODS}/p/status", {"status": {"phase": "Running"}}, content_type=MERGE, user_agent="node")
    labels = {"metadata": {"labels": {"a": "1"}}}
    found = owners(await talk.ok("PATCH", f"{PODS}/p?fieldManager=hand", labels, content_type=MERGE))
    assert found["hand", "Update", ""] == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}
    assert found["node", "Update", "status"] == {"f:status": {"f:phase": {}}}
    created = found["kubectl", "Update", ""]["f:spec"]
    assert created["f:restartPolicy"] == {}, "who makes an object owns its defaults"
    assert len(found) == 3


async def test_the_node_of_a_bound_pod_has_no_owner(talk: Talk) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    made = await talk.ok("POST", PODS, {**pod, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    await talk.ok("POST", f"{PODS}/p/binding", {"target": {"kind": "Node", "name": "n"}})
    bound = await talk.ok("GET", f"{PODS}/p")
    assert bound["spec"]["nodeName"] == "n"
    assert owners(bound) == owners(made)


async def test_a_write_that_changes_nothing_leaves_the_entries(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map(), user_agent="one")
    assert await talk.ok("PUT", f"{MAPS}/a", config_map(), user_agent="two") == made


@pytest.mark.proves("apply-updates")
@pytest.mark.parametrize("empty", [[], [{}]])
async def test_entries_can_be_cleared(talk: Talk, empty: list[Object]) -> None:
    await apply(talk, f"{MAPS}/a", config_map())
    patch = [{"op": "add", "path": "/metadata/managedFields", "value": empty}]
    cleared = await talk.ok("PATCH", f"{MAPS}/a", patch, content_type=JSON_PATCH)
    assert "managedFields" not in cleared["metadata"]
    touched = await talk.ok("PATCH", f"{MAPS}/a", {"data": {"y": "1"}}, content_type=MERGE)
    assert "managedFields" not in touched["metadata"], "it is not tracked until it is applied again"
    assert ("before-first-apply", "Update", "") in owners(await apply(talk, f"{MAPS}/a", config_map()))


async def test_entries_can_be_rewritten_but_not_with_nonsense_nor_through_a_subresource(talk: Talk) -> None:
    made = await apply(talk, f"{DEPLOYMENTS}/web", deployment())
    entry = {**made["metadata"]["managedFields"][0], "manager": "other"}
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": [entry]}]
    assert list(owners(await talk.ok("PATCH", f"{DEPLOYMENTS}/web", patch, content_type=JSON_PATCH))) == [
        ("other", "Apply", "")
    ]
    patch[0]["value"] = [{**entry, "operation": "Own"}]
    assert list(owners(await talk.ok("PATCH", f"{DEPLOYMENTS}/web", patch, content_type=JSON_PATCH))) == [
        ("other", "Apply", "")
    ]
    patch[0]["value"] = [{}]
    await talk.ok("PATCH", f"{DEPLOYMENTS}/web/status", patch, content_type=JSON_PATCH)
    assert list(owners(await talk.ok("GET", f"{DEPLOYMENTS}/web"))) == [("other", "Apply", "")]


# subresources


@pytest.mark.proves("apply-ownership")
async def test_status_and_the_rest_are_applied_apart(talk: Talk) -> None:
    both = {**deployment(), "status": {"replicas": 7}}
    made = await apply(talk, f"{DEPLOYMENTS}/web", both)
    assert made["status"] == {}
    reported = await apply(talk, f"{DEPLOYMENTS}/web/status", {**both, "spec": {"replicas": 9}}, "reporter")
    assert (reported["status"]["replicas"], reported["spec"]["replicas"]) == (7, 1)
    assert owners(reported)["reporter", "Apply", "status"] == {"f:status": {"f:replicas": {}}}
    nobody = f"{DEPLOYMENTS}/none/status?fieldManager=me"
    config = {**both, "metadata": {"name": "none"}}
    assert (await talk.refused("PATCH", nobody, config, content_type=APPLY))[0] == 404


async def test_a_scale_is_applied(talk: Talk) -> None:
    await apply(talk, f"{DEPLOYMENTS}/web", deployment())
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}}
    assert (await apply(talk, f"{DEPLOYMENTS}/web/scale", scale, "hpa"))["spec"]["replicas"] == 4
    stored = await talk.ok("GET", f"{DEPLOYMENTS}/web")
    assert stored["spec"]["replicas"] == 4
    assert owners(stored)["hpa", "Apply", "scale"] == {"f:spec": {"f:replicas": {}}}
    message = (await refused(talk, f"{DEPLOYMENTS}/web", deployment(replicas=1)))[2]
    assert message.endswith('conflict with "hpa" with subresource "scale": .spec.replicas')


# kinds of users


@pytest.mark.proves("apply-ownership")
async def test_kinds_of_users_follow_their_markers_and_lists_without_are_atomic(talk: Talk) -> None:
    text = {"type": "string"}
    item: Object = {"type": "object", "required": ["name"], "properties": {"name": text, "value": text}}
    item["properties"]["kind"] = {**text, "default": "x"}
    keys = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "kind"]}
    keyed = {"type": "array", "items": item, **keys}
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = {"type": "object", "properties": {"keyed": keyed, "list": {"type": "array", "items": item}, "free": free}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.x.io"},
        "spec": {"group": "x.io", "names": names, "scope": "Namespaced", "versions": [version]},
    }
    await apply(talk, f"{DEFINITIONS}/things.x.io", definition)
    path = "/apis/x.io/v1/namespaces/default/things/t"

    def thing(**spec: Any) -> Object:
        return {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}

    one = {"name": "a", "value": "1"}
    made = await apply(talk, path, thing(keyed=[one], list=[one], free={"x": {"y": [1]}}))
    assert owners(made)["me", "Apply", ""]["f:spec"] == {
        "f:free": {"f:x": {".": {}, "f:y": {}}},
        "f:keyed": {'k:{"kind":"x","name":"a"}': {".": {}, "f:name": {}, "f:value": {}}},
        "f:list": {},
    }
    other = await apply(talk, path, thing(keyed=[{"name": "b"}], free={"z": 1}), "other")
    assert [entry["name"] for entry in other["spec"]["keyed"]] == ["a", "b"]
    refusal = (await refused(talk, path, thing(list=[]), "fieldManager=other"))[2]
    assert refusal == 'Apply failed with 1 conflict: conflict with "me": .spec.list'
    assert ".spec.unknown: field not declared in schema" in (await refused(talk, path, thing(unknown=1)))[2]
