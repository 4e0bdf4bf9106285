"""What the Api answers, request by request, without sockets."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from podwire.apiserver.requests import Request, Response
from tests.apiserver.conftest import Talk

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def config_map(name: str = "a", **parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"x": "1"}, **parts}


def pod(name: str = "web", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "nginx"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


# create


async def test_a_new_object_gets_its_identity(talk: Talk) -> None:
    made = (await talk.ok("POST", MAPS, config_map()))["metadata"]
    assert made["namespace"] == "default"
    assert len(made["uid"]) == 36
    assert int(made["resourceVersion"]) > 0
    assert made["creationTimestamp"].endswith("Z")
    assert made["generation"] == 1
    assert (await talk.refused("POST", MAPS, config_map()))[:2] == (409, "AlreadyExists")


async def test_names_are_generated(talk: Talk) -> None:
    body = config_map()
    body["metadata"] = {"generateName": "job-"}
    names = {(await talk.ok("POST", MAPS, body))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("job-") and len(name) == 9 for name in names)


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"metadata": {}}, 422, "Invalid"),
        ({"metadata": {"name": "a/b"}}, 422, "Invalid"),
        ({"metadata": {"name": ".."}}, 422, "Invalid"),
        ({"metadata": {"name": "a", "namespace": "other"}}, 400, "BadRequest"),
        ({"metadata": {"name": "a", "resourceVersion": "7"}}, 400, "BadRequest"),
        ({"kind": "Secret"}, 400, "BadRequest"),
        ({"apiVersion": "v2"}, 400, "BadRequest"),
        ({"metadata": 7}, 400, "BadRequest"),
    ],
)
async def test_what_cannot_be_created(talk: Talk, change: dict[str, Any], code: int, reason: str) -> None:
    assert (await talk.refused("POST", MAPS, config_map(**change)))[:2] == (code, reason)


async def test_nulls_are_never_stored(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map(data=None, metadata={"name": "a", "labels": {"x": None}}))
    assert "data" not in made
    assert made["metadata"]["labels"] == {}


async def test_a_namespace_must_be_there(talk: Talk) -> None:
    code, reason, message = await talk.refused("POST", "/api/v1/namespaces/nowhere/configmaps", config_map())
    assert (code, reason, message) == (404, "NotFound", 'namespaces "nowhere" not found')


# update


async def test_an_update_replaces_and_keeps_what_is_the_server_s(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map(metadata={"name": "a", "labels": {"l": "1"}}))
    claims = {"name": "a", "creationTimestamp": "2000-01-01T00:00:00Z", "generation": 77}
    new = await talk.ok("PUT", f"{MAPS}/a", config_map(metadata=claims, data={"y": "2"}))
    assert new["data"] == {"y": "2"}
    assert "labels" not in new["metadata"]
    assert new["metadata"]["uid"] == made["metadata"]["uid"]
    assert new["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert new["metadata"]["generation"] == 2


async def test_an_update_of_an_older_version_or_another_life_is_a_conflict(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    await talk.ok("PUT", f"{MAPS}/a", {**made, "data": {"x": "2"}})
    code, reason, message = await talk.refused("PUT", f"{MAPS}/a", {**made, "data": {"x": "3"}})
    assert (code, reason) == (409, "Conflict")
    assert message.startswith('Operation cannot be fulfilled on configmaps "a": the object has been modified')
    other_life = config_map(metadata={"name": "a", "uid": "11111111-1111-1111-1111-111111111111"})
    assert (await talk.refused("PUT", f"{MAPS}/a", other_life))[:2] == (409, "Conflict")


async def test_an_update_of_nothing_or_under_another_name_is_refused(talk: Talk) -> None:
    assert (await talk.refused("PUT", f"{MAPS}/a", config_map()))[:2] == (404, "NotFound")
    await talk.ok("POST", MAPS, config_map())
    assert (await talk.refused("PUT", f"{MAPS}/a", config_map("b")))[:2] == (400, "BadRequest")


async def test_an_update_that_changes_nothing_keeps_the_version(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    assert await talk.ok("PUT", f"{MAPS}/a", config_map()) == made


async def test_generation_counts_changes_of_the_spec_only(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web"
    labelled = await talk.ok("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    assert labelled["metadata"]["generation"] == 1
    reported = await talk.ok("PATCH", f"{path}/status", {"status": {"replicas": 1}}, content_type=MERGE)
    assert (reported["metadata"]["generation"], reported["status"]["replicas"]) == (1, 1)
    scaled = await talk.ok("PATCH", path, {"spec": {"replicas": 5}}, content_type=MERGE)
    assert (scaled["metadata"]["generation"], scaled["status"]["replicas"]) == (2, 1)


async def test_status_and_the_rest_are_written_apart(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod())
    both = {"status": {"phase": "Running"}, "spec": {"nodeName": "n1"}, "metadata": {"labels": {"a": "b"}}}
    main = await talk.ok("PATCH", f"{PODS}/web", {"status": both["status"]}, content_type=MERGE)
    assert main["status"].get("phase") != "Running"
    reported = await talk.ok("PATCH", f"{PODS}/web/status", both, content_type=MERGE)
    assert reported["status"]["phase"] == "Running"
    assert "nodeName" not in reported["spec"]
    assert "labels" not in reported["metadata"]


# patch


async def test_three_kinds_of_patches(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web"
    image = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}}}
    assert (await talk.ok("PATCH", path, image, content_type=STRATEGIC))["spec"]["template"]["spec"]["containers"][0][
        "image"
    ] == "nginx:2"
    replicas = [{"op": "replace", "path": "/spec/replicas", "value": 4}]
    assert (await talk.ok("PATCH", path, replicas, content_type=JSON_PATCH))["spec"]["replicas"] == 4
    pause = {"spec": {"paused": True}}
    assert (await talk.ok("PATCH", path, pause, content_type=f"{MERGE}; charset=utf-8"))["spec"]["paused"] is True


@pytest.mark.parametrize(
    ("body", "content_type", "code", "reason"),
    [
        ([{"op": "test", "path": "/data/x", "value": "2"}], JSON_PATCH, 422, "Invalid"),
        ([{"op": "remove", "path": "/nothing"}], JSON_PATCH, 422, "Invalid"),
        ({"op": "remove"}, JSON_PATCH, 400, "BadRequest"),
        ([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10_001, JSON_PATCH, 413, "RequestEntityTooLarge"),
        ({"metadata": {"resourceVersion": "1"}}, MERGE, 409, "Conflict"),
        ({"metadata": {"name": "b"}}, MERGE, 400, "BadRequest"),
        ([1], MERGE, 400, "BadRequest"),
        ({"$patch": "explode"}, STRATEGIC, 400, "BadRequest"),
        ({}, "application/apply-patch+yaml", 415, "UnsupportedMediaType"),
        ({}, "application/json", 415, "UnsupportedMediaType"),
        (b"{", MERGE, 400, "BadRequest"),
    ],
)
async def test_patches_that_are_refused(talk: Talk, body: Any, content_type: str, code: int, reason: str) -> None:
    await talk.ok("POST", MAPS, config_map())
    assert (await talk.refused("PATCH", f"{MAPS}/a", body, content_type=content_type))[:2] == (code, reason)


async def test_patches_without_a_version_do_not_conflict(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    patches = ({"data": {str(count): "x"}} for count in range(20))
    await asyncio.gather(*(talk.ok("PATCH", f"{MAPS}/a", patch, content_type=MERGE) for patch in patches))
    assert len((await talk.ok("GET", f"{MAPS}/a"))["data"]) == 21


# delete


async def test_deleting_answers_a_status_with_the_uid(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    answer = await talk.ok("DELETE", f"{MAPS}/a", {"propagationPolicy": "Background"})
    assert answer["status"] == "Success"
    assert answer["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await talk.refused("DELETE", f"{MAPS}/a"))[:2] == (404, "NotFound")


async def test_finalizers_hold_an_object_until_the_last_is_gone(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map(metadata={"name": "a", "finalizers": ["x/y"]}))
    held = await talk.ok("DELETE", f"{MAPS}/a")
    assert "deletionTimestamp" in held["metadata"]
    more = {"metadata": {"finalizers": ["x/y", "x/z"]}}
    assert (await talk.refused("PATCH", f"{MAPS}/a", more, content_type=MERGE))[:2] == (422, "Invalid")
    await talk.ok("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert (await talk.refused("GET", f"{MAPS}/a"))[0] == 404


async def test_a_running_pod_goes_when_its_node_says_so(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod(nodeName="n1"))
    marked = await talk.ok("DELETE", f"{PODS}/web")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert (await talk.ok("GET", f"{PODS}/web"))["metadata"]["deletionTimestamp"]
    await talk.ok("DELETE", f"{PODS}/web?gracePeriodSeconds=0")
    assert (await talk.refused("GET", f"{PODS}/web"))[0] == 404


async def test_collections_are_deleted_by_selector(talk: Talk) -> None:
    for name, labels in [("a", {"x": "1"}), ("b", {"x": "1"}), ("c", {"x": "2"})]:
        await talk.ok("POST", MAPS, config_map(name, metadata={"name": name, "labels": labels}))
    gone = await talk.ok("DELETE", f"{MAPS}?labelSelector=x=1")
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "b"]
    left = await talk.ok("GET", MAPS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["c", "kube-root-ca.crt"]


async def test_a_namespace_terminates(talk: Talk) -> None:
    await talk.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    account = await talk.ok("GET", "/api/v1/namespaces/team/serviceaccounts/default")
    assert account["metadata"]["namespace"] == "team"
    assert (await talk.ok("DELETE", "/api/v1/namespaces/team"))["status"]["phase"] == "Terminating"
    code, answer = await talk.response("POST", "/api/v1/namespaces/team/configmaps", config_map())
    assert (code, answer["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    finalize = {"metadata": {"name": "team"}, "spec": {"finalizers": []}}
    await talk.ok("PUT", "/api/v1/namespaces/team/finalize", finalize)
    assert (await talk.refused("GET", "/api/v1/namespaces/team"))[0] == 404


# dry run and field validation


async def test_a_dry_run_answers_and_changes_nothing(talk: Talk) -> None:
    before = talk.server.store.version
    assert (await talk.ok("POST", f"{MAPS}?dryRun=All", config_map()))["metadata"]["uid"]
    assert (await talk.refused("GET", f"{MAPS}/a"))[0] == 404
    made = await talk.ok("POST", MAPS, config_map())
    changed = await talk.ok("PATCH", f"{MAPS}/a?dryRun=All", {"data": {"y": "2"}}, content_type=MERGE)
    assert changed["data"] == {"x": "1", "y": "2"}
    assert changed["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    await talk.ok("DELETE", f"{MAPS}/a?dryRun=All")
    assert await talk.ok("GET", f"{MAPS}/a") == made
    assert talk.server.store.version == before + 1
    assert (await talk.refused("POST", f"{MAPS}?dryRun=Some", config_map("b")))[0] == 400


async def test_unknown_fields_are_refused_warned_of_or_kept(talk: Talk) -> None:
    body = config_map(dat={"typo": "1"})
    code, _, message = await talk.refused("POST", f"{MAPS}?fieldValidation=Strict", body)
    assert code == 400
    assert 'unknown field "dat"' in message
    warned = await talk.answer("POST", MAPS, body)
    assert isinstance(warned, Response)
    assert warned.warnings == ('unknown field "dat"',)
    ignored = await talk.answer("PUT", f"{MAPS}/a?fieldValidation=Ignore", body)
    assert isinstance(ignored, Response)
    assert (ignored.code, ignored.warnings) == (200, ())


# list


async def names(talk: Talk, query: str = "") -> list[str]:
    answer = await talk.ok("GET", f"{MAPS}{query}")
    return [item["metadata"]["name"] for item in answer["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]


async def test_pages_are_of_one_moment(talk: Talk) -> None:
    for name in "abcde":
        await talk.ok("POST", MAPS, config_map(name))
    first = await talk.ok("GET", f"{MAPS}?limit=2")
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 4
    await talk.ok("DELETE", f"{MAPS}/c")
    await talk.ok("POST", MAPS, config_map("bb"))
    token = first["metadata"]["continue"]
    second = await talk.ok("GET", f"{MAPS}?limit=2&continue={token}")
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    third = await talk.ok("GET", f"{MAPS}?limit=2&continue={second['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in third["items"]] == ["e", "kube-root-ca.crt"]
    assert "continue" not in third["metadata"]


async def test_selected_pages_tell_no_remaining_count(talk: Talk) -> None:
    for name in "abc":
        await talk.ok("POST", MAPS, config_map(name, metadata={"name": name, "labels": {"x": "1"}}))
    page = await talk.ok("GET", f"{MAPS}?limit=2&labelSelector=x=1")
    assert len(page["items"]) == 2
    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]


async def test_the_past_can_be_listed_exactly(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map("a"))
    version = made["metadata"]["resourceVersion"]
    await talk.ok("POST", MAPS, config_map("b"))
    assert await names(talk, f"?resourceVersion={version}&resourceVersionMatch=Exact") == ["a"]
    assert await names(talk, f"?resourceVersion={version}&limit=10") == ["a"]
    assert await names(talk, f"?resourceVersion={version}") == ["a", "b"]
    assert await names(talk, f"?resourceVersion={version}&resourceVersionMatch=NotOlderThan") == ["a", "b"]
    assert await names(talk, "?resourceVersion=0") == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("resourceVersion=5&resourceVersionMatch=Best", 422),
        ("continue=x&resourceVersionMatch=Exact&resourceVersion=5", 422),
        ("sendInitialEvents=true", 422),
        ("continue=x", 400),
        ("resourceVersion=-1", 400),
        ("resourceVersion=abc", 400),
        ("limit=-1", 400),
        ("fieldSelector=spec.nothing=1", 400),
        ("watch=1&resourceVersionMatch=NotOlderThan", 422),
        ("watch=1&sendInitialEvents=true", 422),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", 422),
    ],
)
async def test_contradictions_are_refused(talk: Talk, query: str, code: int) -> None:
    assert (await talk.refused("GET", f"{MAPS}?{query}"))[0] == code


async def test_a_version_that_has_not_come_is_waited_for_and_then_refused(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwire.apiserver.listing.FRESH_SECONDS", 0.05)
    version = talk.server.store.version
    code, answer = await talk.response("GET", f"{MAPS}?resourceVersion={version + 5}")
    assert (code, answer["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")
    assert answer["details"]["retryAfterSeconds"] == 1
    waiting = asyncio.create_task(talk.ok("GET", f"{MAPS}?resourceVersion={version + 1}"))
    await talk.ok("POST", MAPS, config_map())
    assert "items" in await waiting


async def test_metadata_alone(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    answer = await talk.ok("GET", MAPS, accept=accept)
    assert answer["kind"] == "PartialObjectMetadataList"
    assert all(item["kind"] == "PartialObjectMetadata" and "data" not in item for item in answer["items"])


async def test_what_cannot_be_shown_is_refused(talk: Talk) -> None:
    assert (await talk.refused("GET", MAPS, accept="text/html"))[:2] == (406, "NotAcceptable")
    assert (await talk.refused("GET", MAPS, accept="application/vnd.kubernetes.protobuf"))[0] == 406
    await talk.ok("GET", MAPS, accept="application/vnd.kubernetes.protobuf,application/json")


# watch


async def test_a_watch_from_nothing_tells_what_stands(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    for query in ("", "&resourceVersion=0"):
        events = await talk.watch(f"{MAPS}?watch=true{query}&fieldSelector=metadata.name=a")
        assert [event["type"] for event in events] == ["ADDED"]


async def test_a_watch_from_a_version_tells_what_came_after(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    await talk.ok("PATCH", f"{MAPS}/a", {"data": {"x": "2"}}, content_type=MERGE)
    await talk.ok("DELETE", f"{MAPS}/a")
    version = made["metadata"]["resourceVersion"]
    events = await talk.watch(f"{MAPS}?watch=true&resourceVersion={version}")
    assert [(event["type"], event["object"]["data"]["x"]) for event in events] == [("MODIFIED", "2"), ("DELETED", "2")]


async def test_a_watch_list_ends_its_beginning_with_a_bookmark(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    events = await talk.watch(f"{MAPS}?{query}&resourceVersion=0")
    assert [event["type"] for event in events] == ["ADDED", "ADDED", "BOOKMARK"]
    last = events[-1]["object"]
    assert (last["kind"], last["apiVersion"]) == ("ConfigMap", "v1")
    assert last["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert last["metadata"]["resourceVersion"] == str(talk.server.store.version)


async def test_table_watchers_find_the_bookmark_in_the_row(talk: Talk) -> None:
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    event = (await talk.watch(f"{MAPS}?{query}", accept=accept))[-1]
    assert event["object"]["kind"] == "Table"
    row = event["object"]["rows"][0]["object"]
    assert row["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


# paths


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/apis/no.group/v1", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/configmaps/a", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a/status", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/%2e%2e%2fsecrets", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("PUT", "/api/v1/namespaces/default/configmaps", 405),
        ("POST", "/version", 405),
        ("GET", "/metrics", 404),
        ("GET", "/", 200),
        ("GET", "/version", 200),
        ("GET", "/api", 200),
        ("GET", "/apis/apps/v1", 200),
        ("GET", "/openapi/v3", 200),
        ("GET", "/openapi/v3/apis/apps/v1", 200),
    ],
)
async def test_paths(talk: Talk, method: str, path: str, code: int) -> None:
    body: dict[str, Any] | None = {} if method in {"POST", "PUT"} else None
    assert (await talk.response(method, path, body))[0] == code


async def test_health(talk: Talk) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/readyz/ping"):
        answer = await talk.answer("GET", path)
        assert isinstance(answer, Response)
        assert (answer.code, answer.body) == (200, b"ok")


async def test_nobody_gets_nothing(talk: Talk) -> None:
    for path in ("/version", "/healthz", MAPS, "/nothing"):
        answer = await talk.server.api.handle(Request("GET", path, None))
        assert isinstance(answer, Response)
        assert answer.code == 401


async def test_bodies_in_yaml_and_broken_ones(talk: Talk) -> None:
    text = b"kind: ConfigMap\nmetadata: {name: y}\ndata: {x: 'yes'}\n"
    assert (await talk.ok("POST", MAPS, text, content_type="application/yaml"))["data"] == {"x": "yes"}
    broken: list[tuple[bytes, str, int]] = [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"k8s\0", "application/vnd.kubernetes.protobuf", 415),
        (b" " * (3 * 1024 * 1024 + 1), "application/json", 413),
        (b"[" * 10_000, "application/json", 400),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "application/json", 400),
    ]
    for content, kind, code in broken:
        assert (await talk.refused("POST", MAPS, content, content_type=kind))[0] == code


async def test_a_yaml_bomb_is_refused(talk: Talk) -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    body = "\n".join(lines).encode()
    assert (await talk.refused("POST", MAPS, body, content_type="application/yaml"))[0] == 413


# subresources


async def test_scale(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment(replicas=2))
    path = f"{DEPLOYMENTS}/web/scale"
    scale = await talk.ok("GET", path)
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["selector"]) == ("Scale", 2, "app=web")
    assert (await talk.ok("PATCH", path, {"spec": {"replicas": 7}}, content_type=MERGE))["spec"]["replicas"] == 7
    assert (await talk.ok("GET", f"{DEPLOYMENTS}/web"))["spec"]["replicas"] == 7
    assert (await talk.refused("PUT", path, scale))[:2] == (409, "Conflict")
    assert (await talk.refused("PATCH", path, {"spec": {"replicas": -1}}, content_type=MERGE))[0] == 400


async def test_a_pod_is_bound_once(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod())
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"name": "n1"}}
    await talk.ok("POST", f"{PODS}/web/binding", binding)
    bound = await talk.ok("GET", f"{PODS}/web")
    assert bound["spec"]["nodeName"] == "n1"
    assert {c["type"]: c["status"] for c in bound["status"]["conditions"]}["PodScheduled"] == "True"
    assert (await talk.refused("POST", f"{PODS}/web/binding", binding))[:2] == (409, "Conflict")


async def test_eviction_deletes(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod())
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    await talk.ok("POST", f"{PODS}/web/eviction", body)
    assert (await talk.refused("GET", f"{PODS}/web"))[0] == 404


async def test_exec_needs_an_upgrade(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod(nodeName="n1"))
    assert (await talk.refused("GET", f"{PODS}/web/exec?command=ls"))[0] == 400
    assert (await talk.refused("POST", f"{PODS}/web/exec?command=ls"))[0] == 400


# kinds with more to them


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"app": name}, **spec}}


async def test_a_service_s_address_is_its_own_until_it_is_gone(talk: Talk) -> None:
    path = "/api/v1/namespaces/default/services"
    await talk.ok("POST", f"{path}?dryRun=All", service("a", clusterIP="10.96.7.7"))
    await talk.ok("POST", path, service("a", clusterIP="10.96.7.7"))
    assert (await talk.refused("POST", path, service("b", clusterIP="10.96.7.7")))[:2] == (422, "Invalid")
    await talk.ok("DELETE", f"{path}/a")
    assert (await talk.ok("POST", path, service("b", clusterIP="10.96.7.7")))["spec"]["clusterIPs"] == ["10.96.7.7"]
    given = (await talk.ok("POST", path, service("c")))["spec"]["clusterIP"]
    assert given.startswith("10.96.")
    assert given != "10.96.7.7"


async def test_events_are_served_in_two_forms(talk: Talk) -> None:
    core = talk.server.registry.find("", "v1", "events")
    assert core is not None
    talk.server.registry.add(replace(core, group="events.k8s.io", version="v1"))
    new = {
        "metadata": {"name": "e", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "test",
        "reportingInstance": "test-1",
        "action": "Testing",
        "reason": "Works",
        "type": "Normal",
        "note": "it works",
        "regarding": {"kind": "Pod", "name": "web", "namespace": "default"},
    }
    made = await talk.ok("POST", "/apis/events.k8s.io/v1/namespaces/default/events", new)
    assert (made["apiVersion"], made["note"]) == ("events.k8s.io/v1", "it works")
    path = "/api/v1/namespaces/default/events"
    found = await talk.ok("GET", f"{path}?fieldSelector=involvedObject.name=web")
    assert [(item["apiVersion"], item["message"]) for item in found["items"]] == [("v1", "it works")]
    assert (await talk.ok("GET", f"{path}?fieldSelector=involvedObject.name=db"))["items"] == []
    merged = await talk.ok(
        "PATCH", "/apis/events.k8s.io/v1/namespaces/default/events/e", {"note": "still"}, content_type=MERGE
    )
    assert merged["note"] == "still"
    assert (await talk.ok("GET", f"{path}/e"))["message"] == "still"


async def test_what_is_wrong_is_named_and_nothing_is_stored(talk: Talk) -> None:
    policy = {
        "metadata": {"name": "p"},
        "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 9, "endPort": 5}]}]},
    }
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    code, answer = await talk.response("POST", path, policy)
    assert (code, answer["reason"]) == (422, "Invalid")
    assert "spec.ingress[0].ports[0].endPort" in {cause["field"] for cause in answer["details"]["causes"]}
    assert (await talk.ok("GET", path))["items"] == []


# first objects


async def test_the_first_objects_stand(talk: Talk) -> None:
    spaces = await talk.ok("GET", "/api/v1/namespaces")
    assert [s["metadata"]["name"] for s in spaces["items"]] == [
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
    ]
    assert all(space["status"]["phase"] == "Active" for space in spaces["items"])
    service = await talk.ok("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIPs"] == ["10.96.0.1", "fd00:10:96::1"]
    slices = await talk.ok("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")
    assert [s["endpoints"][0]["addresses"] for s in slices["items"]] == [["172.18.0.1"], ["fd00:172:18::1"]]


async def test_a_fault_is_a_status_and_no_traceback(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(talk.server.store, "get", broken)
    code, reason, message = await talk.refused("GET", f"{MAPS}/a")
    assert (code, reason) == (500, "InternalError")
    assert "secret detail" not in message
