"""What the Api answers to writes, and to paths that are none, without sockets."""

import asyncio
import re
from typing import Any

import pytest

from podwire.apiserver.base.requests import Request, Response
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import DEPLOYMENTS, JSON_PATCH, MAPS, MERGE, PODS, STRATEGIC, config_map, deployment, pod

# create


@pytest.mark.proves("create", "identity")
async def test_a_new_object_gets_its_identity(talk: Talk) -> None:
    made = (await talk.ok("POST", MAPS, config_map()))["metadata"]
    assert made["namespace"] == "default"
    assert len(made["uid"]) == 36
    assert int(made["resourceVersion"]) > 0
    assert made["creationTimestamp"].endswith("Z")
    assert "generation" not in made
    assert (await talk.refused("POST", MAPS, config_map()))[:2] == (409, "AlreadyExists")


@pytest.mark.proves("create")
async def test_names_are_generated(talk: Talk) -> None:
    body = config_map()
    body["metadata"] = {"generateName": "job-"}
    names = {(await talk.ok("POST", MAPS, body))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("job-") and len(name) == 9 for name in names)


@pytest.mark.proves("create-refusals")
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
    assert "labels" not in made["metadata"]


@pytest.mark.proves("create-refusals")
async def test_a_namespace_must_be_there(talk: Talk) -> None:
    code, reason, message = await talk.refused("POST", "/api/v1/namespaces/nowhere/configmaps", config_map())
    assert (code, reason, message) == (404, "NotFound", 'namespaces "nowhere" not found')


# update


@pytest.mark.proves("update-keeps-identity", "identity")
async def test_an_update_replaces_and_keeps_what_is_the_server_s(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map(metadata={"name": "a", "labels": {"l": "1"}}))
    claims = {"name": "a", "creationTimestamp": "2000-01-01T00:00:00Z", "generation": 77}
    new = await talk.ok("PUT", f"{MAPS}/a", config_map(metadata=claims, data={"y": "2"}))
    assert new["data"] == {"y": "2"}
    assert "labels" not in new["metadata"]
    assert new["metadata"]["uid"] == made["metadata"]["uid"]
    assert new["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert "generation" not in new["metadata"]


@pytest.mark.proves("update-versions")
async def test_an_update_of_an_older_version_or_another_uid_is_a_conflict(talk: Talk) -> None:
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


@pytest.mark.proves("update-versions")
@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [
        ("/api/v1/namespaces/default/secrets", "Secret", 200),
        ("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", "NetworkPolicy", 200),
        ("/apis/coordination.k8s.io/v1/namespaces/default/leases", "Lease", 422),
        ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", "PodDisruptionBudget", 422),
    ],
)
async def test_some_kinds_need_the_version_that_is_replaced(talk: Talk, path: str, kind: str, code: int) -> None:
    made = await talk.ok("POST", path, {"metadata": {"name": "a"}, **SPECS.get(kind, {})})
    without = {**made, "metadata": {"name": "a", "labels": {"x": "1"}}}
    found, answer = await talk.response("PUT", f"{path}/a", without)
    assert (found, "must be specified for an update" in answer.get("message", "")) == (code, code == 422)
    await talk.ok("PUT", f"{path}/a", {**made, "metadata": {**made["metadata"], **current(answer)}})


SPECS: dict[str, dict[str, Any]] = {"NetworkPolicy": {"spec": {"podSelector": {}}}}


def current(answer: dict[str, Any]) -> dict[str, Any]:
    """The version after an update that succeeded."""
    return {name: answer["metadata"][name] for name in ("resourceVersion",) if name in answer["metadata"]}


@pytest.mark.proves("versions-are-decimal", "list-versions")
async def test_versions_are_positive_decimal_numbers_of_one_counter(talk: Talk) -> None:
    versions = [
        (await talk.ok("POST", MAPS, config_map()))["metadata"]["resourceVersion"],
        (await talk.ok("POST", PODS, pod()))["metadata"]["resourceVersion"],
        (await talk.ok("GET", DEPLOYMENTS))["metadata"]["resourceVersion"],
    ]
    assert all(re.fullmatch("[1-9][0-9]*", version) for version in versions)
    assert int(versions[0]) < int(versions[1]) == int(versions[2])


@pytest.mark.proves("no-op-writes")
async def test_an_update_that_changes_nothing_keeps_the_version(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    assert await talk.ok("PUT", f"{MAPS}/a", config_map()) == made


@pytest.mark.proves("generation")
async def test_generation_counts_changes_of_the_spec_only(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web"
    labelled = await talk.ok("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    assert labelled["metadata"]["generation"] == 1
    reported = await talk.ok("PATCH", f"{path}/status", {"status": {"replicas": 1}}, content_type=MERGE)
    assert (reported["metadata"]["generation"], reported["status"]["replicas"]) == (1, 1)
    scaled = await talk.ok("PATCH", path, {"spec": {"replicas": 5}}, content_type=MERGE)
    assert (scaled["metadata"]["generation"], scaled["status"]["replicas"]) == (2, 1)


@pytest.mark.proves("status-apart")
async def test_status_and_the_rest_are_written_apart(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod())
    both = {"status": {"phase": "Running"}, "spec": {"nodeName": "n1"}, "metadata": {"labels": {"a": "b"}}}
    main = await talk.ok("PATCH", f"{PODS}/web", {"status": both["status"]}, content_type=MERGE)
    assert main["status"].get("phase") != "Running"
    reported = await talk.ok("PATCH", f"{PODS}/web/status", both, content_type=MERGE)
    assert reported["status"]["phase"] == "Running"
    assert "nodeName" not in reported["spec"]
    assert reported["metadata"]["labels"] == {"a": "b"}


# patch


@pytest.mark.proves("patch-types")
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


@pytest.mark.proves("patch-types", "json-patch", "merge-patch-lock")
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
        ({}, "application/apply-patch+yaml", 422, "Invalid"),
        ({}, "application/json", 415, "UnsupportedMediaType"),
        (b"{", MERGE, 400, "BadRequest"),
    ],
)
async def test_patches_that_are_refused(talk: Talk, body: Any, content_type: str, code: int, reason: str) -> None:
    await talk.ok("POST", MAPS, config_map())
    assert (await talk.refused("PATCH", f"{MAPS}/a", body, content_type=content_type))[:2] == (code, reason)


@pytest.mark.proves("merge-patch-lock")
async def test_patches_without_a_version_do_not_conflict(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    patches = ({"data": {str(count): "x"}} for count in range(20))
    await asyncio.gather(*(talk.ok("PATCH", f"{MAPS}/a", patch, content_type=MERGE) for patch in patches))
    assert len((await talk.ok("GET", f"{MAPS}/a"))["data"]) == 21


async def test_a_body_that_names_another_object_is_refused_before_any_is_looked_up(talk: Talk) -> None:
    code, reason, message = await talk.refused("PUT", f"{MAPS}/gone", config_map("b"))
    assert (code, reason) == (400, "BadRequest")
    assert message == "the name of the object (b) does not match the name on the URL (gone)"
    elsewhere = config_map("gone", metadata={"name": "gone", "namespace": "kube-system"})
    code, _, message = await talk.refused("PUT", f"{MAPS}/gone", elsewhere)
    assert (code, message) == (
        400,
        "the namespace of the object (kube-system) does not match the namespace on the request (default)",
    )
    assert (await talk.refused("PUT", f"{MAPS}/gone", config_map("gone")))[0] == 404


# dry run and field validation


@pytest.mark.proves("dry-run")
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


@pytest.mark.proves("field-validation", "warning-headers")
async def test_unknown_fields_are_refused_or_dropped(talk: Talk) -> None:
    body = config_map(dat={"typo": "1"})
    code, _, message = await talk.refused("POST", f"{MAPS}?fieldValidation=Strict", body)
    assert code == 400
    assert 'unknown field "dat"' in message
    warned = await talk.answer("POST", MAPS, body)
    assert isinstance(warned, Response)
    assert warned.warnings == ('unknown field "dat"',)
    assert "dat" not in await talk.ok("GET", f"{MAPS}/a")
    ignored = await talk.answer("PUT", f"{MAPS}/a?fieldValidation=Ignore", body)
    assert isinstance(ignored, Response)
    assert (ignored.code, ignored.warnings) == (200, ())
    assert b'"dat"' not in ignored.body
    patched = await talk.ok("PATCH", f"{MAPS}/a", {"metadata": {"label": {"a": "b"}}}, content_type=MERGE)
    assert "label" not in patched["metadata"]


# paths


@pytest.mark.proves("bad-paths")
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
        ("POST", "/apis/no.group/v1/things", 404),
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


@pytest.mark.proves("version-and-health")
async def test_health(talk: Talk) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/readyz/ping"):
        answer = await talk.answer("GET", path)
        assert isinstance(answer, Response)
        assert (answer.code, answer.body) == (200, b"ok")


@pytest.mark.proves("anonymous")
async def test_anonymous_requests_are_401(talk: Talk) -> None:
    for path in ("/metrics", "/api", MAPS, "/nothing"):
        answer = await talk.server.api.handle(Request("GET", path, None))
        assert isinstance(answer, Response)
        assert answer.code == 401


@pytest.mark.proves("yaml-bodies", "bad-json", "bad-depth", "body-limit")
async def test_bodies_in_yaml_and_broken_ones(talk: Talk) -> None:
    text = b"kind: ConfigMap\nmetadata: {name: z}\ndata: {x: 'yes'}\n"
    assert (await talk.ok("POST", MAPS, text, content_type="application/yaml"))["data"] == {"x": "yes"}
    broken: list[tuple[bytes, str, int]] = [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"\x80:": 1}', "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"k8s\0", "application/vnd.kubernetes.protobuf", 400),
        (b" " * (3 * 1024 * 1024 + 1), "application/json", 413),
        (b"[" * 10_000, "application/json", 400),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "application/json", 400),
    ]
    for content, kind, code in broken:
        assert (await talk.refused("POST", MAPS, content, content_type=kind))[0] == code


@pytest.mark.proves("bad-depth")
async def test_a_yaml_bomb_is_refused(talk: Talk) -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    body = "\n".join(lines).encode()
    assert (await talk.refused("POST", MAPS, body, content_type="application/yaml"))[0] == 413
