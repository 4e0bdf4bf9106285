"""What clients and server agree on beside the objects: forms, sizes, headers."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from podwire.apiserver.answers import Answer
from podwire.apiserver.base import field_errors, status
from podwire.apiserver.base.requests import Request, Response
from podwire.apiserver.base.status import StatusError
from podwire.apiserver.reads.watcher import WatchAnswer
from tests.apiserver.conftest import Served, Talk
from tests.apiserver.custom.widgets import WIDGETS, define, widget
from tests.apiserver.samples import DEPLOYMENTS, JSON_PATCH, MAPS, MERGE, PODS, STRATEGIC, config_map, deployment, pod

ENDPOINTS = "/api/v1/namespaces/default/endpoints"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
TABLE_V1BETA1 = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
APPLY = "application/apply-patch+yaml"
NUMBERS = b'{"a":1,"b":1.0,"c":9007199254740993}'


# refusals


@pytest.mark.proves("reasons-and-codes")
@pytest.mark.parametrize(
    ("refusal", "code", "reason"),
    [
        (status.bad_request(""), 400, "BadRequest"),
        (status.unauthorized(), 401, "Unauthorized"),
        (status.no_such_path(), 404, "NotFound"),
        (status.method_not_allowed(), 405, "MethodNotAllowed"),
        (status.not_acceptable(""), 406, "NotAcceptable"),
        (status.ExpiredError(""), 410, "Expired"),
        (status.too_large(""), 413, "RequestEntityTooLarge"),
        (status.unsupported_media_type("", ()), 415, "UnsupportedMediaType"),
        (status.invalid_options("ListOptions", field_errors.required("a")), 422, "Invalid"),
        (status.internal(""), 500, "InternalError"),
        (status.unavailable(""), 503, "ServiceUnavailable"),
        (status.version_too_large(2, 1), 504, "Timeout"),
    ],
)
def test_each_reason_has_its_code(refusal: StatusError, code: int, reason: str) -> None:
    assert (refusal.code, refusal.reason) == (code, reason)
    assert (refusal.json()["code"], refusal.json()["reason"], refusal.json()["status"]) == (code, reason, "Failure")


@pytest.mark.proves("errors-are-status-objects", "reasons-and-codes")
async def test_a_refusal_names_what_it_is_about(talk: Talk) -> None:
    made = await talk.ok("POST", DEPLOYMENTS, deployment())
    code, taken = await talk.response("POST", DEPLOYMENTS, deployment())
    assert (code, taken["reason"], taken["details"]) == (
        409,
        "AlreadyExists",
        {"name": "web", "group": "apps", "kind": "deployments"},
    )
    old = {**made, "metadata": {**made["metadata"], "resourceVersion": "1"}}
    code, stale = await talk.response("PUT", f"{DEPLOYMENTS}/web", old)
    assert (code, stale["reason"], stale["details"]["name"]) == (409, "Conflict", "web")
    code, wrong = await talk.response("POST", DEPLOYMENTS, deployment("b", replicas=-1))
    assert (code, wrong["details"]["kind"]) == (422, "Deployment")
    assert [cause["field"] for cause in wrong["details"]["causes"]] == ["spec.replicas"]


@pytest.mark.proves("retry-after")
async def test_a_retry_has_its_time_in_a_header(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.apiserver.reads.list_options.FRESH_SECONDS", 0.01)
    early = await talk.answer("GET", f"{MAPS}?resourceVersion={talk.server.store.version + 9}")
    assert isinstance(early, Response)
    assert (early.code, early.headers["Retry-After"], json.loads(early.body)["details"]["retryAfterSeconds"]) == (
        504,
        "1",
        1,
    )
    await talk.ok("POST", PODS, {**pod(), "metadata": {"name": "web", "labels": {"app": "web"}}})
    await talk.ok("PATCH", f"{PODS}/web/status", {"status": {"phase": "Running"}}, content_type=MERGE)
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    await talk.ok("POST", budgets, {"metadata": {"name": "web"}, "spec": spec})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    unknown = await talk.answer("POST", f"{PODS}/web/eviction", eviction)
    assert isinstance(unknown, Response)
    assert (unknown.code, unknown.headers["Retry-After"]) == (429, "10")

    def closed_for_now(_: Request) -> Response:
        raise status.unavailable("the store cannot be written")

    monkeypatch.setattr(talk.server.api._documents, "answer", closed_for_now)
    closed = await talk.answer("GET", "/version")
    assert isinstance(closed, Response)
    assert (closed.code, closed.headers["Retry-After"]) == (503, "1")


# forms


@pytest.mark.proves("accept-header", "table-negotiation")
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "ConfigMapList"),
        ("*/*", "ConfigMapList"),
        ("application/*", "ConfigMapList"),
        ("application/json", "ConfigMapList"),
        (f"{PROTOBUF},application/json", "ConfigMapList"),
        (f"{TABLE},{TABLE_V1BETA1},application/json", "Table"),
        (f"application/json,{TABLE}", "ConfigMapList"),
        ("application/json;as=Nothing;v=v1;g=meta.k8s.io,application/json", "ConfigMapList"),
        ("text/html, application/json;q=0.5", "ConfigMapList"),
    ],
)
async def test_the_first_form_that_can_be_given_is_given(talk: Talk, accept: str, kind: str) -> None:
    assert (await talk.ok("GET", MAPS, accept=accept))["kind"] == kind


@pytest.mark.proves("accept-header")
@pytest.mark.parametrize("accept", [PROTOBUF, "text/html", "application/json;as=Nothing;v=v1;g=meta.k8s.io"])
async def test_nothing_that_can_be_given_is_406(talk: Talk, accept: str) -> None:
    assert (await talk.refused("GET", MAPS, accept=accept))[:2] == (406, "NotAcceptable")


@pytest.mark.proves("cbor-is-refused")
@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", MAPS, "application/cbor"),
        ("PUT", f"{MAPS}/a", "application/cbor"),
        ("PATCH", f"{MAPS}/a?fieldManager=me", "application/apply-patch+cbor"),
        ("DELETE", f"{MAPS}/a", "application/cbor"),
    ],
)
async def test_cbor_is_refused_so_that_clients_stay_on_json(
    talk: Talk, method: str, path: str, content_type: str
) -> None:
    await talk.ok("POST", MAPS, config_map())
    assert (await talk.refused(method, path, b"\xd9\xd9\xf7\xa0", content_type=content_type))[:2] == (
        415,
        "UnsupportedMediaType",
    )
    assert (await talk.refused("GET", MAPS, accept="application/cbor"))[0] == 406
    await talk.ok("GET", MAPS, accept="application/cbor, application/json")


@pytest.mark.proves("unknown-query-parameters")
async def test_unknown_parameters_are_ignored(talk: Talk) -> None:
    await talk.ok("GET", f"{MAPS}?pretty=true&nothing=1&timeout=1ns")
    await talk.ok("POST", f"{MAPS}?nothing=1", config_map())
    assert [event["type"] for event in await talk.watch(f"{MAPS}?watch=1&timeout=1ns&nothing=x")] == ["ADDED"] * 2


@pytest.mark.proves("exact-field-names")
async def test_field_names_are_exact(talk: Talk) -> None:
    code, _, message = await talk.refused("POST", f"{MAPS}?fieldValidation=Strict", config_map(Data={"y": "1"}))
    assert (code, 'unknown field "Data"' in message) == (400, True)


@pytest.mark.proves("numbers-keep-their-type", "unknown-fields-survive")
@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        (MERGE, b'{"spec":{"extra":' + NUMBERS + b"}}"),
        (JSON_PATCH, b'[{"op":"add","path":"/spec/extra","value":' + NUMBERS + b"}]"),
        (
            APPLY,
            b'{"apiVersion":"example.com/v1","kind":"Widget","spec":{"extra":{"a":1,"b":1.0,"c":9007199254740993}}}',
        ),
    ],
)
async def test_numbers_stay_what_they_are(talk: Talk, content_type: str, patch: bytes) -> None:
    await define(talk)
    await talk.ok("POST", WIDGETS, widget())
    await talk.ok("PATCH", f"{WIDGETS}/a?fieldManager=me", patch, content_type=content_type)
    stored = await talk.answer("GET", f"{WIDGETS}/a")
    assert isinstance(stored, Response)
    assert b'"extra":' + NUMBERS in stored.body


@pytest.mark.proves("numbers-keep-their-type")
async def test_a_strategic_patch_leaves_the_other_numbers_alone(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment(replicas=3))
    patched = await talk.answer("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"paused": True}}, content_type=STRATEGIC)
    assert isinstance(patched, Response)
    assert b'"replicas":3,' in patched.body


@pytest.mark.proves("pretty-answers")
async def test_answers_for_people_have_lines(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    for query, agent, lines in (
        ("", "curl/8.1", True),
        ("?pretty=true", "kubectl/v1.37.1", True),
        ("", "kubectl/v1.37.1", False),
        ("?pretty=false", "curl/8.1", False),
        ("?pretty", "Mozilla/5.0 (X11)", True),
    ):
        answer = await talk.answer("GET", f"{MAPS}/a{query}", user_agent=agent)
        assert isinstance(answer, Response)
        assert (b'\n  "kind": "ConfigMap"' in answer.body) is lines
        assert json.loads(answer.body) == made
    refused = await talk.answer("GET", f"{MAPS}/b", user_agent="curl/8.1")
    assert isinstance(refused, Response)
    assert b'\n  "reason": "NotFound"' in refused.body


# headers


@pytest.mark.proves("openapi-v3-index", "openapi-v3-merge-keys")
async def test_schemas_are_cached_for_ever_by_their_hash(talk: Talk) -> None:
    index = await talk.ok("GET", "/openapi/v3")
    address = index["paths"]["api/v1"]["serverRelativeURL"]
    first = await talk.answer("GET", address)
    assert isinstance(first, Response)
    assert first.headers["Cache-Control"] == "public, immutable"
    assert parsedate_to_datetime(first.headers["Expires"]) > datetime.now(UTC) + timedelta(days=300)
    containers = json.loads(first.body)["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"][
        "containers"
    ]
    assert (containers["x-kubernetes-patch-merge-key"], containers["x-kubernetes-list-type"]) == ("name", "map")
    again = await talk.answer("GET", address, if_none_match=first.headers["Etag"])
    assert isinstance(again, Response)
    assert (again.code, again.body) == (304, b"")
    moved = await talk.answer("GET", "/openapi/v3/api/v1?hash=OLD")
    assert isinstance(moved, Response)
    assert (moved.code, moved.headers["Location"]) == (301, address)
    plain = await talk.answer("GET", "/openapi/v3/api/v1")
    assert isinstance(plain, Response)
    assert "Expires" not in plain.headers


@pytest.mark.proves("openapi-v3-index")
async def test_kubectl_fetches_schemas_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []
    handle = served.server.api.handle

    async def noted(request: Request) -> Answer:
        requested.append(request.path)
        return await handle(request)

    monkeypatch.setattr(served.server.api, "handle", noted)
    for _ in range(2):
        await served.kubectl("explain", "pod.spec")
    assert (requested.count("/openapi/v3"), requested.count("/openapi/v3/api/v1")) == (2, 1)


@pytest.mark.proves("deprecated-versions-warn", "warning-headers")
async def test_requests_of_endpoints_get_a_deprecation_warning(talk: Talk) -> None:
    reported = ("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",)
    new = {"metadata": {"name": "web"}, "subsets": []}
    for method, path, body in (
        ("POST", ENDPOINTS, new),
        ("GET", ENDPOINTS, None),
        ("GET", f"{ENDPOINTS}?watch=1", None),
    ):
        answer = await talk.answer(method, path, body)
        assert isinstance(answer, Response | WatchAnswer)
        assert answer.warnings == reported
    silent = await talk.answer("GET", MAPS)
    assert isinstance(silent, Response)
    assert silent.warnings == ()


@pytest.mark.proves("warning-headers")
async def test_warnings_of_a_watch_are_headers_too(served: Served) -> None:
    async with session(served) as client, client.get(ENDPOINTS, params={"watch": "1", "timeoutSeconds": "1"}) as watch:
        assert watch.headers["Warning"].startswith('299 - "v1 Endpoints is deprecated')


@pytest.mark.proves("gzip")
async def test_large_answers_are_compressed_for_clients_that_accept_it(served: Served) -> None:
    async with session(served, auto_decompress=False) as client:
        await (await client.post(MAPS, json=config_map(data={"x": "y" * 200_000}))).read()
        for offered, given in (("gzip", "gzip"), ("identity", None), ("gzip;q=0", None), ("br", None)):
            async with client.get(f"{MAPS}/a", headers={"Accept-Encoding": offered}) as answer:
                assert answer.headers.get("Content-Encoding") == given
                assert (len(await answer.read()) < 10_000) is (given == "gzip")
        async with client.get("/version", headers={"Accept-Encoding": "gzip"}) as small:
            assert "Content-Encoding" not in small.headers
    async with session(served) as client, client.get(f"{MAPS}/a") as answer:
        assert (await answer.json())["data"]["x"] == "y" * 200_000


def session(served: Served, **options: Any) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=served.credentials.ssl_context())
    return aiohttp.ClientSession(served.url, connector=connector, **options)


@pytest.mark.proves("bad-headers")
@pytest.mark.parametrize(
    "request_line",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_refused_and_the_next_is_served(served: Served, request_line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=served.credentials.ssl_context())
    writer.write(request_line)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    assert answer.split()[1] == b"400"
    assert b"Traceback" not in answer
    async with session(served) as client, client.get("/readyz") as ready:
        assert ready.status == 200


@pytest.mark.parametrize("kind", ["Table", "PartialObjectMetadata"])
async def test_the_older_version_of_tables_and_metadata_has_its_name(talk: Talk, kind: str) -> None:
    await talk.ok("POST", MAPS, config_map(data={"x": '"apiVersion":"meta.k8s.io/v1"'}))
    for path in (f"{MAPS}/a", MAPS):
        listed = kind if kind == "Table" or path != MAPS else f"{kind}List"
        old = await talk.ok("GET", path, accept=f"application/json;as={listed};v=v1beta1;g=meta.k8s.io")
        new = await talk.ok("GET", path, accept=f"application/json;as={listed};v=v1;g=meta.k8s.io")
        assert (old["apiVersion"], new["apiVersion"]) == ("meta.k8s.io/v1beta1", "meta.k8s.io/v1")
        assert old["kind"] == new["kind"] == listed
        assert json.loads(json.dumps(old).replace("meta.k8s.io/v1beta1", "meta.k8s.io/v1")) == new
    events = await talk.watch(f"{MAPS}?watch=true", accept=f"application/json;as={kind};v=v1beta1;g=meta.k8s.io")
    assert {event["object"]["apiVersion"] for event in events} == {"meta.k8s.io/v1beta1"}


async def test_a_review_is_no_row_of_a_table(talk: Talk) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    review = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert (await talk.refused("POST", path, review, accept=table))[:2] == (406, "NotAcceptable")
    assert (await talk.ok("POST", path, review, accept=f"{table},application/json"))["status"]["allowed"] is True
